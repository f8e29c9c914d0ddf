// The same computation in Python, with the libraries that researchers have: TransformerLens and SAELens.

import { codedError } from '../runtime/error.js';
import { isPlace, otherName, writesAt } from '../runtime/places.js';
import { THRESHOLD, TOKENS, tokensOf } from '../figure/request.js';
import { short, visible } from '../figure/text.js';
import { RELEASES } from './releases.js';
import { notSame } from './snippet-measured.js';

/** @typedef {import('../runtime/protocol.js').Request} Request */
/** @typedef {import('../runtime/protocol.js').SaeOrigin} SaeOrigin */

/** Where a result was read from. @typedef {{model: string, from?: SaeOrigin, to?: SaeOrigin}} Origins */

/** @param {import('../runtime/protocol.js').Attribution} result @returns {Origins} */
export const originsOf = ({ model, sources, targets }) => ({
  model: model.address,
  from: sources.sae,
  to: targets.sae,
});

/** A Python string literal. @param {string} text */
function literal(text) {
  // JSON's escapes are Python's too; lone surrogates, which Python refuses to encode, become U+FFFD.
  return JSON.stringify(text.toWellFormed?.() ?? text).replace(/[^ -~]/gu, (c) => {
    const point = /** @type {number} */ (c.codePointAt(0));
    return point > 0xffff ? `\\U${point.toString(16).padStart(8, '0')}` : `\\u${point.toString(16).padStart(4, '0')}`;
  });
}

/** A Python integer: nothing else stands where a number is meant. @param {unknown} value */
function integer(value) {
  if (Number.isSafeInteger(value) && Number(value) >= 0) return String(value);
  throw codedError(
    'request-invalid',
    'The request holds something else where the number of a token or of logits belongs.',
  );
}

/** A Python float. @param {unknown} value */
function float(value) {
  if (Number.isFinite(value)) return String(value);
  throw codedError('request-invalid', 'The threshold is not a number.');
}

/**
 * A hook of TransformerLens. Of two names it is that which the last place of a model has too.
 * @param {string} place
 */
function hook(place) {
  if (!isPlace(place)) throw codedError('request-invalid', 'The request holds something else where a place belongs.');
  const other = otherName(place);
  return literal(other?.endsWith('post') ? other : place);
}

/** Where GPT-2 small is published. */
const PUBLISHED_MODEL = /^https:\/\/huggingface\.co\/(openai-community\/)?gpt2\/resolve\//;

/** GPT-2 small as the notebook loads it. */
const PUBLISHED = 'model = HookedSAETransformer.from_pretrained("gpt2-small", device="cpu")';

/** @typedef {{folder: string, from: string, about: string}} Files folder: in which they are to be, from: where that is to be fetched */

/**
 * Where files of this address are for a script: on a server, in the folder that the reader opened, or nobody knows.
 * @param {string} name of the folder, where the address gives none
 * @param {string | undefined} address
 * @param {URL | undefined} page
 * @returns {Files}
 */
function filesAt(name, address = '', page) {
  const opened = /^folder:(.*)$/.exec(address)?.[1];
  if (opened !== undefined)
    return { folder: opened || '.', from: '', about: 'from the folder that was opened: this script stands beside it' };
  const base = page?.href ?? undefined;
  if (!URL.canParse(address, base))
    return { folder: name, from: '', about: `to be put into folder “${name}”: ${visible(address) || 'the SAE'}` };
  const url = new URL(address, base);
  const folder = url.pathname
    .replace(/[^\w.-]+/g, '-')
    .replace(/^[-.]+|[-.]+$/g, '')
    .slice(-120);
  return { folder: folder || name, from: url.href, about: `from ${url.href}` };
}

/** Fetches what is not there yet. */
const FETCH = `
def files(folder, address, *names):
    """A folder that holds these files; those that are not there are fetched."""
    for path in (Path(folder, name) for name in names):
        if path.exists():
            continue
        if not address:
            raise SystemExit(f"{path} is not there")
        path.parent.mkdir(parents=True, exist_ok=True)
        urlretrieve(f"{address}/{path.name}", f"{path}.part")
        Path(f"{path}.part").rename(path)
    return folder
`;

/** @param {Files} files @param {string[]} names */
const fetched = ({ folder, from }, ...names) => `files(${[folder, from, ...names].map(literal).join(', ')})`;

/** Any other model of GPT-2's architecture, in the hub's layout. @param {string} address @param {URL} [page] */
function folder(address, page) {
  const found = filesAt('model', address, page);
  return `# Files of the model ${plain(found.about)}
from transformer_lens import HookedTransformerConfig
from transformer_lens.pretrained.weight_conversions import convert_gpt2_weights
from transformers import AutoTokenizer, GPT2LMHeadModel

path = ${fetched(found, 'config.json', 'tokenizer.json', 'model.safetensors')}
hf = GPT2LMHeadModel.from_pretrained(path)
c = hf.config
cfg = HookedTransformerConfig(
    n_layers=c.n_layer, d_model=c.n_embd, n_ctx=c.n_positions, n_heads=c.n_head,
    d_head=c.n_embd // c.n_head, d_vocab=c.vocab_size, eps=c.layer_norm_epsilon,
    act_fn="gelu_new", normalization_type="LNPre", device="cpu", default_prepend_bos=True,
)
model = HookedSAETransformer(cfg, AutoTokenizer.from_pretrained(path))
model.load_and_process_state_dict(
    convert_gpt2_weights(hf, cfg), fold_ln=True, center_writing_weights=True, center_unembed=True
)`;
}

/** Of a comment: one line. @param {string} text */
const plain = (text) => short(visible(text), 300);

/** Releases that SAELens knows by name, and what it calls an SAE of theirs. @param {string} address */
function published(address) {
  for (const { group, saes } of RELEASES) {
    const sae = group !== 'transcoder' && saes.find((sae) => sae.address === address);
    if (!sae) continue;
    const [, release = '', size] = /^(.*?)(-\d+)?$/.exec(sae.name ?? '') ?? [];
    // Of one place with several sizes, the folder is the name.
    return [release, size ? `${sae.hook_name}_${size.slice(1)}` : sae.hook_name];
  }
  return undefined;
}

/**
 * The line that loads an SAE.
 * @param {string} name of the variable
 * @param {SaeOrigin | undefined} sae
 * @param {URL} [page]
 */
function load(name, sae, page) {
  const known = published(sae?.address ?? '');
  if (known) return `${name} = SAE.from_pretrained(${known.map(literal).join(', ')}, device="cpu")[0]`;
  const found = filesAt(name, sae?.address, page);
  return `# Files of the SAE ${plain(found.about)}
${name} = SAE.load_from_pretrained(${fetched(found, 'cfg.json', 'sae_weights.safetensors')}, device="cpu")`;
}

/** What is differentiated by: `x`, and the hooks that put it in its place. @param {Request} request @param {SaeOrigin | undefined} sae @param {URL} [page] */
function source({ from, error }, sae, page) {
  if (from === TOKENS)
    return `x = torch.ones(tokens.shape[1])   # columns: a factor on each token's embedding (token + position)

def hooks(x):
    return [("blocks.0.hook_resid_pre", lambda y, hook: y * x[:, None])]
`;
  const [reads, writes] = [hook(from), hook(sae?.hook_name_out ?? writesAt(from))];
  return `${load('source', sae, page)}
_, cache = model.run_with_cache(tokens, names_filter=[${reads}${reads === writes ? '' : `, ${writes}`}])
acts = source.encode(cache[${reads}])
${
  error === 'omit'
    ? 'error = 0                            # left out, so that the model is run on what the SAE reconstructs'
    : `error = cache[${writes}] - source.decode(acts)   # put back, so that the forward pass is exact`
}
at = acts.nonzero(as_tuple=True)     # columns: batch, position, latent
x = acts[at]

def hooks(x):
    """What the SAE writes, as a function of its active latents, in its place."""
    written = source.decode(torch.zeros_like(acts).index_put(at, x)) + error
    return [(${writes}, lambda y, hook: written)]
`;
}

/** What is differentiated: rows of `targets(x)[to]`. @param {Request} request @param {SaeOrigin | undefined} sae @param {URL} [page] */
function target({ to }, sae, page) {
  if (typeof to === 'string')
    return `${load('target', sae, page)}

def targets(x):
    found = []
    reads = (${hook(to)}, lambda y, hook: found.append(y))
    model.run_with_hooks(tokens, fwd_hooks=[*hooks(x), reads])
    return target.encode(found[0])

to = targets(x).nonzero(as_tuple=True)   # rows: batch, position, latent
`;
  const logits = 'model.run_with_hooks(tokens, fwd_hooks=hooks(x))[0, -1]';
  const ids = tokensOf(to).map((token) =>
    typeof token === 'number' ? integer(token) : `model.to_single_token(${literal(token)})`,
  );
  if ('logit_difference' in to)
    return `positive, negative = ${ids.join(', ')}

def targets(x):
    logits = ${logits}
    return (logits[positive] - logits[negative])[None]

to = [0]
print("logit difference", targets(x).item())
`;
  return `def targets(x):
    return ${logits}

to = ${'logits' in to ? `torch.tensor([${ids.join(', ')}])` : `targets(x).topk(${integer(to.top_logits)}).indices`}   # rows: tokens
print([(model.to_string(i), round(v.item(), 3)) for i, v in zip(to, targets(x)[to])])
`;
}

/** Part of the largest value that numbers may be apart: both sides compute in float32. */
const WITHIN = 5e-5;

/** Compares what was computed with the file. @param {Request} request */
function compared({ from, to }) {
  const same = (/** @type {string} */ what, /** @type {string} */ key) =>
    `np.testing.assert_array_equal(${what}, saved${key})\n`;
  const sides = [
    same('tokens[0]', '["tokens"]["token_id"]'),
    from !== TOKENS && same('at[1]', '["sources"]["pos"]') + same('at[2]', '["sources"]["latent"]'),
    typeof to === 'string' && same('to[1]', '["targets"]["pos"]') + same('to[2]', '["targets"]["latent"]'),
    typeof to !== 'string' && !('logit_difference' in to) && same('to', '["targets"]["token_id"]'),
  ];
  return `# The same tokens, sources and targets as in the file, and the same numbers to ${WITHIN} of the largest.
${sides.filter(Boolean).join('')}
def same(found, expected):
    expected = np.reshape(np.array(expected, dtype=np.float32), found.shape)
    np.testing.assert_allclose(found, expected, rtol=0, atol=${WITHIN} * np.abs(expected).max(initial=0))

same(gradients.numpy(), saved["gradients"])
# Where the file leaves attributions out, they are gradients times activations.
derived = np.reshape(saved["gradients"], gradients.shape) * np.array(saved["sources"]["activation"])
same(attributions.numpy(), saved.get("attributions", derived))
print("the same numbers as in the file")
`;
}

/**
 * Python that computes a request's gradients and attributions, and compares them with those of the saved result.
 * @param {Request} request
 * @param {Origins} origins
 * @param {{page?: URL, file?: string}} [options] page: that addresses are relative to; file: name of the saved result
 */
export function python(request, { model, from, to }, { page, file = 'result.json' } = {}) {
  const { threshold = THRESHOLD } = request;
  const isOther = notSame(request);
  const isBetweenLatents = request.from !== TOKENS && typeof request.to === 'string';
  const across = `across = (attributions > ${float(threshold)}) & (to[1][:, None] != at[1][None, :])
print(int(across.sum()), "pairs across positions over ${float(threshold)}")
`;
  const code = `torch.set_grad_enabled(False)   # jacrev differentiates all the same
${PUBLISHED_MODEL.test(model) ? PUBLISHED : folder(model, page)}

tokens = model.to_tokens(${literal(request.prompt)})   # BOS first

${source(request, from, page)}
${target(request, to, page)}
gradients = jacrev(lambda x: targets(x)[to])(x)   # [targets, sources]
attributions = gradients * x
${isBetweenLatents ? across : ''}print("gradients", tuple(gradients.shape), "sum of sizes of attributions", attributions.abs().sum().item())

${isOther ? `# ${isOther}\n` : compared(request)}`;
  const isFetching = code.includes('= files(') || code.includes('(files(');
  return `# pip install transformer-lens==2.14.1 sae-lens==5.5.2 transformers==4.48.3 numpy==1.26.4
import json
${isFetching ? 'from pathlib import Path\nfrom urllib.request import urlretrieve\n' : ''}
import numpy as np
import torch
from sae_lens import SAE, HookedSAETransformer
from torch.func import jacrev

# The file that “Save JSON” gives, beside this script: its numbers are compared with those computed here.
with open(${literal(file)}, encoding="utf-8") as file:
    saved = json.load(file)
${isFetching ? FETCH : ''}
${code}`;
}
