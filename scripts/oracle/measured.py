"""What is measured beside the gradients: interventions, ablations, integrated and frozen gradients,
completeness, curves, steering and generation, by TransformerLens and SAELens in float64.

    python measured.py FIXTURE [--cases NAME ...] [--no-checks]

Writes FIXTURE/measured/NAME.json and, for arrays, NAME.safetensors, for the cases of
measured_cases.py. README.md describes the contents.

Everything is a function of one pass of the model with hooks (measured_question.py). A place's stream is
decode(f) + e where its SAE writes, with f the latents of the clean run and e what the SAE misses;
`Question.measure` gives the targets F for any f and e. Normalised SAEs decode with the scale of the
clean run. Without `error: omit`, e stands in every run; with it, e = 0 in the clean run too.

1. ablations: F(clean) - F(one source at 0, or at its value of the patch run).
2. intervention: at each edited place the running pass is encoded, and decode(edited) -
   decode(as it was) added: SAELens' use_error_term, the error of the running pass.
3. integrated: alpha = k / n, k = 0 ... n - 1, latents and error on the straight line from the patch
   run, or zero, to the clean run; the mean gradient times what changes.
4. frozen: attention patterns and the scales of ln1, ln2 and ln_final are put in as constants.
5. completeness: gradients times latents, and times the error of each position; what remains.
6. patch: sources are the latents active in either run; factors are differences of the two runs.
7. curves: the n largest |attributions| at clean and the rest at 0 (patch), and the reverse.
8. generation: the largest logit, again and again; steered by factor * W_dec[latent] where an SAE
   writes, W_dec as SAELens holds it when a constant scale of the input is folded in.

measured_checks.py computes the same by other means and refuses to write what differs.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import save_file

import measured_cases
import measured_kinds as kinds
import measured_passes as passes
import oracle
import place_oracle
from measured_question import Question
from run_notebook import compare, write_json

OF_QUESTIONS = dict(
    ablations=kinds.ablations,
    integrated=kinds.integrated,
    frozen=kinds.frozen,
    completeness=kinds.completeness,
    curves=kinds.curves,
)
OTHERS = dict(intervention=passes.intervention, generation=passes.generation)


def run_case(case, model, saes):
    """(the question, None where there is none; what is expected)"""
    with torch.no_grad():
        if case["kind"] in OTHERS:
            return None, OTHERS[case["kind"]](case["request"], model, saes)
        q = Question(case["request"], model, saes)
    return q, OF_QUESTIONS[case["kind"]](q)


def split(expected):
    """(JSON, tensors): matrices rounded once to float32, vectors as they are."""
    tensors = {k: v.detach() for k, v in expected.items() if isinstance(v, torch.Tensor)}
    rounded = {k: (v.float() if v.dim() > 1 else v).contiguous() for k, v in tensors.items()}
    return {k: k if k in tensors else v for k, v in expected.items()}, rounded


def numbers(expected, at=""):
    """{key: tensor of what is measured}, nested keys joined by dots."""
    out = {}
    for key, value in expected.items():
        if isinstance(value, dict):
            out |= numbers(value, f"{at}{key}.")
        elif isinstance(value, torch.Tensor):
            out[at + key] = value
        elif isinstance(value, list) and value and isinstance(value[0], float):
            out[at + key] = torch.tensor(value, dtype=torch.float64)
    return out


def same_sets(got, want):
    sets = [k for k in want if k.endswith(("_pos", "_latent", "_token", "tokens"))]
    seen = lambda x: [[o[k]["pos"], o[k]["latent"]] for o in x.get("observed", []) for k in ("before", "after")]
    return all(got[k] == want[k] for k in sets) and seen(got) == seen(want)


def float32_errors(case, exact, model, saes):
    """What float32 makes of the numbers, over the largest of each list; None where a set differs."""
    _, got = run_case(case, model, saes)
    if not same_sets(got, exact):
        return None
    got, want = numbers(got), {k: v for k, v in numbers(exact).items() if v.numel()}
    return {k: compare(got[k], v)["max_abs_over_largest"] for k, v in want.items()}


def saes_of(cases, fixture, dtype):
    return {
        name: place_oracle.load_sae(fixture, name, dtype)
        for name in sorted({n for case in cases for n in measured_cases.named(case)})
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("fixture", type=Path)
    parser.add_argument("--cases", nargs="*", help="default: all")
    parser.add_argument("--no-checks", action="store_true", help="do not compute it by other means")
    args = parser.parse_args()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as hf_home:
        oracle.stage_hub(args.fixture, Path(hf_home))
        import measured_checks  # sae_lens reads the hub's settings when it is imported

        cases = measured_cases.of(args.fixture.resolve().name)
        cases = {k: v for k, v in cases.items() if not args.cases or k in args.cases}
        saes, rough_saes = (saes_of(cases.values(), args.fixture, t) for t in (torch.float64, torch.float32))
        model, rough = (oracle.load_model(t).requires_grad_(False) for t in ("float64", "float32"))
        folder = args.fixture / "measured"
        folder.mkdir(exist_ok=True)
        for name, case in cases.items():
            case = measured_cases.resolved(case, model, saes)
            question, expected = run_case(case, model, saes)
            notes = {"float32": float32_errors(case, expected, rough, rough_saes)}
            if not args.no_checks:
                notes["checks"] = measured_checks.check(args.fixture, case, question, expected, model, saes)
            told, tensors = split(expected)
            write_json(folder / f"{name}.json", {**case, "expected": told, **notes})
            if tensors:
                save_file(tensors, folder / f"{name}.safetensors")
            shapes = {k: list(v.shape) for k, v in tensors.items()}
            print(f"{name} {time.perf_counter() - start:.0f} s", shapes, json.dumps(notes), flush=True)
        # Who reads them in a browser cannot list a folder.
        names = sorted(path.stem for path in folder.glob("*.json") if path.name != "index.json")
        (folder / "index.json").write_text(json.dumps(names, indent=0) + "\n")
    print(f"{len(cases)} cases in {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
