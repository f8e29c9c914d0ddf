// Made from the Rust types by `UPDATE_TYPES=1 cargo test types`; not to be edited.

/**
 * A place in GPT-2. In JSON it is its name: `blocks.8.hook_resid_pre`.
 *
 * `blocks.7.hook_resid_post` and `blocks.8.hook_resid_pre` are equal only as names:
 * [`is_same`](Self::is_same) tells that they are one place.
 */
export type Place = string;

/**
 * One question about one prompt: how the sources at one place move the targets at another.
 *
 * The four analyses of the notebook are cases of it: tokens → place, place → place, place → the largest
 * logits, place → the difference of two logits.
 */
export type Request = { 
/**
 * The text, without BOS.
 */
prompt: string, 
/**
 * What the derivatives are with respect to.
 */
from: Sources, 
/**
 * What is differentiated.
 */
to: Targets, 
/**
 * Whether what the source's SAE misses stays in the forward pass.
 */
error?: ErrorTerm, 
/**
 * How sources are credited.
 */
method?: Method, 
/**
 * A prompt of as many tokens: sources are compared with what they are there, not with 0.
 */
patch?: string, 
/**
 * Whether each source is also taken away, and what that does is put beside its attribution.
 */
measure?: boolean, 
/**
 * Attribution above which a pair of latents at different positions is listed.
 */
threshold?: number, };

/**
 * Sources. In JSON `"tokens"` or the name of a place.
 */
export type Sources = string;

/**
 * Targets. In JSON the name of a place, or an object of one key.
 */
export type Targets = Place | LogitTargets;

/**
 * Which logits of the last position.
 */
export type LogitTargets = { "top_logits": number } | { "logits": Array<TokenRef> } | { "logit_difference": [TokenRef, TokenRef] };

/**
 * A token by its id, or by a text that is exactly that token.
 */
export type TokenRef = number | string;

/**
 * What becomes of the part of an activation that an SAE does not reconstruct.
 */
export type ErrorTerm = "keep" | "omit";

/**
 * What an attribution is.
 */
export type Method = "gradient" | "frozen" | { "integrated": number };

/**
 * Gradients and attributions between all sources and all targets of a request.
 */
export type Attribution = { 
/**
 * [`FORMAT_VERSION`].
 */
format_version: number, 
/**
 * What was asked.
 */
request: Request, 
/**
 * What answered.
 */
runtime: Runtime, 
/**
 * Which model it is of.
 */
model: ModelOrigin, 
/**
 * The prompt's tokens, BOS first.
 */
tokens: Tokens, 
/**
 * Columns of the matrices below.
 */
sources: Nodes, 
/**
 * Rows of the matrices below.
 */
targets: Nodes, 
/**
 * d target / d source, `[targets, sources]` row-major.
 */
gradients: Float32Array, 
/**
 * Gradient × source activation (1 for a token's scale), or × what it differs by from the patch,
 * `[targets, sources]` row-major.
 */
attributions: Float32Array, 
/**
 * What each target loses if each source is taken away: set to 0, or to what it is in the patch, the
 * rest of the model run on. `[targets, sources]` row-major; empty where it was not measured.
 */
ablations?: Float32Array, 
/**
 * How well attributions predict ablations.
 */
agreement?: Agreement, 
/**
 * What attributions are to sum to, and what the SAE's error adds.
 */
completeness?: Completeness, 
/**
 * What the sources are compared with, if not with 0.
 */
baseline?: Baseline, 
/**
 * Latent → latent: pairs at different positions over the request's threshold.
 */
off_staircase?: OffStaircase, 
/**
 * To logits: the largest logits of the last position.
 */
top_logits?: Logits, 
/**
 * Logit difference: the two tokens, positive first.
 */
pair_logits?: Logits, 
/**
 * Counts and norms.
 */
statistics: Statistics, };

/**
 * How well attributions predict ablations, over all pairs and for each target.
 */
export type Agreement = { 
/**
 * Over all pairs.
 */
all: Fit, 
/**
 * Over the pairs of each target.
 */
targets: Array<Fit>, };

/**
 * Attributions beside ablations, over pairs of which at least one of both is not 0.
 */
export type Fit = { 
/**
 * How many pairs.
 */
pairs: number, 
/**
 * Why there are no figures.
 */
lacks?: Lacks, 
/**
 * Pearson's correlation.
 */
pearson?: number, 
/**
 * Spearman's: that of ranks, ties sharing theirs.
 */
spearman?: number, 
/**
 * Ablation per attribution, by least squares with an intercept.
 */
slope?: number, 
/**
 * Share of the pairs with the largest |attribution|, 50 at most, whose ablation has its sign.
 */
same_sign?: number, };

/**
 * Why a [`Fit`] has no figures.
 */
export type Lacks = "all_zero" | "too_few" | "constant";

/**
 * What attributions sum to.
 */
export type Completeness = { 
/**
 * What each target's attributions and errors are to sum to: the target itself for a gradient, what
 * it differs by from the baseline for integrated gradients or with a patch. What lacks is the part
 * of biases, or what the method misses.
 */
total: Array<number>, 
/**
 * What the source SAE's error at each position adds to each target, as attributions are:
 * `[targets, pos]` row-major. Not there where the error has no part in the run.
 */
error?: Array<number>, };

/**
 * A prompt that sources are compared with.
 */
export type Baseline = { 
/**
 * Its tokens, as many as the prompt's.
 */
tokens: Tokens, 
/**
 * What each source is there; sources are those active here or there.
 */
activation: Array<number>, };

/**
 * What a result was computed with.
 */
export type Runtime = { 
/**
 * Version of this crate.
 */
version: string, 
/**
 * The device that it computed on.
 */
device: DeviceKind, };

/**
 * A device to compute on.
 */
export type DeviceKind = "webgpu" | "cpu";

/**
 * Where a model is from.
 */
export type ModelOrigin = { 
/**
 * Where its files are.
 */
address: string, 
/**
 * What whoever opened it calls it.
 */
name?: string, 
/**
 * The revision that the address names.
 */
revision?: string, };

/**
 * Where an SAE is from.
 */
export type SaeOrigin = { 
/**
 * Where its files are.
 */
address: string, 
/**
 * What whoever opened it calls it.
 */
name?: string, 
/**
 * The revision that the address names.
 */
revision?: string, 
/**
 * Where its decoder writes, if not where it reads.
 */
hook_name_out?: Place, };

/**
 * Tokens of a prompt.
 */
export type Tokens = { 
/**
 * Token ids.
 */
token_id: Array<number>, 
/**
 * What each reads as.
 */
string: Array<string>, };

/**
 * Rows or columns of the matrices. The columns are of one length, but for `latent` and
 * `token_id`, of which the one that does not apply is empty.
 */
export type Nodes = { 
/**
 * What each node is.
 */
kind: NodeKind, 
/**
 * The place, as it was asked for, for latents.
 */
hook_name?: Place, 
/**
 * Which SAE they are of, for latents.
 */
sae?: SaeOrigin, 
/**
 * Number of latents of the SAE, for latents.
 */
d_sae?: number, 
/**
 * Position in the prompt, BOS being 0.
 */
pos: Uint32Array, 
/**
 * Index in the SAE, for latents.
 */
latent: Uint32Array, 
/**
 * Token id, for tokens and logits.
 */
token_id: Uint32Array, 
/**
 * Activation, logit or difference of logits; 1 for a token's scale.
 */
activation: Float32Array, 
/**
 * How a person reads it: `F3.15266, ' E' (2)`.
 */
label: Array<string>, };

/**
 * What a row or column of the matrices is.
 */
export type NodeKind = "token" | "latent" | "logit" | "logit_difference";

/**
 * Logits of the last position, centred over the vocabulary, and their probabilities.
 */
export type Logits = { 
/**
 * Token ids.
 */
token_id: Array<number>, 
/**
 * What each reads as.
 */
string: Array<string>, 
/**
 * Logit of each.
 */
logit: Array<number>, 
/**
 * Probability of each, in [0, 1].
 */
probability: Array<number>, };

/**
 * Pairs at different positions with an attribution over a threshold, by target and then source:
 * off the "staircase" that a position's own latents form in the heatmap.
 */
export type OffStaircase = { 
/**
 * The threshold.
 */
threshold: number, 
/**
 * Row of each pair.
 */
target: Uint32Array, 
/**
 * Column of each pair.
 */
source: Uint32Array, };

/**
 * A part of a whole.
 */
export type Ratio = { 
/**
 * Pairs in the result.
 */
nonzero: number, 
/**
 * Pairs there could have been. Beyond 2^53 there are none but rounded ones, in JavaScript too.
 */
total: number, 
/**
 * The quotient; 0 of none.
 */
ratio: number, };

/**
 * Counts and norms of a result.
 */
export type Statistics = { 
/**
 * Pairs over what the notebook divides by, which leaves the positions out: latents² of the
 * later SAE, positions × latents, logits × latents, or logits × tokens.
 */
sparsity: Ratio, 
/**
 * Pairs over all pairs that positions, latents and logits allow.
 */
sparsity_over_positions: Ratio, 
/**
 * Σ |activation| of the sources.
 */
source_l1: number, 
/**
 * Σ |activation| of the targets.
 */
target_l1: number, 
/**
 * Σ |gradient|.
 */
gradient_l1: number, 
/**
 * Σ |attribution|.
 */
attribution_l1: number, 
/**
 * Sources at each position.
 */
sources_per_position: Array<number>, 
/**
 * Targets at each position.
 */
targets_per_position: Array<number>, 
/**
 * ‖x − x̂‖ of the source SAE at each position; empty when the sources are tokens.
 */
sae_error_norm: Array<number>, };

/**
 * A run with some latents changed.
 */
export type Intervention = { 
/**
 * The text, without BOS.
 */
prompt: string, 
/**
 * What is changed, at one place or several.
 */
edits: Array<Edit>, 
/**
 * Places whose latents are compared.
 */
observe?: Array<Place>, 
/**
 * The largest logits before, and likewise after, that are compared.
 */
top_logits?: number, };

/**
 * A change of one latent at one position: `set` or `times`.
 */
export type Edit = { 
/**
 * Where its SAE reads.
 */
place: Place, 
/**
 * Position in the prompt, BOS being 0.
 */
pos: number, 
/**
 * Index in the SAE.
 */
latent: number, 
/**
 * What its activation becomes.
 */
set?: number, 
/**
 * What its activation, as it is after the edits before it, is multiplied with.
 */
times?: number, };

/**
 * What an [`Intervention`] does.
 */
export type Intervened = { 
/**
 * [`FORMAT_VERSION`].
 */
format_version: number, 
/**
 * What was asked.
 */
intervention: Intervention, 
/**
 * What answered.
 */
runtime: Runtime, 
/**
 * Which model it is of.
 */
model: ModelOrigin, 
/**
 * The prompt's tokens, BOS first.
 */
tokens: Tokens, 
/**
 * What each edited latent was, as the run came to it, and became; in the order of `edits`.
 */
edited: Array<Edited>, 
/**
 * Logits of the last position before and after.
 */
logits: LogitChanges, 
/**
 * Kullback–Leibler divergence of what is predicted after from what was before, in nats.
 */
kl: number, 
/**
 * Latents of the observed places before and after.
 */
observed: Array<Observed>, };

/**
 * What an edited latent was and became.
 */
export type Edited = { 
/**
 * As the run came to it.
 */
before: number, 
/**
 * As it was left.
 */
after: number, };

/**
 * Logits of the last position, centred over the vocabulary, and probabilities, before and after: the
 * largest of either, by what they were before. Columns of one length.
 */
export type LogitChanges = { 
/**
 * Token ids.
 */
token_id: Array<number>, 
/**
 * What each reads as.
 */
string: Array<string>, 
/**
 * Logit before.
 */
logit_before: Array<number>, 
/**
 * Logit after.
 */
logit_after: Array<number>, 
/**
 * Probability before, in [0, 1].
 */
probability_before: Array<number>, 
/**
 * Probability after, in [0, 1].
 */
probability_after: Array<number>, };

/**
 * Latents of one place before and after: those active in either.
 */
export type Observed = { 
/**
 * The latents, their activations before.
 */
latents: Nodes, 
/**
 * Activation after of each; 0 where it vanished.
 */
after: Array<number>, };

/**
 * Curves of one target of an attribution.
 */
export type CurveRequest = { 
/**
 * Whose attributions rank the latents.
 */
request: Request, 
/**
 * Which target: its row.
 */
target?: number, 
/**
 * How many latents; if not given, about a dozen numbers up to all.
 */
counts?: Array<number>, };

/**
 * What a [`CurveRequest`] finds.
 */
export type Curves = { 
/**
 * [`FORMAT_VERSION`].
 */
format_version: number, 
/**
 * What was asked.
 */
asked: CurveRequest, 
/**
 * What answered.
 */
runtime: Runtime, 
/**
 * Which model it is of.
 */
model: ModelOrigin, 
/**
 * How a person reads the target.
 */
target_label: string, 
/**
 * Sources of the request, the largest |attribution| to the target first.
 */
order: Array<number>, 
/**
 * How many latents, ascending.
 */
counts: Array<number>, 
/**
 * The target in the model as it is, F(M).
 */
clean: number, 
/**
 * With the SAE's error kept in every run.
 */
with_error: Curve, 
/**
 * With the SAE's error taken away, too, in every run but the model's.
 */
without_error: Curve, };

/**
 * What the target is in each run. Columns are as long as `counts`.
 */
export type Curve = { 
/**
 * With all latents taken away, F(∅).
 */
empty: number, 
/**
 * With the largest kept, all others taken away.
 */
keep: Array<number>, 
/**
 * With the largest taken away, all others kept.
 */
remove: Array<number>, 
/**
 * Share of F(M) − F(∅) that the largest carry: 1 is all of it. Not there where that is 0.
 */
faithfulness?: Array<number>, 
/**
 * Share that all others carry: 0 if the largest lack nothing.
 */
completeness?: Array<number>, };

/**
 * A prompt to be continued.
 */
export type Generation = { 
/**
 * The text, without BOS.
 */
prompt: string, 
/**
 * Latents that steer; with none there is only the continuation as it is.
 */
steer?: Array<Steer>, 
/**
 * Tokens that are written, 50 at most; fewer where the text ends or the context is full.
 */
max_tokens: number, 
/**
 * 0 takes the likeliest token; above, tokens are drawn from logits divided by it.
 */
temperature?: number, 
/**
 * What drawing begins with: the same seed draws the same tokens.
 */
seed?: number, 
/**
 * The largest logits behind the prompt, steered and not, that are compared.
 */
top_logits?: number, };

/**
 * A latent that steers.
 */
export type Steer = { 
/**
 * Where its SAE reads; it steers where that writes.
 */
place: Place, 
/**
 * Index in the SAE.
 */
latent: number, 
/**
 * What its row of `W_dec` is multiplied with.
 */
factor: number, 
/**
 * Positions where it steers, BOS being 0; everywhere, in what is written too, if not given.
 */
pos?: Array<number>, };

/**
 * Continuations of a prompt.
 */
export type Generated = { 
/**
 * [`FORMAT_VERSION`].
 */
format_version: number, 
/**
 * What was asked.
 */
generation: Generation, 
/**
 * What answered.
 */
runtime: Runtime, 
/**
 * Which model it is of.
 */
model: ModelOrigin, 
/**
 * The prompt's tokens, BOS first.
 */
tokens: Tokens, 
/**
 * What the model writes as it is.
 */
plain: Continuation, 
/**
 * What it writes steered.
 */
steered?: Continuation, 
/**
 * Logits behind the prompt as it is (before) and steered (after).
 */
logits: LogitChanges, };

/**
 * Tokens behind a prompt. Columns of one length.
 */
export type Continuation = { 
/**
 * Token ids.
 */
token_id: Array<number>, 
/**
 * What each reads as.
 */
string: Array<string>, 
/**
 * How probable each was, at temperature 1.
 */
probability: Array<number>, };

/**
 * Where a model and its SAEs are, in the hub's layout.
 */
export type Addresses = { 
/**
 * The model.
 */
model: ModelAddress, 
/**
 * Its SAEs.
 */
saes: Array<SaeAddress>, };

/**
 * Where a model is.
 */
export type ModelAddress = { 
/**
 * Holds `config.json`, `tokenizer.json`, `model.safetensors`.
 */
address: string, 
/**
 * What its user calls it.
 */
name?: string, };

/**
 * Where an SAE is, or a folder of SAEs.
 */
export type SaeAddress = { 
/**
 * Holds `cfg.json` and `sae_weights.safetensors`; without `hook_name`, a folder of such for each
 * place, called by the place's name.
 */
address: string, 
/**
 * The place that it is for.
 */
hook_name?: Place, 
/**
 * Where its decoder writes, if its `cfg.json` does not say.
 */
hook_name_out?: Place, 
/**
 * The constant that its input is multiplied with, if its `cfg.json` asks for one and does not say.
 */
norm_scaling_factor?: number, 
/**
 * What its user calls it.
 */
name?: string, };

/**
 * How far a phase has come.
 */
export type Progress = { 
/**
 * The phase.
 */
phase: Phase, 
/**
 * Units done.
 */
done: number, 
/**
 * Units there are.
 */
total: number, 
/**
 * Floating-point operations of all matrix products given to the device since it was opened, a
 * float: in a long session there are more than JavaScript counts exactly.
 */
flop: number, };

/**
 * What the session is doing.
 */
export type Phase = "load" | "forward" | "encode" | "jacobian" | "ablate" | "generate";
