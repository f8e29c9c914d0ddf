"""Write the data card, www/models/demo/README.md, from metrics.json.

    python card.py [OTHER_METRICS.json …]

The other files are of runs of train.py with the same or another seed; the card tells how far their
figures are from those of what is shipped. What else was checked by hand goes into metrics.json as
"notes", a list of sentences.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from cases import CASES
from train import ROOT

DEMO = ROOT / "www/models/demo"
BARRED = ("l0", "variance_explained", "recovered_zero", "recovered_mean", "dead_share")

CARD = """# A small trained GPT-2 with an SAE at every layer

What the page shows where nothing can be downloaded: {n_layer} layers, d_model {d_model}, {n_head} heads, {n_ctx} positions, a
vocabulary of {vocab_size:,} ({parameters:,} parameters), and standard ReLU SAEs of {d_sae:,} latents at every
`hook_resid_pre` and at the last `hook_resid_post`. Everything is in the layouts of the hub, matrices
as float16. Its weights are trained, not random: it knows a few hundred facts, and its latents mean
something.

**It is** a language model of one small synthetic language, made so that attributions can be read.
**It is not** GPT-2 small, nor a model of English: outside of the sentence forms of
`scripts/train_demo/grammar.py` and the facts of `scripts/train_demo/facts.py` it says nothing
sensible, and findings about it are findings about it alone.

| | |
|---|---|
| text | drawn from a grammar written for this model: {facts_n} facts ({relations}), each said in several ways, and short stories ({stories:.0%} of the documents); nothing was copied from anywhere |
| made by | `scripts/train-demo` (seed {seed}), {minutes} minutes on two cores of a busy shared machine; torch {torch}, tokenizers {tokenizers}, Python {python} |
| model | AdamW, {parts} steps of {sequences_a_step} × {n_ctx} tokens ({tokens:,} tokens); documents packed, `<|endoftext|>` before each; in the second part the loss counts predictions read off after 2 and 3 blocks too |
| SAEs | {sae_steps} steps of {sae_batch:,} positions, on residuals centred over d_model; BatchTopK, then ReLU with L1, then W_dec alone (`scripts/train_demo/sae.py`) |
| licence | MIT OR Apache-2.0, like the repository |

## How good it is

Measured on the weights as they are stored, on text drawn anew from the grammar: its documents are
new, most single sentences of fact are not. `train.py` fails where a bar is missed.

Facts, most likely next token is the answer: **{held_out:.1%}** of {held_out_n} combinations of entity and
sentence form that occur nowhere in training (bar 95 %); {trained:.1%} of {trained_n:,} that do. By relation:
{by_relation}.

| SAE | L0 (bar 5–40) | variance explained (≥ 0.9) | cross-entropy recovered, zero ablation (≥ 0.9) | mean ablation (≥ 0.9) | dead (< 20 %) | L0 at BOS | single documents: L0, variance explained |
|---|---|---|---|---|---|---|---|
{rows}

L0 and variance explained are over {test_positions:,} positions of packed documents, BOS left out; "single
documents" are what a reader types, starting at position 0. Cross-entropy ({cross_entropy:.3f} nats a token
without an SAE) is with the reconstruction at every position, BOS included, against zeros or the mean
residual there. A latent is dead if it fires nowhere in those positions. Biases of {moved} of {latents:,} encoder rows were
moved by at most {shift} after training, so that at the prompts of `scripts/train_demo/cases.py` no
pre-activation is nearer to zero than {margin}: active sets there do not depend on rounding.

## Spread

{spread}

## What the prompts show

{findings}

`metrics.json` has all of it. An attribution is gradient × activation; setting a latent to zero keeps
the SAE's error term.

## contexts.json and contexts/

Beside each SAE: of each latent a label made by counting, and in `contexts/` the documents of a fresh
sample on which it is largest (`scripts/train_demo/contexts.py` has the form and the rules). Labels
describe where a latent fires and which token its decoder row raises; they are no claim about causes.
"""


def row(one: dict) -> str:
    single = one["single_documents"]
    return (
        f"| `{one['hook_name']}` | {one['l0']:.1f} | {one['variance_explained']:.3f}"
        f" | {one['recovered_zero']:.3f} | {one['recovered_mean']:.3f} | {one['dead_share']:.1%}"
        f" | {one['l0_bos']:.1f} | {single['l0']:.1f}, {single['variance_explained']:.3f} |"
    )


def spread(metrics: dict, others: list[dict]) -> str:
    """One line for each other run: its largest distance from the shipped figures."""
    lines = [f"- {note}" for note in metrics.get("notes", [])]
    if not others:
        return "\n".join(["No whole run was repeated.", "", *lines]).strip()
    for other in others:
        distance = {
            key: max(abs(a[key] - b[key]) for a, b in zip(metrics["saes"], other["saes"]))
            for key in BARRED
        }
        facts = other["facts"]["held_out"]
        what = f"seed {other['seed']}, held-out facts {facts:.1%}; "
        if other["saes"] == metrics["saes"] and facts == metrics["facts"]["held_out"]:
            lines.append(f"- {what}every figure the same to the last digit")
            continue
        lines.append(
            f"- {what}largest differences of any layer: L0 {distance['l0']:.1f}, variance explained"
            f" {distance['variance_explained']:.3f}, cross-entropy recovered"
            f" {distance['recovered_zero']:.3f} (mean ablation {distance['recovered_mean']:.3f}),"
            f" dead {distance['dead_share']:.1%}"
        )
    return "Other runs of the same command, against the figures above:\n\n" + "\n".join(lines)


def told(findings: dict) -> str:
    """A few lines for each prompt."""
    lines = []
    for case in CASES:
        found = findings.get(case["name"])
        if found is None:
            continue
        layers = [case[key] for key in ("layer_from", "layer_to", "layer") if key in case]
        place = " → ".join(str(layer) for layer in layers)
        lines.append(f"**{case['kind'].replace('_', ' ')}, layer {place}:** “{case['prompt']}”")
        lines.append("")
        for one in found.get("across_positions", [])[:4]:
            lines.append(
                f"- {one['from']} at “{one['from_token']}” ({one['from_label']}) → {one['to']} at"
                f" “{one['to_token']}” ({one['to_label']}): {one['attribution']:.2f}"
            )
        for one in found.get("sources", [])[:3]:
            lines.append(
                f"- {one['from']} at “{one['from_token']}” ({one['from_label']}):"
                f" {one['attribution']:.2f}"
            )
        if "intervention" in found:
            done = found["intervention"]
            key = "difference" if "difference" in done else "logit"
            lines.append(
                f"- setting {done['set_to_zero']} to zero takes the {key} from {done[key][0]:.2f} to"
                f" {done[key][1]:.2f} and the probability of “{done['token']}” from"
                f" {done['probability'][0]:.3f} to {done['probability'][1]:.3f}"
            )
        lines.append("")
    return "\n".join(lines).strip()


def main() -> None:
    metrics = json.loads((DEMO / "metrics.json").read_text())
    others = [json.loads(Path(path).read_text()) for path in sys.argv[1:]]
    config = json.loads((DEMO / "model/config.json").read_text())
    facts, saes, training = metrics["facts"], metrics["saes"], metrics["training"]
    card = CARD.format(
        n_layer=config["n_layer"], d_model=config["n_embd"], n_head=config["n_head"],
        n_ctx=config["n_ctx"], vocab_size=config["vocab_size"], parameters=metrics["parameters"],
        d_sae=training["d_sae"], facts_n=facts["n"],
        relations=", ".join(r.replace("_", " → ") for r in facts["held_out_by_relation"]),
        stories=training["story_share"], seed=metrics["seed"], minutes=round(sum(metrics["seconds"].values()) / 60),
        torch=metrics["packages"]["torch"], tokenizers=metrics["packages"]["tokenizers"],
        python=metrics["python"],
        **{key: training[key] for key in (
            "sequences_a_step", "tokens", "sae_batch", "test_positions",
        )},
        parts=" + ".join(f"{part['steps']:,}" for part in training["parts"].values()),
        sae_steps="–".join(f"{n:,}" for n in sorted(set(training["sae_steps"]))),
        held_out=facts["held_out"], held_out_n=facts["held_out_n"], trained=facts["trained"],
        trained_n=facts["trained_n"],
        by_relation=", ".join(
            f"{r.replace('_', ' → ')} {share:.1%}"
            for r, share in facts["held_out_by_relation"].items()
        ),
        rows="\n".join(map(row, saes)), cross_entropy=saes[0]["cross_entropy"],
        moved=sum(one["biases_moved"] for one in saes), latents=training["d_sae"] * len(saes),
        shift=f"{max(one['largest_bias_move'] for one in saes):.4f}",
        margin=training["threshold_margin"], spread=spread(metrics, others),
        findings=told(metrics.get("findings", {})),
    )  # fmt: skip
    (DEMO / "README.md").write_text(card, "utf-8")


if __name__ == "__main__":
    main()
