// The same computation in Python, with the libraries that researchers have: TransformerLens and SAELens.

import { codedError } from '../runtime/error.js';
import { partsOf } from '../runtime/places.js';
import { visible } from '../figure/text.js';
import { THRESHOLD } from '../figure/view.js';

/** @typedef {import('../runtime/protocol.js').Request} Request */

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
    'The request holds something else where the number of a layer, a token or of logits belongs.',
  );
}

/** A Python float. @param {unknown} value */
function float(value) {
  if (Number.isFinite(value)) return String(value);
  throw codedError('request-invalid', 'The threshold is not a number.');
}

/** Where GPT-2 small and its res-jb SAEs are published. */
const PUBLISHED_MODEL = /^https:\/\/huggingface\.co\/(openai-community\/)?gpt2\/resolve\//;
const PUBLISHED_SAES = /^https:\/\/huggingface\.co\/jbloom\/GPT2-Small-SAEs-Reformatted\/resolve\/[^/{}]+$/;

/** GPT-2 small as the notebook loads it. */
const PUBLISHED = `model = HookedSAETransformer.from_pretrained("gpt2-small", device="cpu")

def load_sae(layer):
    hook = "blocks.11.hook_resid_post" if layer == 12 else f"blocks.{layer}.hook_resid_pre"
    return SAE.from_pretrained("gpt2-small-res-jb", hook, device="cpu")[0]`;

/** Any other model of GPT-2's architecture, from folders in the hub's layout. @param {string} model @param {string} saes */
const folders = (model, saes) => {
  const [base, name] = partsOf(saes);
  return `# Download these two folders first, with all that is in them:
#   ${visible(model)}
#   ${visible(base)}
from transformer_lens import HookedTransformerConfig
from transformer_lens.pretrained.weight_conversions import convert_gpt2_weights
from transformers import AutoTokenizer, GPT2LMHeadModel

MODEL, SAES = "model", "saes"
hf = GPT2LMHeadModel.from_pretrained(MODEL)
c = hf.config
cfg = HookedTransformerConfig(
    n_layers=c.n_layer, d_model=c.n_embd, n_ctx=c.n_positions, n_heads=c.n_head,
    d_head=c.n_embd // c.n_head, d_vocab=c.vocab_size, eps=c.layer_norm_epsilon,
    act_fn="gelu_new", normalization_type="LNPre", device="cpu", default_prepend_bos=True,
)
model = HookedSAETransformer(cfg, AutoTokenizer.from_pretrained(MODEL))
model.load_and_process_state_dict(
    convert_gpt2_weights(hf, cfg), fold_ln=True, center_writing_weights=True, center_unembed=True
)

def load_sae(layer):
    last, block = layer == model.cfg.n_layers, max(layer - 1, 0)
    hook = f"blocks.{layer - last}.hook_resid_{'post' if last else 'pre'}"
    folder = ${literal(name)}.replace("{hook}", hook).replace("{block}", str(block))
    return SAE.load_from_pretrained(SAES + "/" + folder, device="cpu")`;
};

/** What all analyses of latents begin with. @param {string} layer */
const latents = (layer) => `
sae = load_sae(${layer})
resid = model(tokens, stop_at_layer=${layer})   # the residual stream where the SAE reads
acts = sae.encode(resid)
error = resid - sae.decode(acts)          # put back, so that the forward pass is exact
at = acts.nonzero(as_tuple=True)          # batch, position, latent

def resid_from(values):
    """The residual stream as a function of the active latents."""
    return sae.decode(torch.zeros_like(acts).index_put(at, values)) + error
`;

/** @param {Request} request */
function analysis(request) {
  switch (request.kind) {
    case 'token_to_latent': {
      const layer = integer(request.layer);
      return `
sae = load_sae(${layer})
embedded = model(tokens, stop_at_layer=0)  # token + position

def encode(scales):
    """The SAE's latents as a function of one factor on each token's embedding."""
    return sae.encode(model(embedded * scales[:, None], start_at_layer=0, stop_at_layer=${layer}))

ones = torch.ones(tokens.shape[1])
to = encode(ones).nonzero(as_tuple=True)   # rows: batch, position, latent
gradients = jacrev(lambda scales: encode(scales)[to])(ones)   # [targets, positions]
attributions = gradients                   # a scale is 1
`;
    }
    case 'latent_to_latent': {
      const [from, to, threshold] = [
        integer(request.layer_from),
        integer(request.layer_to),
        float(request.threshold ?? THRESHOLD),
      ];
      return `${latents(from)}
later = load_sae(${to})

def encode_later(values):
    return later.encode(model(resid_from(values), start_at_layer=${from}, stop_at_layer=${to}))

to = encode_later(acts[at]).nonzero(as_tuple=True)             # rows: batch, position, latent
gradients = jacrev(lambda values: encode_later(values)[to])(acts[at])   # [targets, sources]
attributions = gradients * acts[at]
across = (attributions > ${threshold}) & (to[1][:, None] != at[1][None, :])
print(int(across.sum()), "pairs across positions over ${threshold}")
`;
    }
    case 'latent_to_logit': {
      const [layer, k] = [integer(request.layer), integer(request.k)];
      return `${latents(layer)}
def last_logits(values):
    return model(resid_from(values), start_at_layer=${layer})[0, -1]

top = last_logits(acts[at]).topk(${k})
gradients = jacrev(lambda values: last_logits(values)[top.indices])(acts[at])   # [logits, sources]
attributions = gradients * acts[at]
print([(model.to_string(i), round(v.item(), 3)) for i, v in zip(top.indices, top.values)])
`;
    }
    case 'logit_difference': {
      const layer = integer(request.layer);
      const id = (/** @type {string | number} */ token) =>
        typeof token === 'number' ? integer(token) : `model.to_single_token(${literal(token)})`;
      return `${latents(layer)}
positive = ${id(request.positive)}
negative = ${id(request.negative)}

def difference(values):
    logits = model(resid_from(values), start_at_layer=${layer})[0, -1]
    return (logits[positive] - logits[negative])[None]

gradients = jacrev(difference)(acts[at])   # [1, sources]
attributions = gradients * acts[at]
print("logit difference", difference(acts[at]).item())
`;
    }
  }
}

/**
 * Python that computes a request's gradients and attributions.
 * @param {Request} request
 * @param {{model: string, saes: string} | undefined} source
 */
export function python(request, source) {
  const published = !source || (PUBLISHED_MODEL.test(source.model) && PUBLISHED_SAES.test(source.saes));
  return `# pip install transformer-lens==2.14.1 sae-lens==5.5.2 transformers==4.48.3 numpy==1.26.4
import torch
from sae_lens import SAE, HookedSAETransformer
from torch.func import jacrev

torch.set_grad_enabled(False)   # jacrev differentiates all the same
${published ? PUBLISHED : folders(source.model, source.saes)}

tokens = model.to_tokens(${literal(request.prompt)})   # BOS first
${analysis(request)}print("gradients", tuple(gradients.shape), "sum of sizes of attributions", attributions.abs().sum().item())
`;
}
