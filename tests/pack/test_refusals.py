"""What cannot be packed is refused by a sentence, and nothing is left behind."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np

from packing.outside import Refused
from packing.tensors import open_file
from support import WEIGHTS, InFolder, change_json, change_tensors, write_raw

PLACE, OTHER = "blocks.1.hook_resid_pre", "blocks.2.hook_resid_pre"


def put(name: str, value: float, at: tuple[int, ...] = (3, 5)) -> Callable:
    return lambda tensors: tensors[name].__setitem__(at, value)


class Refusals(InFolder):
    def setUp(self) -> None:
        super().setUp()
        self.given = self.copy()
        self.model, self.saes = self.given / "model", self.given / "saes"
        self.weights = self.model / "model.safetensors"
        self.sae = self.saes / PLACE

    def refused(self, words: str, places: str = PLACE, saes: Path | None = None, dtype: str = "F16") -> None:
        self.assert_refused(words, lambda: self.pack(self.model, saes or self.given / "saes.json", places, dtype))

    def test_values_too_large_for_f16(self) -> None:
        change_tensors(self.sae / WEIGHTS, put("W_dec", -65505.0))
        self.refused("value 101 of W_dec is -65505, and F16 ends at 65504: pack with --dtype f32")
        self.pack(self.model, self.sae, dtype="F32")

    def test_large_values_of_vectors_need_no_f16(self) -> None:
        change_tensors(self.sae / WEIGHTS, put("b_enc", 1e6, (0,)))
        self.pack(self.model, self.sae)

    def test_values_that_are_no_numbers(self) -> None:
        for value, words in ((np.nan, "is nan"), (np.inf, "is inf"), (-np.inf, "is -inf")):
            for dtype in ("F16", "F32"):
                with self.subTest(value=value, dtype=dtype):
                    change_tensors(self.weights, put("wpe.weight", value))
                    self.refused(f"of wpe.weight {words}", dtype=dtype)

    def test_tensors(self) -> None:
        name = "h.1.mlp.c_fc.weight"
        for words, change in (
            (f"has no tensor {name}", lambda t: t.pop(name)),
            (f"{name} is [128, 32], not [32, 128]", lambda t: t.update({name: t[name].T.copy()})),
            (f"{name} is F64; F32, F16 and BF16 are read", lambda t: t.update({name: t[name].astype(np.float64)})),
            ("has no tensor wte.weight", lambda t: t.pop("wte.weight")),
        ):
            with self.subTest(words):
                original = self.weights.read_bytes()
                change_tensors(self.weights, change)
                self.refused(words)
                self.weights.write_bytes(original)

    def test_an_sae_of_another_model(self) -> None:
        def widen(tensors: dict) -> None:
            tensors.update(W_enc=np.zeros((64, 96), np.float32), W_dec=np.zeros((96, 64), np.float32))
            tensors.update(b_dec=np.zeros(64, np.float32))

        change_tensors(self.sae / WEIGHTS, widen)
        change_json(self.sae / "cfg.json", d_in=64)
        self.refused("its d_in is 64 but the model's n_embd is 32")

    def test_tensors_of_an_sae(self) -> None:
        for words, change in (
            ("has no tensor b_enc", lambda t: t.pop("b_enc")),
            ("W_enc is [96, 32], not [32, 96]", lambda t: t.update(W_enc=t["W_dec"])),
        ):
            with self.subTest(words):
                original = (self.sae / WEIGHTS).read_bytes()
                change_tensors(self.sae / WEIGHTS, change)
                self.refused(words)
                (self.sae / WEIGHTS).write_bytes(original)

    def test_config(self) -> None:
        for words, fields in (
            ("n_layer is negative", {"n_layer": -1}),
            ("n_layer is 0, not within", {"n_layer": 0}),
            ("n_layer is True", {"n_layer": True}),
            ("n_layer is 4.0", {"n_layer": 4.0}),
            ("n_layer is not given", {"n_layer": ...}),
            ("not divisible", {"n_head": 5}),
            ("n_embd is 1000000000", {"n_embd": 10**9}),
            ("vocab_size is 9999999", {"vocab_size": 9999999}),
            ("is not gelu_new", {"activation_function": "relu"}),
            ("bos_token_id is outside", {"bos_token_id": 10**6}),
            ("layer_norm_epsilon", {"layer_norm_epsilon": 0}),
            ("divided by the root", {"scale_attn_by_inverse_layer_idx": True}),
            ("wpe.weight is", {"n_ctx": 77}),
        ):
            with self.subTest(words):
                file = self.model / "config.json"
                original = file.read_bytes()
                change_json(file, **fields)
                self.refused(words)
                file.write_bytes(original)

    def test_cfg(self) -> None:
        for words, fields in (
            ("architecture magic is not known", {"architecture": "magic"}),
            ("activation function tanh", {"activation_fn_str": "tanh"}),
            ("topk without k", {"architecture": "topk"}),
            ("k is 97 of 96", {"architecture": "topk", "k": 97}),
            ("W_enc is [32, 96], not [64, 96]", {"d_in": 64}),
            ("d_sae is 99999999", {"d_sae": 99999999}),
            ("no hook_name", {"hook_point": ...}),
            ("no place of GPT-2", {"hook_point": "blocks.01.hook_resid_pre"}),
            ("stands under", {"hook_point": "blocks.2.hook_resid_pre"}),
            ("single attention heads", {"hook_point_head_index": 3}),
            ("reads at", {"hook_name_out": "blocks.1.hook_mlp_out"}),
            ("reshape_activations", {"reshape_activations": "hook_z"}),
            ("finetuning_scaling_factor", {"finetuning_scaling_factor": True}),
            ("norm_scaling_factor is not given", {"normalize_activations": "expected_average_only_in"}),
            ("norm_scaling_factor is -1", {"normalize_activations": True, "norm_scaling_factor": -1}),
            ("normalize_activations batch is not", {"normalize_activations": "batch"}),
            ("it is a transcoder", {"architecture": "transcoder"}),
            ("use_b_dec_out, but", {"use_b_dec_out": True}),
            ("metadata is", {"metadata": []}),
            ("d_out is not d_in", {"d_out": 33}),
            # Others' words are cut, and stay on one line.
            ("architecture \\n\\x1b[31mxxx", {"architecture": "\n\x1b[31m" + "x" * 100_000}),
        ):
            with self.subTest(words):
                file = self.sae / "cfg.json"
                original = file.read_bytes()
                change_json(file, **fields)
                self.refused(words, saes=self.sae)
                file.write_bytes(original)

    def test_json(self) -> None:
        for words, text in (
            ("is not JSON", b"{"),
            ("is not JSON", b'{"d_in": NaN}'),
            ("is not JSON", b'{"d_in": 1e999}'),
            ("a key is there twice", b'{"d_in": 1, "d_in": 2}'),
            ("is not JSON", b"\xff\xfe"),
            ("is not JSON", b'{"hook_point": "\\ud800"}'),
            ("is not JSON", b"[" * 100_000),
            ("is not JSON", b'{"d_in": ' + b"9" * 10_000 + b"}"),
            ("holds no JSON object", b"[]"),
            ("more than 1,048,576 bytes", b" " * (1 << 20) + b"{}"),
        ):
            with self.subTest(text[:40]):
                (self.sae / "cfg.json").write_bytes(text)
                self.refused(words, saes=self.sae)

    def test_transcoders_that_do_not_say_where_they_write(self) -> None:
        place = "blocks.0.ln2.hook_normalized"
        self.refused('"hook_name_out": "blocks.0.hook_mlp_out"', place, self.saes)
        change_json(self.saes / place / "cfg.json", hook_name_out="blocks.1.hook_mlp_out")
        self.refused("it reads at blocks.0.ln2.hook_normalized and writes at blocks.1", place, self.saes)

    def test_transcoders_that_normalise(self) -> None:
        change_json(self.saes / "blocks.1.ln2.hook_normalized/cfg.json", normalize_activations="layer_norm")
        self.refused("normalize_activations of a transcoder", "blocks.1.ln2.hook_normalized")

    def test_places(self) -> None:
        place = "blocks.0.hook_resid_mid"
        self.refused(f"there is no SAE at {place}; there are blocks.0.hook_attn_out", place)
        change_json(self.sae / "cfg.json", hook_point="blocks.4.hook_attn_out")
        self.refused("blocks.4.hook_attn_out is not in a model of 4 blocks", "", self.sae.rename(self.given / "one"))

    def test_two_saes_for_one_place(self) -> None:
        other = self.saes / "again"
        other.mkdir()
        for name in ("cfg.json", WEIGHTS):
            (other / name).write_bytes((self.sae / name).read_bytes())
        self.refused("there are several SAEs at blocks.1.hook_resid_pre", saes=self.saes)
        change_json(other / "cfg.json", hook_point="blocks.0.hook_resid_post")
        for name in ("blocks.0.ln2.hook_normalized", "blocks.2.ln2.hook_normalized", "blocks.2.hook_mlp_out"):
            (self.saes / name / "cfg.json").unlink()
        self.refused("there are several SAEs at blocks.0.hook_resid_post", "", self.saes)
        # Asked for under one of the names, it is clear.
        self.pack(self.model, self.saes, PLACE)

    def test_lists(self) -> None:
        for words, entries in (
            ("is no list of SAEs", {}),
            ("an entry is no object with", [3]),
            ("an entry is no object with", [{"address": "saes", "hook_point": "x"}]),
            ("an entry has no address", [{"hook_name": PLACE}]),
            ("is not on this computer", [{"address": "https://example.org/saes"}]),
            (f"saes/{PLACE} is not the SAE of {OTHER}", [{"address": f"saes/{PLACE}", "hook_name": OTHER}]),
            ("norm_scaling_factor is", [{"address": "saes", "norm_scaling_factor": "1"}]),
            ("is no folder", [{"address": "nowhere"}]),
        ):
            with self.subTest(words):
                (self.given / "saes.json").write_text(json.dumps(entries))
                self.refused(words)

    def test_tokenizer(self) -> None:
        file = self.model / "tokenizer.json"
        original = json.loads(file.read_text())
        for words, change in (
            ("byte-level BPE", {"pre_tokenizer": {"type": "Whitespace"}}),
            ("byte-level BPE", {"pre_tokenizer": None}),
            ("byte-level BPE", {"normalizer": {"type": "NFC"}}),
            ("no vocabulary", {"model": {"type": "BPE"}}),
            ("id is not below", {"model": original["model"] | {"vocab": {"a": 10**6}}}),
            ("id of the added token x is not", {"added_tokens": [{"id": 10**6, "content": "x"}]}),
            ("has options", {"added_tokens": [{"id": 1, "content": "x", "lstrip": True}]}),
        ):
            with self.subTest(words):
                change_json(file, **change)
                self.refused(words)
                file.write_text(json.dumps(original))
        file.unlink()
        self.refused("tokenizer.json is not there")

    def test_files_and_folders(self) -> None:
        self.refused("is no folder, no .pt file and no list", saes=self.given / "nothing")
        (self.given / "empty").mkdir()
        self.refused("holds no SAEs", saes=self.given / "empty")
        self.out.mkdir()
        (self.out / "mine").write_text("")
        self.refused("is there already and is not an empty folder")
        self.out = self.folder / "no/such/out"
        self.refused("does not exist")


class Headers(InFolder):
    def test_headers(self) -> None:
        one = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
        for words, header, data in (
            ("is not JSON", b"{", b""),
            ("no JSON object", [], b""),
            ("a key is there twice", b'{"a": {}, "a": {}}', b""),
            ("entry of tensor “a”", {"a": 3}, b""),
            ("entry of tensor “a”", {"a": one | {"dtype": "F33"}}, bytes(8)),
            ("entry of tensor “a”", {"a": one | {"dtype": ["F32"]}}, bytes(8)),
            ("entry of tensor “a”", {"a": one | {"shape": [3]}}, bytes(8)),
            ("entry of tensor “a”", {"a": one | {"shape": [-2]}}, bytes(8)),
            ("entry of tensor “a”", {"a": one | {"shape": [True]}}, bytes(8)),
            ("entry of tensor “a”", {"a": one | {"shape": [2**52, 2**52]}}, bytes(8)),
            ("entry of tensor “a”", {"a": one | {"data_offsets": [0, 8, 9]}}, bytes(8)),
            ("entry of tensor “a”", {"a": one | {"data_offsets": [8, 0]}}, bytes(8)),
            ("does not lie behind", {"a": one | {"data_offsets": [4, 12]}}, bytes(12)),
            ("does not lie behind", {"a": one, "b": one}, bytes(8)),
            ("its header describes 77", {"a": one}, bytes(16)),
            ("its header describes 77", {"a": one}, bytes(4)),
        ):
            with self.subTest(words, header=str(header)[:80]):
                path = self.folder / "x.safetensors"
                write_raw(path, header, data)
                with self.assertRaises(Refused) as caught:
                    open_file(path)
                self.assertIn(words, str(caught.exception))

    def test_lengths(self) -> None:
        path = self.folder / "x.safetensors"
        for start in (b"", b"\0" * 7, struct.pack("<Q", 2**63) + b"{}", struct.pack("<Q", 3) + b"{}"):
            with self.subTest(start):
                path.write_bytes(start)
                with self.assertRaises(Refused) as caught:
                    open_file(path)
                self.assertIn("is no safetensors file", str(caught.exception))
