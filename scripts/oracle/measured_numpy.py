"""Passes of measured.py by numpy on the unprocessed weights, for comparison."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import torch
from safetensors.numpy import load_file

import np_gpt2


@cache
def raw(fixture):
    config = json.loads((fixture / "model" / "config.json").read_text())
    weights = load_file(fixture / "model" / "model.safetensors")
    return config, {k.removeprefix("transformer."): v.astype(np.float64) for k, v in weights.items()}


def places_and_logits(fixture, tokens, change):
    """({hook name: what transformer_lens has there}, centred logits of the last position).

    change: function of (hook name, value, the places before it), gives what goes on from there.
    np_gpt2.at_places centres the stream in front of every block; here, what is written to it keeps
    its mean, as in transformer_lens, and later SAEs read that.
    """
    config, weights = raw(fixture)
    out = {}

    def go_on(name, value):
        out[name] = change(name, value, out)
        return out[name]

    x = np_gpt2.centre(np_gpt2.embed(weights, tokens))
    for layer in range(config["n_layer"]):
        at = f"blocks.{layer}."
        bias = np_gpt2.value_bias(weights, config, layer)
        x = go_on(at + "hook_resid_pre", x)
        z = go_on(at + "attn.hook_z", np_gpt2.attention_z(weights, config, layer, x) - bias)
        branch = np_gpt2.centre(np_gpt2.project(weights, layer, z + bias))
        x = go_on(at + "hook_resid_mid", x + go_on(at + "hook_attn_out", branch))
        go_on(at + "ln2.hook_normalized", np_gpt2.layer_norm(x, 1.0, 0.0, config["layer_norm_epsilon"]))
        branch = np_gpt2.centre(np_gpt2.mlp_out(weights, config, layer, x))
        x = go_on(at + "hook_resid_post", x + go_on(at + "hook_mlp_out", branch))
    return out, np_gpt2.centre(np_gpt2.logits(weights, config, x))[0, -1]


def as_torch(fixture, name, value):
    """[1, pos, d_model] as torch has it: heads apart at hook_z."""
    value = torch.as_tensor(value)
    return value.unflatten(-1, (raw(fixture)[0]["n_head"], -1)) if name.endswith("hook_z") else value


def measure(fixture, q, values, error):
    """Question.measure for one set of values."""
    stream = q.stream(values[None], error).flatten(2).numpy()
    put = lambda name, value, _: stream if name == q.source.writes else value
    at, logits = places_and_logits(fixture, q.tokens.numpy(), put)
    if q.target:
        return q.chosen(as_torch(fixture, q.target.reads, at[q.target.reads]))[0]
    return q.chosen(torch.as_tensor(logits)[None])[0]


def edited(fixture, tokens, edits, saes):
    """The logits after edits of the running pass: at every place, its latents' changes times their rows
    of W_dec, and the scale of the input there."""

    def change(name, value, before):
        for place in {e["place"] for e in edits}:
            sae = saes[place]
            if sae.writes != name:
                continue
            x = value if sae.reads == name else before[sae.reads]
            latents = sae.encode(as_torch(fixture, sae.reads, x))[0].numpy()
            scale = 1.0
            if sae.cfg.normalize_activations == "layer_norm":
                scale = x[0].std(-1, ddof=1)
            value = value.copy()
            for e in (e for e in edits if e["place"] == place):
                old = latents[e["pos"], e["latent"]]
                new = e["set"] if "set" in e else e["times"] * old
                at = scale[e["pos"]] if np.ndim(scale) else scale
                value[0, e["pos"]] += (new - old) * at * sae.sae.W_dec[e["latent"]].numpy()
        return value

    return torch.as_tensor(places_and_logits(fixture, tokens.numpy(), change)[1])
