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
 * Gradient × source activation (1 for a token's scale), `[targets, sources]` row-major.
 */
attributions: Float32Array, 
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
export type Phase = "load" | "forward" | "encode" | "jacobian";
