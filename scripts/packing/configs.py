"""`config.json`, `cfg.json` and `tokenizer.json`: what the runtime would refuse, and which tensors it reads.

The rules of crate/src/config.rs, weights/gpt2.rs, weights/sae.rs and tokenizer.rs.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .outside import MAX_TOKENIZER_BYTES, Refused, Table, first, parse_json, read_bytes, short
from .places import Place

Shapes = dict[str, tuple[int, ...]]

# ----------------------------------------------------------------------------- the model


@dataclass(frozen=True)
class Gpt2Config:
    """Shape of a GPT-2 model."""

    n_layer: int
    d_model: int
    d_mlp: int
    n_ctx: int
    vocab_size: int

    @classmethod
    def read(cls, file: Path | str, fields: dict[str, Any]) -> Gpt2Config:
        """
        Raises:
            Refused: impossible sizes, or a variant that the runtime computes differently.
        """
        hub = Table(file, fields)
        d_model = hub.size("n_embd", 1 << 16)
        n_head = hub.size("n_head", 1 << 10)
        positions = "n_positions" if hub.whole("n_ctx") is None else "n_ctx"
        config = cls(
            n_layer=hub.size("n_layer", 1 << 10),
            d_model=d_model,
            d_mlp=hub.size("n_inner", 1 << 18, 4 * d_model),
            n_ctx=hub.size(positions, 1 << 20),
            vocab_size=hub.size("vocab_size", 1 << 18),
        )
        if d_model % n_head:
            raise hub.refused(f"n_embd {d_model} is not divisible by n_head {n_head}")
        epsilon = hub.number("layer_norm_epsilon")
        if epsilon is not None and not 1e-45 < epsilon < 1:
            raise hub.refused("layer_norm_epsilon is not between 0 and 1")
        if first(hub.whole("bos_token_id"), 50256) >= config.vocab_size:
            raise hub.refused("bos_token_id is outside the vocabulary")
        activation = hub.text("activation_function")
        if activation not in (None, "gelu_new"):
            raise hub.refused(f"activation_function {short(activation)} is not gelu_new")
        if hub.flag("scale_attn_weights") is False or hub.flag("scale_attn_by_inverse_layer_idx"):
            raise hub.refused("attention scores must be divided by the root of d_head and nothing else")
        return config

    def tensors(self) -> Shapes:
        """What is read of the checkpoint: no masks, no `lm_head`, which is `wte`."""
        d, d_mlp = self.d_model, self.d_mlp
        shapes: Shapes = {
            "wte.weight": (self.vocab_size, d),
            "wpe.weight": (self.n_ctx, d),
            "ln_f.weight": (d,),
            "ln_f.bias": (d,),
        }
        for i in range(self.n_layer):
            for name, d_in, d_out in (
                ("attn.c_attn", d, 3 * d),
                ("attn.c_proj", d, d),
                ("mlp.c_fc", d, d_mlp),
                ("mlp.c_proj", d_mlp, d),
            ):
                shapes[f"h.{i}.{name}.weight"] = (d_in, d_out)
                shapes[f"h.{i}.{name}.bias"] = (d_out,)
            for name in ("ln_1", "ln_2"):
                shapes[f"h.{i}.{name}.weight"] = (d,)
                shapes[f"h.{i}.{name}.bias"] = (d,)
        return shapes


def read_tokenizer(path: Path, vocab_size: int) -> bytes:
    """A `tokenizer.json`, unchanged: GPT-2's kind of byte-level BPE, of which no id is beyond the model's.

    Raises:
        Refused: it is not that.
    """
    text = read_bytes(path, MAX_TOKENIZER_BYTES)
    found = parse_json(path, text)
    if not isinstance(found, dict):
        raise Refused(f"{path} holds no JSON object")
    tokenizer = Table(path, found)
    before, model = tokenizer.table("pre_tokenizer"), tokenizer.table("model")
    if (
        before.text("type") != "ByteLevel"
        or before.flag("add_prefix_space")
        or before.flag("use_regex") is False
        or found.get("normalizer") is not None
        or model.text("type") not in (None, "BPE")
    ):
        raise Refused(f"{path}: only GPT-2's byte-level BPE is supported")
    vocab, merges = model.fields.get("vocab"), model.fields.get("merges")
    if not isinstance(vocab, dict) or not isinstance(merges, list):
        raise Refused(f"{path} has no vocabulary or no merges")
    if not all(type(i) is int and 0 <= i < vocab_size for i in vocab.values()):
        raise Refused(f"{path}: a token's id is not below the model's vocab_size {vocab_size}")
    added = found.get("added_tokens") or []
    if not isinstance(added, list) or not all(isinstance(token, dict) for token in added):
        raise Refused(f"{path}: added_tokens is no list of tokens")
    for token in (Table(path, fields) for fields in added):
        name = short(token.text("content"))
        if first(token.whole("id"), vocab_size) >= vocab_size:
            raise Refused(f"{path}: the id of the added token {name} is not below {vocab_size}")
        if any(token.flag(option) for option in ("single_word", "lstrip", "rstrip")):
            raise Refused(f"{path}: the added token {name} has options, which are not supported")
    return text


# ------------------------------------------------------------------------------ the SAEs

# Vectors of d_sae that an architecture has.
VECTORS = {
    "standard": ("b_enc",),
    "topk": ("b_enc",),
    "jumprelu": ("b_enc", "threshold"),
    "gated": ("b_gate", "b_mag", "r_mag"),
}
# Transcoders of sae_lens 6, which subtract nothing from what they read.
TRANSCODERS = {"transcoder": "standard", "jumprelu_transcoder": "jumprelu"}


@dataclass(frozen=True)
class SaeHints:
    """What a list of SAEs tells of one where its `cfg.json` does not."""

    hook_name_out: Place | None = None
    norm_scaling_factor: float | None = None


@dataclass(frozen=True)
class SaeConfig:
    """An SAE that the runtime reads, and its `cfg.json`, which says by itself what hints told."""

    place: Place
    d_in: int
    d_sae: int
    architecture: str
    has_b_dec_out: bool
    fields: dict[str, Any]

    def tensors(self) -> Shapes:
        """What is read of its weights."""
        shapes: Shapes = {
            "W_enc": (self.d_in, self.d_sae),
            "W_dec": (self.d_sae, self.d_in),
            "b_dec": (self.d_in,),
        }
        if self.has_b_dec_out:
            shapes["b_dec_out"] = (self.d_in,)
        return shapes | {name: (self.d_sae,) for name in VECTORS[self.architecture]}

    @classmethod
    def read(cls, file: Path | str, fields: dict[str, Any], hints: SaeHints) -> SaeConfig:
        """Reads a `cfg.json` of any generation: the hub's first (`hook_point`), sae_lens 3 to 5
        (`hook_name`), sae_lens 6 (`metadata`).

        Raises:
            Refused: the runtime would not compute it.
        """
        hub = Table(file, fields)
        d_in, d_sae = hub.size("d_in", 1 << 16), hub.size("d_sae", 1 << 20)
        if hub.whole("d_out") not in (None, d_in):
            raise hub.refused("d_out is not d_in")
        if hub.flag("finetuning_scaling_factor"):
            raise hub.refused("a finetuning_scaling_factor is not supported")
        place = place_of(file, fields)
        told = copy.deepcopy(fields)
        if place.written != place:
            _tell_out(hub, place, hints.hook_name_out, told)
        elif (out := _out(hub)) and not out.is_same(place):
            raise hub.refused(f"it reads at {place} and writes at {out}, which is not supported")
        reshape = hub.text("reshape_activations")
        if reshape not in (None, "none") and not (reshape == "hook_z" and place.site == "attn.hook_z"):
            raise hub.refused(f"reshape_activations {short(reshape)} at {place} is not supported")

        architecture, subtracts = _architecture(hub, d_sae)
        is_transcoder = place.written != place
        if not is_transcoder and not subtracts:
            raise hub.refused("it is a transcoder, but not one that reads at ln2.hook_normalized")
        norm, factor = _norm(hub, hints.norm_scaling_factor)
        if is_transcoder and norm != "none":
            raise hub.refused("normalize_activations of a transcoder is not supported")
        if factor is not None:
            told["norm_scaling_factor"] = factor
        has_b_dec_out = bool(hub.flag("use_b_dec_out"))
        if has_b_dec_out and not is_transcoder:
            raise hub.refused("use_b_dec_out, but it is no transcoder")
        if hub.flag("apply_b_dec_to_input") and not subtracts:
            raise hub.refused("apply_b_dec_to_input, which its architecture rules out")
        return cls(place, d_in, d_sae, architecture, has_b_dec_out, told)


def place_of(file: Path | str, fields: dict[str, Any]) -> Place:
    """Where a `cfg.json` says that its SAE reads.

    Raises:
        Refused: it does not say, names no place, or is of a single head.
    """
    hub = Table(file, fields)
    hooks = [hub, hub.table("metadata")]
    for key in ("hook_head_index", "hook_point_head_index", "hook_head_index_out"):
        if any(hook.whole(key) is not None for hook in hooks):
            raise hub.refused("SAEs of single attention heads are not supported")
    name = first(*(hook.text(key) for hook in hooks for key in ("hook_name", "hook_point")))
    if name is None:
        raise hub.refused("no hook_name is given")
    try:
        return Place.parse(name)
    except Refused as cause:
        raise hub.refused(str(cause)) from None


def _out(hub: Table) -> Place | None:
    """Where it says that its decoder writes."""
    name = first(hub.text("hook_name_out"), hub.table("metadata").text("hook_name_out"))
    return None if name is None else Place.parse(name)


def _tell_out(hub: Table, place: Place, hint: Place | None, told: dict[str, Any]) -> None:
    """Makes a transcoder's `cfg.json` say where it writes."""
    out = first(_out(hub), hint)
    if out is None:
        raise hub.refused(
            f"it reads at {place}, but nothing says where it writes. If that is {place.written}, give a"
            f' list of SAEs with the entry {{"address": "{Path(hub.file).parent}", "hook_name": "{place}",'
            f' "hook_name_out": "{place.written}"}} in place of the folder'
        )
    if not out.is_same(place.written):
        raise hub.refused(f"it reads at {place} and writes at {out}, which is not supported")
    if _out(hub) is None:
        where = told["metadata"] if isinstance(told.get("metadata"), dict) else told
        where["hook_name_out"] = str(out)


def _architecture(hub: Table, d_sae: int) -> tuple[str, bool]:
    """The rule of activation, and whether `b_dec` may be subtracted from the input."""
    activation = first(hub.text("activation_fn_str"), hub.text("activation_fn"))
    name = first(hub.text("architecture"), "standard")
    if name == "topk" or (name == "standard" and activation == "topk"):
        k = first(hub.whole("k"), hub.table("activation_fn_kwargs").whole("k"))
        if k is None:
            raise hub.refused("topk without k")
        if not 1 <= k <= d_sae:
            raise hub.refused(f"k is {short(k)} of {d_sae} latents")
        hub.flag("rescale_acts_by_decoder_norm")
        return "topk", True
    if name not in VECTORS and name not in TRANSCODERS:
        raise hub.refused(f"the architecture {short(name)} is not known")
    if activation not in (None, "relu"):
        raise hub.refused(f"the activation function {short(activation)} is not known")
    return TRANSCODERS.get(name, name), name not in TRANSCODERS


def _norm(hub: Table, hint: float | None) -> tuple[str, float | None]:
    """The normalisation, and the constant of `expected_average_only_in`."""
    given = hub.fields.get("normalize_activations")
    if given is None or given is False:
        name = "none"
    elif given is True:
        name = "expected_average_only_in"
    else:
        name = hub.text("normalize_activations")
    if name in ("none", "layer_norm", "constant_norm_rescale"):
        return name, None
    if name != "expected_average_only_in":
        raise hub.refused(f"normalize_activations {short(name)} is not known")
    factor = first(hint, hub.number("norm_scaling_factor"))
    if factor is None:
        raise hub.refused(
            "normalize_activations is expected_average_only_in, but norm_scaling_factor is not given:"
            " say it in a list of SAEs, in place of the folder"
        )
    # As float32, which it is computed with.
    if not 1.2e-38 < factor < 3.4e38:
        raise hub.refused(f"norm_scaling_factor is {factor}")
    return name, factor
