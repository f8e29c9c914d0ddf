"""What the demo's prompts show, read off the reference's results and checked by intervening.

    python findings.py

Adds "findings" to www/models/demo/metrics.json and prints them: the pairs across positions of
each latent → latent case, the latents with the largest attribution to the answer's logit (or to the
difference), and what setting the first of them to zero does to it while the SAE's error stays.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file

import sae
from cases import CASES
from train import ROOT, load_model

DEMO, EXPECTED = ROOT / "www/models/demo", ROOT / "tests/fixtures/demo/expected"
SHOWN = 8  # of each list


class Layer:
    """One shipped SAE and the labels of its latents."""

    def __init__(self, layer: int, n_layer: int):
        directory = DEMO / "saes" / sae.hook_name(layer, n_layer)
        weights = load_file(directory / "sae_weights.safetensors")
        names = ("W_enc", "b_enc", "W_dec", "b_dec")
        self.sae = sae.Sae(*(weights[name].float() for name in names))
        self.labels = json.loads((directory / "contexts.json").read_text())["labels"]

    def label(self, latent: int) -> str:
        return self.labels.get(str(latent), "(not in the sample)")


def expected(name: str) -> tuple[dict, dict]:
    """The reference's answer to a case: figures, arrays."""
    return (
        json.loads((EXPECTED / f"{name}.json").read_text()),
        load_file(EXPECTED / f"{name}.safetensors"),
    )


def nodes(indices) -> list[tuple[int, int]]:
    """(position, latent) of every active latent."""
    return [(pos, latent) for _, pos, latent in indices.tolist()]


def across_positions(case: dict, layers: list[Layer]) -> list[dict]:
    """The largest attributions from a latent to one at a later position."""
    info, arrays = expected(case["name"])
    sources, targets = nodes(arrays["from_indices"]), nodes(arrays["to_indices"])
    words = info["str_tokens"]
    found = []
    values, order = arrays["attributions"].flatten().sort(descending=True, stable=True)
    for value, index in zip(values.tolist(), order.tolist()):
        to_pos, to = targets[index // len(sources)]
        from_pos, source = sources[index % len(sources)]
        if from_pos == to_pos:
            continue
        found.append({
            "attribution": value,
            "from": [from_pos, source],
            "from_token": words[from_pos],
            "from_label": layers[case["layer_from"]].label(source),
            "to": [to_pos, to],
            "to_token": words[to_pos],
            "to_label": layers[case["layer_to"]].label(to),
        })  # fmt: skip
        if len(found) == SHOWN:
            return found
    return found


def largest_sources(case: dict, layer: Layer) -> list[dict]:
    """The latents with the largest attribution to the first logit, or to the difference."""
    info, arrays = expected(case["name"])
    attributions = arrays["attributions"]
    first = attributions[0] if attributions.ndim == 2 else attributions
    sources = nodes(arrays["from_indices"])
    return [
        {
            "attribution": first[i].item(),
            "from": list(sources[i]),
            "from_token": info["str_tokens"][sources[i][0]],
            "activation": arrays["from_acts"][i].item(),
            "from_label": layer.label(sources[i][1]),
        }
        for i in first.argsort(descending=True, stable=True)[:SHOWN].tolist()
    ]


@torch.no_grad()
def zeroed(case: dict, model, layer: Layer, node: list[int]) -> dict:
    """The last position's logits before and after one latent at one position is set to zero."""
    info, _ = expected(case["name"])
    x = model.residuals(torch.tensor([info["tokens"]]))[case["layer"], 0]
    f = layer.sae.encode(x)
    error = x - layer.sae.decode(f)

    def logits(f):
        x = (layer.sae.decode(f) + error)[None]
        last = model.unembed(model.blocks(x, case["layer"], model.shape.n_layer))[0, -1]
        return last - last.mean()

    before = logits(f)
    f[tuple(node)] = 0.0
    after = logits(f)
    ids = info["token_ids"]
    change = lambda quantity: [quantity(before).item(), quantity(after).item()]
    found = {
        "set_to_zero": node,
        "token": info["token_strings"][0],
        "logit": change(lambda logits: logits[ids[0]]),
        "probability": change(lambda logits: logits.softmax(0)[ids[0]]),
    }
    if case["kind"] == "logit_difference":
        found["difference"] = change(lambda logits: logits[ids[0]] - logits[ids[1]])
    return found


def main() -> None:
    model = load_model(DEMO / "model")
    n_layer = model.shape.n_layer
    layers = [Layer(layer, n_layer) for layer in range(n_layer + 1)]
    findings = {}
    for case in CASES:
        if case["kind"] == "latent_to_latent":
            findings[case["name"]] = {"across_positions": across_positions(case, layers)}
        elif case["kind"] != "token_to_latent":
            layer = layers[case["layer"]]
            found = largest_sources(case, layer)
            findings[case["name"]] = {
                "sources": found,
                "intervention": zeroed(case, model, layer, found[0]["from"]),
            }
    path = DEMO / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics["findings"] = findings
    path.write_text(json.dumps(metrics, indent=1, ensure_ascii=False) + "\n")
    print(json.dumps(findings, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
