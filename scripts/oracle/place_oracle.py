"""Cases that name places, run by transformer_lens and sae_lens.

A pass of the model with hooks: what an SAE decodes is put in where it writes, the model runs on,
and what is asked for is read where the target's SAE reads, or at the last position's logits.
transformer_lens computes the model, sae_lens' SAE class encodes and decodes, torch.func.jacrev
differentiates.

1. The pass without interference gives x where the source reads and y where it writes (one place
   but for a transcoder). Its active latents are those of encode(x); error = y - decode(encode(x)).
2. As a function of the active latents' values, decode(values) + error is put in at y's place, or
   with `error: omit` decode(values) alone, and everything after follows.
3. The target's latents are those of encode(what is read in that pass); logits are that pass's too.

With tokens as the source, what is put in is the embedding times one factor per position.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file

import places
from oracle import Active, dense_from

# ------------------------------------------------------------------------------ SAE files


@dataclass
class PlacedSae:
    sae: torch.nn.Module  # sae_lens.SAE
    reads: str
    writes: str

    @property
    def cfg(self):
        return self.sae.cfg

    def encode(self, x):
        return self.sae.encode(x)

    def decode(self, acts, x):
        """x: what the latents were read from; sae_lens takes heads and norms from the last
        `encode`, so that one is run again here."""
        with torch.no_grad():
            self.sae.encode(x)
        return self.sae.decode(acts)

    def preactivations(self, x):
        """What an active latent's activation is, where it may also be negative."""
        read, sae = self.sae.process_sae_in(x), self.sae
        if self.cfg.architecture == "gated":
            return read @ (sae.W_enc * sae.r_mag.exp()) + sae.b_mag
        return read @ sae.W_enc + sae.b_enc

    def threshold_distances(self, x):
        """How far each pre-activation that matters is from where its latent's activity changes."""
        pre = self.preactivations(x)
        if hasattr(self.sae, "threshold"):
            return (pre - self.sae.threshold).abs().flatten()
        if self.cfg.architecture == "gated":
            gate = self.sae.process_sae_in(x) @ self.sae.W_enc + self.sae.b_gate
            return torch.cat([gate.abs().flatten(), pre[gate > 0].abs()])
        k = (self.cfg.activation_fn_kwargs or {}).get("k")
        if k is None:
            return pre.abs().flatten()
        ranked = pre.topk(k + 1, dim=-1).values
        last, following = ranked[..., k - 1], ranked[..., k]
        return torch.cat([ranked[..., :k].abs().flatten(), (last - following)[last > 0]])


def entry_for(fixture: Path, name: str) -> tuple[Path, dict]:
    """(folder of the SAE at a place, what saes.json tells of it)."""
    path = fixture / "saes.json"
    listed = json.loads(path.read_text()) if path.exists() else [{"address": "saes"}]
    for entry in listed:
        if entry.get("hook_name") in places.names(name):
            return fixture / entry["address"], entry
    for entry in listed:
        for known_as in places.names(name):
            folder = fixture / entry["address"] / known_as
            if "hook_name" not in entry and folder.is_dir():
                return folder, {}
    raise FileNotFoundError(f"no SAE at {name}")


def is_v6(cfg: dict) -> bool:
    """sae_lens 6 keeps its version in `metadata`; what has none has an older form."""
    version = cfg.get("metadata", {}).get("sae_lens_version")
    return version is not None and int(version.split(".")[0]) >= 6


def as_v5(cfg: dict, tensors: dict, dtype) -> tuple[dict, dict]:
    """A cfg.json and its tensors that sae_lens 5.5.2 cannot read, as some that it can.

    sae_lens 6: `metadata` goes to the top level, hook_layer is the block in hook_name; `k` becomes
    activation_fn_kwargs; a transcoder is a standard SAE that does not subtract b_dec. 5.5.2
    reshapes where hook_name ends in `_z`, which is where 6 has reshape_activations.
    rescale_acts_by_decoder_norm: with n the rows' norms of W_dec, the activations are those of
    W_enc n and b_enc n, and W_dec / n decodes them.
    use_b_dec_out: what b_dec does to the input goes into b_enc, and b_dec_out takes its place.
    """
    cfg = dict(cfg)
    t = {k: v.to(dtype) for k, v in tensors.items()}
    if is_v6(cfg):
        metadata = cfg.pop("metadata")
        architecture, reshape = cfg.pop("architecture"), cfg.pop("reshape_activations")
        if (reshape == "hook_z") != metadata["hook_name"].endswith("_z"):
            raise ValueError(f"reshape_activations {reshape} at {metadata['hook_name']}")
        if architecture not in ("standard", "topk", "jumprelu", "transcoder"):
            raise ValueError(f"architecture {architecture} is not converted")
        cfg |= {
            "architecture": "standard" if architecture == "transcoder" else architecture,
            "activation_fn_str": "topk" if architecture == "topk" else "relu",
            "activation_fn_kwargs": {"k": cfg["k"]} if architecture == "topk" else {},
            "hook_layer": places.parse(metadata["hook_name"])[0],
            "dataset_trust_remote_code": True,
            **{
                key: metadata.get(key)
                for key in (
                    "model_name", "hook_name", "hook_head_index", "prepend_bos", "context_size",
                    "neuronpedia_id", "dataset_path", "sae_lens_training_version",
                )
            },
        }
        if architecture == "transcoder" and cfg["apply_b_dec_to_input"]:
            raise ValueError("sae_lens 6 has no transcoder with apply_b_dec_to_input")
        if cfg.get("rescale_acts_by_decoder_norm"):
            norms = t["W_dec"].norm(dim=-1)
            t["W_enc"], t["b_enc"] = t["W_enc"] * norms, t["b_enc"] * norms
            t["W_dec"] = t["W_dec"] / norms[:, None]
    if cfg.get("use_b_dec_out"):
        if cfg["apply_b_dec_to_input"]:
            t["b_enc"] = t["b_enc"] - t["b_dec"] @ t["W_enc"]
        t["b_dec"] = t.pop("b_dec_out")
        cfg["apply_b_dec_to_input"] = False
    if cfg["normalize_activations"] is False:
        cfg["normalize_activations"] = "none"
    return {**cfg, "finetuning_scaling_factor": False, "dtype": str(dtype), "device": "cpu"}, t


def load_sae(fixture: Path, name: str, dtype: torch.dtype) -> PlacedSae:
    from sae_lens import SAE

    folder, told = entry_for(fixture, name)
    cfg = json.loads((folder / "cfg.json").read_text())
    hook_name_out = cfg.get("metadata", {}).get("hook_name_out") or told.get("hook_name_out")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        if is_v6(cfg) or cfg.get("use_b_dec_out"):
            from sae_lens.sae import SAEConfig

            cfg, tensors = as_v5(cfg, load_file(folder / "sae_weights.safetensors"), dtype)
            sae = SAE(SAEConfig.from_dict(cfg))
            sae.load_state_dict(tensors)
        else:
            sae = SAE.load_from_pretrained(str(folder), device="cpu").to(dtype=dtype)
    if sae.cfg.normalize_activations == "expected_average_only_in":
        sae.fold_activation_norm_scaling_factor(told["norm_scaling_factor"])
    sae.requires_grad_(False)
    reads = sae.cfg.hook_name
    writes = hook_name_out or reads
    if places.names(reads) != places.names(folder.name) or writes != places.written(reads):
        raise ValueError(f"{folder}: reads at {reads} and writes at {writes}")
    return PlacedSae(sae, reads, writes)


def load_saes(fixture: Path, cases: list[dict], dtype: str = "float32") -> dict[str, PlacedSae]:
    """The SAEs that the cases name, under the names that they use."""
    named = {case[end] for case in cases for end in ("from", "to") if isinstance(case[end], str)}
    return {n: load_sae(fixture, n, getattr(torch, dtype)) for n in sorted(named - {"tokens"})}


# ---------------------------------------------------------------------------------- passes


def run(model, tokens, reads=(), write=None, scales=None):
    """({hook name: what is there}, logits of the last position) of one pass.

    write: (hook name, value) to put in. scales: [1, seq], factors of the embedding.
    The logits are None where places are asked for: the pass stops behind the last of them.
    """
    seen = {}

    def see(value, hook):
        seen[hook.name] = value

    def put(value, hook):
        return write[1].reshape(value.shape)

    hooks = [(name, see) for name in reads]
    if write:
        hooks.append((write[0], put))
    options = {}
    if reads:
        options["stop_at_layer"] = 1 + max(places.parse(name)[0] for name in reads)
    first = tokens
    if scales is not None:
        first = model(tokens, stop_at_layer=0) * scales[..., None]
        options["start_at_layer"] = 0
    out = model.run_with_hooks(first, fwd_hooks=hooks, **options)
    return seen, None if reads else out[0, -1]


def end_of(case, saes):
    return saes[case["to"]] if isinstance(case["to"], str) else None


def read_at_end(x, case, out, model, saes):
    """What the target reads (a place's value, or the last position's logits) as a function of
    what is differentiated by: the source's active values, or the tokens' factors."""
    target = end_of(case, saes)
    reads = [target.reads] if target else []
    if case["from"] == "tokens":
        seen, logits = run(model, out["tokens"], reads, scales=x)
    else:
        source, before = saes[case["from"]], out["from"]
        value = source.decode(dense_from(x, before.indices, before.shape), out["read"])
        if case.get("error", "keep") == "keep":
            value = value + out["error_in_place"]
        seen, logits = run(model, out["tokens"], reads, write=(source.writes, value))
    return seen[target.reads] if target else logits


def chosen(case, logits, ids):
    """The quantities that a case to logits differentiates."""
    if "logit_difference" in case["to"]:
        return (logits[ids[0]] - logits[ids[1]])[None]
    return logits[ids]


def function_of(case, out, model, saes):
    """(f, x): the differentiated function for a fixed active set, and its argument.

    The target's latents are read before their activation, which is the same where they are active.
    """
    target = end_of(case, saes)
    x = out["from"].values if "from" in out else torch.ones(out["tokens"].shape, dtype=model.cfg.dtype)

    def f(x):
        end = read_at_end(x, case, out, model, saes)
        if target:
            return target.preactivations(end)[out["to"].indices.unbind(-1)]
        return chosen(case, end, out["token_ids"])

    return f, x


def token_ids(case, logits, model):
    to = case["to"]
    if "top_logits" in to:
        return logits.topk(k=to["top_logits"]).indices.tolist()
    given = to["logits"] if "logits" in to else to["logit_difference"]
    return [
        model.to_tokens(t, prepend_bos=False).item() if isinstance(t, str) else t for t in given
    ]


def run_case(case: dict, model, saes):
    tokens = model.to_tokens(case["prompt"])
    out = {"tokens": tokens}
    target = end_of(case, saes)
    with torch.no_grad():
        if case["from"] != "tokens":
            source = saes[case["from"]]
            seen, _ = run(model, tokens, {source.reads, source.writes})
            dense = source.encode(seen[source.reads])
            out["read"] = seen[source.reads]
            out["from"] = Active.of(dense)
            out["error_in_place"] = seen[source.writes] - source.decode(dense, out["read"])
            out["error"] = out["error_in_place"].reshape(*tokens.shape, -1)
        x = out["from"].values if "from" in out else torch.ones(tokens.shape, dtype=model.cfg.dtype)
        end = read_at_end(x, case, out, model, saes)
        if target:
            out["read_at_end"] = end
            out["to"] = Active.of(target.encode(end))
        else:
            out["logits"] = end
            out["token_ids"] = token_ids(case, end, model)

    def differentiated(x):
        end = read_at_end(x, case, out, model, saes)
        if target:
            return target.encode(end)[out["to"].indices.unbind(-1)]
        return chosen(case, end, out["token_ids"])

    gradients = torch.func.jacrev(differentiated)(x)
    out["gradients"] = gradients.reshape(len(gradients), -1)  # [targets, sources]
    out["attributions"] = out["gradients"] * x.flatten()
    return out
