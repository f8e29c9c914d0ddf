// The same computation in Python, with the libraries that researchers have: TransformerLens and SAELens.

/** @typedef {import('./protocol.js').Request} Request */

/** A Python string literal. @param {string} text */
function literal(text) {
  // JSON's escapes are Python's too; lone surrogates, which Python refuses to encode, become U+FFFD.
  return JSON.stringify(text.toWellFormed?.() ?? text).replace(/[\u007f-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
    // Python does not join two escaped surrogates.
    .replace(/\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})/g, (_, high, low) => {
      const point = 0x10000 + ((parseInt(high, 16) - 0xd800) << 10) + (parseInt(low, 16) - 0xdc00);
      return `\\U${point.toString(16).padStart(8, '0')}`;
    });
}

/** GPT-2 small as the notebook loads it. */
const PUBLISHED = `model = HookedSAETransformer.from_pretrained("gpt2-small", device="cpu")

def load_sae(layer):
    hook = "blocks.11.hook_resid_post" if layer == 12 else f"blocks.{layer}.hook_resid_pre"
    return SAE.from_pretrained("gpt2-small-res-jb", hook, device="cpu")[0]`;

/** Any other model of GPT-2's architecture, from folders in the hub's layout. @param {string} model @param {string} saes */
const folders = (model, saes) => {
  // An address may say where a place's name goes.
  const [base, tail] = /\{(hook|block)\}/.test(saes) ? saes.split(/\/(?=[^/]*\{(?:hook|block)\})/) : [saes, '{hook}'];
  return `# Download these two folders first, with all that is in them:
#   ${model}
#   ${base}
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
    last, block = layer == model.cfg.n_layers, layer - 1
    hook = f"blocks.{layer - last}.hook_resid_{'post' if last else 'pre'}"
    return SAE.load_from_pretrained(f"{SAES}/${tail}", device="cpu")`;
};

/** What all analyses of latents begin with. @param {number} layer */
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
    case 'token_to_latent':
      return `
sae = load_sae(${request.layer})
embedded = model(tokens, stop_at_layer=0)  # token + position

def encode(scales):
    """The SAE's latents as a function of one factor on each token's embedding."""
    return sae.encode(model(embedded * scales[:, None], start_at_layer=0, stop_at_layer=${request.layer}))

ones = torch.ones(tokens.shape[1])
to = encode(ones).nonzero(as_tuple=True)   # rows: batch, position, latent
gradients = jacrev(lambda scales: encode(scales)[to])(ones)   # [targets, positions]
attributions = gradients                   # a scale is 1
`;
    case 'latent_to_latent':
      return `${latents(request.layer_from)}
later = load_sae(${request.layer_to})

def encode_later(values):
    return later.encode(model(resid_from(values), start_at_layer=${request.layer_from}, stop_at_layer=${request.layer_to}))

to = encode_later(acts[at]).nonzero(as_tuple=True)             # rows: batch, position, latent
gradients = jacrev(lambda values: encode_later(values)[to])(acts[at])   # [targets, sources]
attributions = gradients * acts[at]
across = (attributions > ${request.threshold ?? 2}) & (to[1][:, None] != at[1][None, :])
print(int(across.sum()), "pairs across positions over ${request.threshold ?? 2}")
`;
    case 'latent_to_logit':
      return `${latents(request.layer)}
def last_logits(values):
    return model(resid_from(values), start_at_layer=${request.layer})[0, -1]

top = last_logits(acts[at]).topk(${request.k})
gradients = jacrev(lambda values: last_logits(values)[top.indices])(acts[at])   # [logits, sources]
attributions = gradients * acts[at]
print([(model.to_string(i), round(v.item(), 3)) for i, v in zip(top.indices, top.values)])
`;
    case 'logit_difference': {
      const id = (/** @type {string | number} */ token) =>
        typeof token === 'number' ? String(token) : `model.to_single_token(${literal(token)})`;
      return `${latents(request.layer)}
positive = ${id(request.positive)}
negative = ${id(request.negative)}

def difference(values):
    logits = model(resid_from(values), start_at_layer=${request.layer})[0, -1]
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
  const published = !source || /\/GPT2-Small-SAEs-Reformatted\//.test(source.saes);
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
