"""What is packed is what was given: every tensor, every meaning."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from packing.configs import SaeConfig, SaeHints
from packing.saes import find
from support import DEMO, FIXTURES, MODEL, WEIGHTS, InFolder, change_tensors, files, read_header, write_raw

PLACES = FIXTURES / "places"
# Where the demo and the fixtures have what is packed: model, SAEs.
GIVEN = {
    "demo": (DEMO / "model", DEMO / "saes"),
    "tiny": (FIXTURES / "tiny/model", FIXTURES / "tiny/saes"),
    "odd": (FIXTURES / "odd/model", FIXTURES / "odd/saes"),
    "places": (PLACES / "model", PLACES / "saes.json"),
}


def unprefixed(path: Path) -> dict[str, np.ndarray]:
    return {name.removeprefix("transformer."): tensor for name, tensor in load_file(path).items()}


class RoundTrip(InFolder):
    def originals(self, model: Path, saes: Path) -> dict[str, dict[str, np.ndarray]]:
        """Tensors before, by the name of the file in the pack."""
        found = {MODEL: unprefixed(model / "model.safetensors")}
        for candidate in find(saes):
            found[f"saes/{candidate.place}/{WEIGHTS}"] = load_file(candidate.path / WEIGHTS)
        return found

    def packed(self, given: str, dtype: str):
        """Each tensor of a pack: its file, its name, before, after, what was reported."""
        model, saes = GIVEN[given]
        shutil.rmtree(self.out, ignore_errors=True)
        reported = {written.name: written for written in self.pack(model, saes, dtype=dtype)}
        originals = self.originals(model, saes)
        self.assertEqual(set(reported), set(files(self.out)))
        for file, before in originals.items():
            after = load_file(self.out / file)
            self.assertEqual(reported[file].after, (self.out / file).stat().st_size)
            self.assertEqual(set(reported[file].errors), set(after))
            for name, tensor in after.items():
                yield file, name, before[name].astype(np.float64), tensor, reported[file].errors[name]

    def test_f32_is_exact(self) -> None:
        for given in GIVEN:
            for file, name, before, after, error in self.packed(given, "F32"):
                with self.subTest(given, file=file, tensor=name):
                    self.assertEqual(after.dtype, np.float32)
                    np.testing.assert_array_equal(after, before)
                    self.assertEqual(error.largest_error, 0)

    def test_f16_is_rounded_to_the_nearest_and_the_error_is_told(self) -> None:
        for given in GIVEN:
            for file, name, before, after, error in self.packed(given, "F16"):
                with self.subTest(given, file=file, tensor=name):
                    off = np.abs(after.astype(np.float64) - before)
                    self.assertEqual(after.shape, before.shape)
                    if before.ndim == 1:
                        self.assertEqual((after.dtype, off.max()), (np.float32, 0))
                    else:
                        self.assertEqual(after.dtype, np.float16)
                        # Half of the last digit of 11, or of the smallest number.
                        self.assertTrue((off <= np.maximum(np.abs(before) * 2.0**-11, 2.0**-25)).all())
                    self.assertEqual(error.largest_error, off.max())
                    self.assertEqual(error.relative, off.max() / np.abs(before).max())
                    self.assertAlmostEqual(error.norm, np.linalg.norm(off) / np.linalg.norm(before), 12)

    def test_half_the_bytes(self) -> None:
        written = self.pack(*GIVEN["places"])
        self.assertLess(sum(w.after for w in written), 0.52 * sum(w.before for w in written))

    def test_only_what_is_read(self) -> None:
        for given, (model, saes) in GIVEN.items():
            with self.subTest(given):
                shutil.rmtree(self.out, ignore_errors=True)
                self.pack(model, saes)
                tensors = set(load_file(self.out / MODEL))
                d = {name.split(".")[1] for name in tensors if name.startswith("h.")}
                self.assertEqual(len(tensors), 4 + 12 * len(d))
                self.assertFalse([name for name in tensors if name.endswith(".attn.bias") or "lm_head" in name])
        # The oldest generation may carry a scale of ones.
        copied = self.copy()
        path = copied / "saes/blocks.1.hook_resid_pre" / WEIGHTS
        change_tensors(path, lambda t: t.update(scaling_factor=np.ones(96, np.float32)))
        shutil.rmtree(self.out)
        written = self.pack(copied / "model", path.parent)
        self.assertEqual(written[-1].left_out, ["scaling_factor"])
        found = load_file(self.out / "saes/blocks.1.hook_resid_pre" / WEIGHTS)
        self.assertEqual(set(found), {"W_enc", "W_dec", "b_enc", "b_dec"})

    def test_meaning_is_kept_without_the_list(self) -> None:
        self.pack(*GIVEN["places"])
        told = {candidate.place: candidate.open().config for candidate in find(PLACES / "saes.json")}
        found = {candidate.place: candidate.open().config for candidate in find(self.out / "saes")}
        self.assertEqual(found, told)
        for config in found.values():
            file = self.out / "saes" / str(config.place) / "cfg.json"
            self.assertEqual(SaeConfig.read(file, json.loads(file.read_text()), SaeHints()), config)
        folded = json.loads((self.out / "saes/blocks.0.ln2.hook_normalized/cfg.json").read_text())
        self.assertEqual(folded["hook_name_out"], "blocks.0.hook_mlp_out")
        scaled = json.loads((self.out / "saes/blocks.2.hook_mlp_out/cfg.json").read_text())
        self.assertEqual(scaled["norm_scaling_factor"], 0.7421875)
        # What says all by itself stays to the letter.
        for name in ("blocks.1.ln2.hook_normalized", "blocks.1.hook_resid_pre", "blocks.2.hook_attn_out"):
            before, after = (json.loads((at / "saes" / name / "cfg.json").read_text()) for at in (PLACES, self.out))
            self.assertEqual(after, before)

    def test_the_other_files_are_the_same(self) -> None:
        self.pack(*GIVEN["demo"])
        for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
            self.assertEqual((self.out / "model" / name).read_bytes(), (DEMO / "model" / name).read_bytes())

    def test_a_pack_of_a_pack_is_the_same(self) -> None:
        self.pack(*GIVEN["places"])
        first = self.out.rename(self.folder / "first")
        self.pack(first / "model", first / "saes")
        self.assertEqual(files(self.out), files(first))

    def test_blocks_lie_together(self) -> None:
        self.pack(*GIVEN["odd"])
        header = read_header(self.out / MODEL)
        header.pop("__metadata__")
        order = sorted(header, key=lambda name: header[name]["data_offsets"])
        blocks = [name.split(".")[1] for name in order if name.startswith("h.")]
        changes = sum(one != next for one, next in zip(blocks, blocks[1:]))
        self.assertEqual(changes, len(set(blocks)) - 1)

    def test_bf16(self) -> None:
        copied = self.copy()
        path = copied / "model/model.safetensors"
        # BF16 is the upper half of F32.
        cut = {name: tensor.view(np.uint32) >> 16 << 16 for name, tensor in load_file(path).items()}
        header, data = {}, b""
        for name, bits in cut.items():
            half = (bits >> 16).astype("<u2").tobytes()
            offsets = [len(data), len(data) + len(half)]
            header[name] = {"dtype": "BF16", "shape": list(bits.shape), "data_offsets": offsets}
            data += half
        write_raw(path, header, data)
        self.pack(copied / "model", copied / "saes.json", "blocks.0.hook_attn_out", "F32")
        for name, tensor in load_file(self.out / MODEL).items():
            np.testing.assert_array_equal(tensor, cut[name].view(np.float32))

    def test_places_by_either_name(self) -> None:
        self.pack(*GIVEN["places"], "blocks.3.hook_resid_pre,blocks.0.hook_resid_post")
        self.assertEqual(
            sorted(path.name for path in (self.out / "saes").iterdir()),
            ["blocks.0.hook_resid_post", "blocks.3.hook_resid_pre"],
        )
        # The runtime takes either name within, too.
        self.assertEqual(len(find(self.out / "saes")), 2)

    def test_several_of_saes_and_an_empty_folder(self) -> None:
        self.out.mkdir()
        saes = [PLACES / "saes" / name for name in ("blocks.2.hook_resid_mid", "blocks.1.attn.hook_z")]
        written = self.pack(PLACES / "model", saes)
        self.assertEqual(
            [w.name for w in written if w.name.endswith("cfg.json")],
            ["saes/blocks.1.attn.hook_z/cfg.json", "saes/blocks.2.hook_resid_mid/cfg.json"],
        )
        umask = os.umask(0)
        os.umask(umask)
        self.assertEqual(self.out.stat().st_mode & 0o777, 0o777 & ~umask)

    def test_values_at_the_ends_of_f16(self) -> None:
        copied = self.copy()
        path = copied / "model/model.safetensors"
        change_tensors(path, lambda t: t["wte.weight"].__setitem__((0, slice(4)), [65504, -65504, 1e-9, 2.0**-24]))
        self.pack(copied / "model", copied / "saes.json", "blocks.0.hook_attn_out")
        after = load_file(self.out / MODEL)["wte.weight"][0, :4]
        self.assertEqual(after.tolist(), [65504, -65504, 0, 2.0**-24])

    def test_gated(self) -> None:
        folder = self.folder / "gated"
        folder.mkdir()
        tensors = {"W_enc": (32, 8), "W_dec": (8, 32), "b_dec": (32,), "b_gate": (8,), "b_mag": (8,), "r_mag": (8,)}
        save_file({name: np.full(shape, 0.5, np.float32) for name, shape in tensors.items()}, folder / WEIGHTS)
        config = {"architecture": "gated", "d_in": 32, "d_sae": 8, "hook_name": "blocks.1.hook_resid_pre"}
        (folder / "cfg.json").write_text(json.dumps(config))
        self.pack(PLACES / "model", folder)
        self.assertEqual(set(load_file(self.out / "saes/blocks.1.hook_resid_pre" / WEIGHTS)), set(tensors))

    def test_command_line(self) -> None:
        def run(*arguments: object) -> subprocess.CompletedProcess:
            command = [sys.executable, "-P", "-m", "packing", *map(str, arguments)]
            return subprocess.run(command, capture_output=True, text=True)

        model, saes = GIVEN["places"]
        done = run(model, saes, self.out, "--places", "1,blocks.2.hook_mlp_out", "--dtype", "f32")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("No value was changed.", done.stdout)
        self.assertTrue(
            done.stdout.endswith(
                "?model=https://SERVER/out/model&saes=https://SERVER/out/saes"
                "&places=blocks.1.hook_resid_pre,blocks.2.hook_mlp_out\n"
            )
        )
        again = run(model, saes, self.out)
        self.assertEqual((again.returncode, again.stdout), (1, ""))
        self.assertIn("is there already and is not an empty folder", again.stderr)
        self.assertNotIn("Traceback", again.stderr)
