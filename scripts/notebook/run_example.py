"""Writes example.ipynb: the cells below, executed in Jupyter's own kernel, with what they gave.

    scripts/build --package
    target/oracle-venv/bin/pip install nbclient ipykernel     # beside scripts/oracle/requirements.lock.txt
    target/oracle-venv/bin/python scripts/notebook/run_example.py

The notebook's metadata hold a checksum of the code that was executed.
"""

import hashlib
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent

CELLS = [
    """# Attributions of your own, shown and saved

Gradients from latents to logits, computed with TransformerLens and SAELens on the small model that comes with the
page, compared with what the page computed, and drawn by the page's figure. Nothing is fetched.

The packages are those of `scripts/oracle/requirements.lock.txt`; `scripts/build --package` makes the figure that
`sae_attribution.py` shows. `run_example.py` beside this file executed it.""",
    '''import json
import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")  # of missing widgets, and of how SAELens would load GPT-2 itself

import numpy as np
import torch
from sae_lens import SAE, HookedSAETransformer
from torch.func import jacrev
from transformer_lens import HookedTransformerConfig
from transformer_lens.pretrained.weight_conversions import convert_gpt2_weights
from transformers import AutoTokenizer, GPT2LMHeadModel

ROOT = Path.cwd().resolve().parents[1]  # this file is in scripts/notebook
sys.path.insert(0, str(ROOT / "scripts" / "notebook"))
from sae_attribution import figure

torch.set_grad_enabled(False)  # jacrev differentiates all the same
DEMO = ROOT / "www" / "models" / "demo"''',
    """## The model and one of its SAEs

Any model of GPT-2's architecture, from its configuration and weights, processed as TransformerLens does by default.""",
    '''hf = GPT2LMHeadModel.from_pretrained(DEMO / "model")
c = hf.config
cfg = HookedTransformerConfig(
    n_layers=c.n_layer, d_model=c.n_embd, n_ctx=c.n_positions, n_heads=c.n_head,
    d_head=c.n_embd // c.n_head, d_vocab=c.vocab_size, eps=c.layer_norm_epsilon,
    act_fn="gelu_new", normalization_type="LNPre", device="cpu", default_prepend_bos=True,
)
model = HookedSAETransformer(cfg, AutoTokenizer.from_pretrained(DEMO / "model"))
model.load_and_process_state_dict(
    convert_gpt2_weights(hf, cfg), fold_ln=True, center_writing_weights=True, center_unembed=True
)
PLACE = "blocks.3.hook_resid_pre"
sae = SAE.load_from_pretrained(str(DEMO / "saes" / PLACE), device="cpu")
print(f"{c.n_layer} layers, d_model {c.n_embd}; {sae.cfg.d_sae} latents at {PLACE}")''',
    """## From every active latent to the largest logits

The SAE's error is put back, so that the forward pass is exact.""",
    '''saved = json.loads((ROOT / "www" / "results" / "demo-tennis-logit.json").read_text())
PROMPT, K = saved["request"]["prompt"], saved["request"]["to"]["top_logits"]
tokens = model.to_tokens(PROMPT)
_, cache = model.run_with_cache(tokens, names_filter=[PLACE])
acts = sae.encode(cache[PLACE])
error = cache[PLACE] - sae.decode(acts)
at = acts.nonzero(as_tuple=True)
x = acts[at]


def logits(x):
    written = sae.decode(torch.zeros_like(acts).index_put(at, x)) + error
    return model.run_with_hooks(tokens, fwd_hooks=[(PLACE, lambda y, hook: written)])[0, -1]


to = logits(x).topk(K).indices
gradients = jacrev(lambda x: logits(x)[to])(x)
attributions = gradients * x
print(PROMPT, "…", [model.to_string(token) for token in to[:3]])
print(f"{len(x)} active latents, {attributions.numel()} pairs")''',
    """The page computed the same: equal to 5e-5 of the largest gradient.""",
    '''expected = np.reshape(np.array(saved["gradients"], dtype=np.float32), gradients.shape)
np.testing.assert_array_equal(to, saved["targets"]["token_id"])
np.testing.assert_array_equal(at[2], saved["sources"]["latent"])
np.testing.assert_allclose(gradients.numpy(), expected, rtol=0, atol=5e-5 * np.abs(expected).max())
apart = np.abs(gradients.numpy() - expected).max() / np.abs(expected).max()
print(f"largest difference: {apart:.1e} of the largest gradient")''',
    """## The figure

The forty latents with the largest attributions, a column each. `save` writes the file that
`<sae-attribution src="example.json">` and the page's “Open result…” show.""",
    '''words = [model.to_string(token) for token in tokens[0]]
largest = attributions.abs().sum(0).topk(40).indices.sort().values
positions = at[1][largest]
shown = figure(
    attributions[:, largest],
    sources=[f"F3.{latent}, {words[pos]!r} ({pos})" for pos, latent in zip(positions.tolist(), at[2][largest].tolist())],
    targets=[repr(model.to_string(token)) for token in to],
    title=f"{PROMPT} …: which latents favour which next token",
    gradients=gradients[:, largest],
    source_positions=positions,
    source_activations=x[largest],
    tokens=words,
)
shown.save("example.json")
shown''',
]


def main() -> None:
    notebook = nbformat.v4.new_notebook(
        metadata={
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python"},
        }
    )
    for i, text in enumerate(CELLS):
        # The first says what it is, the second imports; from then on words and code alternate.
        is_code = i % 2 == 1
        cell = (nbformat.v4.new_code_cell if is_code else nbformat.v4.new_markdown_cell)(text)
        cell["id"] = f"cell-{i}"
        notebook.cells.append(cell)
    code = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    NotebookClient(notebook, timeout=1800, kernel_name="python3", resources={"metadata": {"path": str(HERE)}}).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    notebook.metadata["executed"] = {"sha256": hashlib.sha256(code.encode()).hexdigest()}
    notebook.metadata.pop("language_info", None)
    nbformat.validate(notebook)
    nbformat.write(notebook, HERE / "example.ipynb")


if __name__ == "__main__":
    main()
