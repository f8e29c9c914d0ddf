"""Pickled releases, from files that are made here in the form that public code writes: the real ones were not
at hand. Skipped, and that is said, where torch is not installed."""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import sys
import types
import unittest
import zipfile
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from support import FIXTURES, WEIGHTS, InFolder, change_json

HAS_TORCH = importlib.util.find_spec("torch") is not None
if HAS_TORCH:
    import torch
else:
    print("Pickled files are not tested: torch is not installed (scripts/pack does it for a .pt file)", file=sys.stderr)

MODEL = FIXTURES / "places/model"
D_IN, D_SAE = 32, 96
Z, LN2, OUT = "blocks.1.attn.hook_z", "blocks.2.ln2.hook_normalized", "blocks.2.hook_mlp_out"


def tensors(**more: tuple[int, ...]) -> dict:
    shapes = {"W_enc": (D_IN, D_SAE), "b_enc": (D_SAE,), "W_dec": (D_SAE, D_IN), "b_dec": (D_IN,), **more}
    torch.manual_seed(0)
    return {name: torch.randn(shape) for name, shape in shapes.items()}


def transcoder_cfg(**fields: object) -> object:
    """As its author's class would be, when it is pickled: by the name of its module."""
    package, name = "sae_training", "sae_training.config"
    if name not in sys.modules:
        sys.modules[package], sys.modules[name] = types.ModuleType(package), types.ModuleType(name)
        author = type("LanguageModelSAERunnerConfig", (), {"__module__": name})
        sys.modules[name].LanguageModelSAERunnerConfig = author
    cfg = sys.modules[name].LanguageModelSAERunnerConfig()
    cfg.__dict__.update(
        model_name="gpt2-small",
        hook_point=LN2,
        hook_point_layer=2,
        hook_point_head_index=None,
        out_hook_point=OUT,
        out_hook_point_layer=2,
        is_transcoder=True,
        context_size=128,
        d_in=D_IN,
        d_out=D_IN,
        d_sae=D_SAE,
        dtype=torch.float32,
        device=torch.device("cuda"),
        lr=4e-4,
    )
    cfg.__dict__.update(fields)
    return cfg


class Runs:
    """Runs a command when it is unpickled by Python itself."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


@unittest.skipUnless(HAS_TORCH, "torch is not installed")
class Pickled(InFolder):
    def hook_z(self, state: object = None, **fields: object) -> Path:
        path = self.folder / "gpt2-small_L1_Hcat_z_lr1.20e-03_v5.pt"
        torch.save(tensors() if state is None else state, path)
        config = {"act_name": Z, "act_size": D_IN, "dict_size": D_SAE, "layer": 1, "enc_dtype": "fp32"}
        beside = path.with_name(path.stem + "_cfg.json")
        beside.write_text(json.dumps(config | {"model_name": "gpt2-small"}))
        change_json(beside, **fields)
        return path

    def transcoder(self, state: object = None, place: str = LN2, **fields: object) -> Path:
        path = self.folder / f"final_sparse_autoencoder_gpt2-small_{place}_{D_SAE}.pt"
        state = tensors(b_dec_out=(D_IN,)) if state is None else state
        torch.save({"cfg": transcoder_cfg(**fields), "state_dict": state}, path)
        return path

    def refused(self, words: str, path: Path) -> None:
        self.assert_refused(words, lambda: self.pack(MODEL, path))

    def check(self, place: str, given: dict, cfg: dict) -> None:
        for name, after in load_file(self.out / "saes" / place / WEIGHTS).items():
            np.testing.assert_array_equal(after, given[name].detach().numpy())
        found = json.loads((self.out / "saes" / place / "cfg.json").read_text())
        metadata = found.pop("metadata")
        self.assertEqual(metadata, metadata | cfg.pop("metadata"))
        self.assertEqual(found, found | cfg)

    def test_hook_z(self) -> None:
        path = self.hook_z()
        written = self.pack(MODEL, path, dtype="F32")
        cfg = {"architecture": "standard", "reshape_activations": "hook_z", "apply_b_dec_to_input": True}
        self.check(Z, tensors(), cfg | {"d_in": D_IN, "d_sae": D_SAE, "metadata": {"hook_name": Z}})
        self.assertEqual(written[-1].before, path.stat().st_size)

    def test_transcoder(self) -> None:
        self.pack(MODEL, self.transcoder(), dtype="F32")
        cfg = {"architecture": "standard", "use_b_dec_out": True, "apply_b_dec_to_input": True}
        self.check(LN2, tensors(b_dec_out=(D_IN,)), cfg | {"metadata": {"hook_name": LN2, "hook_name_out": OUT}})
        self.assertIn("b_dec_out", load_file(self.out / "saes" / LN2 / WEIGHTS))

    def test_a_folder_of_both_and_parameters(self) -> None:
        state = {name: torch.nn.Parameter(tensor) for name, tensor in tensors().items()}
        self.hook_z(state)
        self.transcoder()
        self.pack(MODEL, self.folder)
        self.assertEqual(sorted(path.name for path in (self.out / "saes").iterdir()), [Z, LN2])

    def test_views_and_halves(self) -> None:
        state = tensors()
        state["W_enc"] = state["W_enc"].T.contiguous().T
        state["W_dec"] = state["W_dec"].half()
        state["b_enc"] = state["b_enc"].bfloat16()
        self.pack(MODEL, self.hook_z(state), dtype="F32")
        after = load_file(self.out / "saes" / Z / WEIGHTS)
        for name, tensor in state.items():
            np.testing.assert_array_equal(after[name], tensor.float().numpy())

    def test_code_is_not_run(self) -> None:
        trace = self.folder / "trace"
        self.refused("holds more than tensors", self.hook_z({"W_enc": Runs(trace)}))
        self.refused("holds more than tensors", self.transcoder(lr=Runs(trace)))
        self.assertFalse(trace.exists())

    def test_other_formats(self) -> None:
        path = self.hook_z()
        whole = path.read_bytes()
        torch.save(tensors(), path, _use_new_zipfile_serialization=False)
        self.refused("not in the format that torch.save writes", path)
        path.write_bytes(pickle.dumps({"W_enc": [1.0]}))
        self.refused("not in the format that torch.save writes", path)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("archive/data.pkl", bytes(100_000))
        self.refused("not in the format that torch.save writes", path)
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("archive/data.pkl", b"")
            file.writestr("archive/constants.pkl", b"")
        self.refused("is a program", path)
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("archive/data.pkl", b"garbage")
        self.refused("or is broken", path)
        path.write_bytes(whole[: len(whole) // 2])
        self.refused("is broken", path)

    def test_contents(self) -> None:
        self.refused("holds no tensors by name", self.hook_z([torch.zeros(3)]))
        self.refused("W_enc is no tensor", self.hook_z({"W_enc": 3}))
        self.refused("W_enc is no tensor", self.hook_z(tensors() | {"W_enc": torch.zeros(D_IN, D_SAE).to_sparse()}))
        self.refused("has no tensor W_enc", self.hook_z({}))
        self.refused("W_enc is torch.float64", self.hook_z(tensors() | {"W_enc": torch.zeros(D_IN, D_SAE).double()}))
        self.refused("b_enc is [95]", self.hook_z(tensors() | {"b_enc": torch.zeros(D_SAE - 1)}))
        self.refused("is nan", self.hook_z(tensors() | {"b_enc": torch.full((D_SAE,), torch.nan)}))

    def test_configurations(self) -> None:
        self.refused("act_name is no hook_z", self.hook_z(act_name="blocks.1.hook_mlp_out"))
        self.refused("act_size is 32, not a whole number", self.hook_z(act_size="32"))
        self.refused("d_sae is not given", self.hook_z(dict_size=...))
        self.hook_z().with_suffix(".pt").unlink()
        self.refused("does not say that it is a transcoder", self.transcoder(is_transcoder=False))
        self.refused("writes at blocks.1.hook_mlp_out", self.transcoder(out_hook_point="blocks.1.hook_mlp_out"))
        self.refused("lacks hook_point", self.transcoder(out_hook_point=None))
        self.refused("another place than its name", self.transcoder(hook_point="blocks.1.ln2.hook_normalized"))
        self.refused("d_out is not d_in", self.transcoder(d_out=16))
        path = self.transcoder()
        torch.save({"cfg": {"is_transcoder": True}, "state_dict": tensors()}, path)
        self.refused("does not say that it is a transcoder", path)
        torch.save(tensors(), path)
        self.refused("does not hold cfg and state_dict", path)
        self.refused("is no pickled SAE that is known", path.rename(self.folder / "x.pt"))
