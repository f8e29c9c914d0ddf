"""Train the demo model and its SAEs, measure what is shipped, and fail if it is not good enough.

    python train.py [--out DIR] [--seed N] [--start PART]

Writes DIR/{model,saes,metrics.json} (default: www/models/demo); README.md here tells the steps.
Every figure is measured on the weights as they are stored, on text drawn anew from the grammar. One
thread a process, so that the order of sums, and with it every figure, does not depend on how many
cores the machine has; the SAEs are trained two at a time.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import random
import sys
import time
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors.torch import load_file

import contexts
import gpt2
import sae
import tokenizer as bpe
from cases import CASES, layers_of
from grammar import STORY_SHARE, TEMPLATES, Grammar, asks

ROOT = Path(__file__).resolve().parents[2]

VOCAB_SIZE = 4096  # at most; the corpus has fewer pairs worth merging
GPT2_BATCH = 16
# Of the model's training: what text, whether predictions in the middle count, steps, learning rate.
PARTS = {
    "first": ("documents", False, 3000, 3e-3),
    "second": ("more documents", True, 800, 1.5e-3),
}
D_SAE, SAE_BATCH, SAE_RATE = 1024, 512, 2e-3
# By layer. Sparser than this, the last one's residuals leave too many latents dead.
SAE_STEPS = (6500, 6500, 6500, 6500, 7000)
TARGET_L0 = (12.0, 17.0, 16.0, 14.0, 22.0)
MARGIN = 2e-3  # of every pre-activation from its threshold, at the prompts of cases.py

# Sequences of packed documents and single documents to train the SAEs on; as many again, fresh,
# to measure them.
TRAIN_SEQUENCES, TRAIN_DOCUMENTS = 2500, 10000
TEST_SEQUENCES = 800
LOSS_SEQUENCES = 256
SAMPLE_DOCUMENTS = 6000  # for labels and contexts


def set_up() -> None:
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    # What deterministic mode fills for debugging, at a seventh of the time.
    torch.utils.deterministic.fill_uninitialized_memory = False


class Language:
    """Grammar, tokenizer and endless text, all from one seed."""

    def __init__(self, seed: int):
        self.seed = seed
        self.grammar = Grammar(seed)
        self.tokenizer = bpe.train(seed, VOCAB_SIZE)
        self.bos = self.tokenizer.token_to_id(bpe.SPECIAL)

    def rng(self, use: str) -> random.Random:
        return random.Random(f"{use} {self.seed}")

    def sequences(self, use: str, n_ctx: int):
        documents = gpt2.documents(self.grammar, self.tokenizer, self.rng(use))
        return lambda count: gpt2.pack(documents, n_ctx, self.bos, count)

    def questions(self, said) -> tuple[list[list[int]], list[int]]:
        """Prompts and the one token that answers each."""
        prompts = [self.tokenizer.encode(fact.prompt).ids for fact in said]
        answers = [self.tokenizer.encode(f" {fact.answer}").ids for fact in said]
        return prompts, [answer for (answer,) in answers]


def train_model(language: Language, model, part: str, out: Path, say) -> None:
    """One part of the model's training; stores the result, rounded."""
    text, early, steps, rate = PARTS[part]
    start = time.time()
    torch.manual_seed(language.seed)
    model = model or gpt2.Gpt2(gpt2.Shape(language.bos + 1))
    sequences = language.sequences(text, model.shape.n_ctx)
    gpt2.train(model.requires_grad_(True), sequences, steps, GPT2_BATCH, rate, early, say)
    gpt2.round_to_half(model)
    out.mkdir(parents=True, exist_ok=True)
    gpt2.save(model, out)
    (out / "seconds.json").write_text(json.dumps(round(time.time() - start)))
    held_out = language.questions(language.grammar.held_out)
    say(f"held-out facts {gpt2.answer_accuracy(model.eval(), *held_out, language.bos):.4f}")


def load_model(directory: Path) -> gpt2.Gpt2:
    config = json.loads((directory / "config.json").read_text())
    shape = gpt2.Shape(
        config["vocab_size"], config["n_layer"], config["n_embd"], config["n_head"], config["n_ctx"]
    )
    model = gpt2.Gpt2(shape)
    weights = load_file(directory / "model.safetensors")
    model.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    return model.eval().requires_grad_(False)


def flat_residuals(model, tokens) -> torch.Tensor:
    """[n_layer + 1, positions, d_model]"""
    return torch.cat([model.residuals(part).flatten(1, 2) for part in tokens.split(64)], dim=1)


def training_residuals(language: Language, model):
    """Residuals and whether they are a BOS's. Packed sequences are what the model was trained on;
    single documents are what a reader types, and few of the former's positions."""
    tokens = language.sequences("SAE training", model.shape.n_ctx)(TRAIN_SEQUENCES)
    single = contexts.Sample(
        language.grammar, language.tokenizer, language.rng("SAE documents"), language.bos,
        TRAIN_DOCUMENTS,
    )  # fmt: skip
    x = torch.cat([flat_residuals(model, tokens), single.residuals(model)], dim=1)
    is_bos = torch.cat([tokens.flatten(), torch.tensor(single.token)]) == language.bos
    return x, is_bos


def train_sae(task):
    """One layer, in a process of its own. Arrays come in a file: they are hundreds of MB."""
    layer, seed, work = task
    set_up()
    saved = torch.load(work / f"residuals.{layer}.pt", weights_only=True)
    report = lambda line: print(f"  layer {layer}: {line}", flush=True)
    return sae.train(
        saved["x"], saved["is_bos"], D_SAE, TARGET_L0[layer], SAE_STEPS[layer], SAE_BATCH, SAE_RATE,
        1000 * seed + layer, report,
    )  # fmt: skip


def train_saes(language: Language, model, work: Path):
    x, is_bos = training_residuals(language, model)
    layers = range(len(x))
    for layer in layers:
        torch.save({"x": x[layer].clone(), "is_bos": is_bos}, work / f"residuals.{layer}.pt")
    del x
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        tasks = [(layer, language.seed, work) for layer in layers]
        trained = pool.map(train_sae, tasks, chunksize=1)
    for layer in layers:
        (work / f"residuals.{layer}.pt").unlink()
    return trained


def prompt_residuals(language: Language, model, layer: int):
    """Residuals of all prompts that are offered or tested at this layer: [positions, d_model]."""
    model = model.double()
    rows = [torch.empty(0, model.shape.d_model)]
    for prompt in dict.fromkeys(case["prompt"] for case in CASES if layer in layers_of(case)):
        tokens = torch.tensor([[language.bos, *language.tokenizer.encode(prompt).ids]])
        rows.append(model.residuals(tokens)[layer, 0])
    model.float()
    return torch.cat(rows)


def centred_unembedding(model):
    """W_U of transformer_lens: the last LayerNorm's gain folded in, rows and columns centred."""
    unembedding = model.wte.weight * model.ln_f.weight
    unembedding = unembedding - unembedding.mean(1, keepdim=True)
    return (unembedding - unembedding.mean(0)).T


def finish_saes(language: Language, model, trained, out: Path) -> list[dict]:
    """Rounds, measures and writes every SAE and its contexts."""
    n_layer, n_ctx = model.shape.n_layer, model.shape.n_ctx
    tokens = language.sequences("SAE test", n_ctx)(TEST_SEQUENCES)
    x, is_bos = flat_residuals(model, tokens), tokens.flatten() == language.bos
    sample = contexts.Sample(
        language.grammar, language.tokenizer, language.rng("contexts"), language.bos,
        SAMPLE_DOCUMENTS,
    )  # fmt: skip
    sample_x, sample_bos = sample.residuals(model), torch.tensor(sample.token) == language.bos
    unembedding = centred_unembedding(model)
    measured = []
    for layer, (one, lam) in enumerate(trained):
        one.round_to_half()
        prompts = prompt_residuals(language, model, layer)
        moved, largest = sae.clear_of_thresholds(one, prompts, MARGIN)
        name = sae.hook_name(layer, n_layer)
        directory = out / name
        sae.save(one, directory, layer, n_layer, n_ctx)
        found = contexts.collect(one, sample, sample_x[layer], unembedding, name)
        contexts_bytes = contexts.save(found, directory)
        alone = sae.measure(one, sample_x[layer], sample_bos)
        mean = x[layer][~is_bos].mean(0)
        measured.append({
            "hook_name": name,
            **sae.measure(one, x[layer], is_bos),
            **sae.cross_entropy_recovered(one, model, layer, tokens[:LOSS_SEQUENCES], mean),
            "single_documents": {k: alone[k] for k in ("l0", "l0_bos", "variance_explained")},
            "l1_coefficient": lam,
            "biases_moved": moved,
            "largest_bias_move": largest,
            "contexts_bytes": contexts_bytes,
        })  # fmt: skip
    return measured


def accuracies(language: Language, model) -> dict:
    held_out = language.grammar.held_out
    trained = [f for said in language.grammar.training.values() for f in said]
    trained = [f for f in trained if asks(f.relation, f.template)]
    trained = language.rng("accuracy").sample(trained, 1000)
    score = lambda said: gpt2.answer_accuracy(model, *language.questions(said), language.bos)
    return {
        "n": sum(len(answers) for answers, _ in TEMPLATES.values()),
        "held_out": score(held_out),
        "held_out_n": len(held_out),
        "held_out_by_relation": {
            relation: score([fact for fact in held_out if fact.relation == relation])
            for relation in TEMPLATES
        },
        "trained": score(trained),
        "trained_n": len(trained),
    }


def missed(metrics: dict) -> list[str]:
    """The bars, and what is below them."""
    bars = [("held-out facts", metrics["facts"]["held_out"], 0.95, 1.0)]
    for one in metrics["saes"]:
        for key, low, high in (
            ("l0", 5, 40),
            ("variance_explained", 0.9, 1),
            ("recovered_zero", 0.9, 1.01),
            ("recovered_mean", 0.9, 1.01),
            ("dead_share", 0, 0.2),
        ):
            bars.append((f"{one['hook_name']} {key}", one[key], low, high))
    return [
        f"{what}: {x:.4f} is not within {low} to {high}"
        for what, x, low, high in bars
        if not low <= x <= high
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "www/models/demo")
    parser.add_argument("--work", type=Path, default=ROOT / "target/train_demo")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--start",
        choices=("first", "second", "saes"),
        default="first",
        help="the part to begin with; those before it are taken from an earlier run",
    )
    args = parser.parse_args()
    set_up()
    start = time.time()
    say = lambda line: print(f"{time.time() - start:6.0f} s  {line}", flush=True)
    args.work.mkdir(parents=True, exist_ok=True)
    (args.out / "model").mkdir(parents=True, exist_ok=True)

    language = Language(args.seed)
    first, second = (args.work / f"seed.{args.seed}" / part for part in PARTS)
    if args.start == "first":
        train_model(language, None, "first", first, say)
    if args.start != "saes":
        train_model(language, load_model(first), "second", second, say)
    model = load_model(second)
    gpt2.save(model, args.out / "model")
    bpe.save(language.tokenizer, args.out / "model", model.shape.n_ctx)
    facts = accuracies(language, model)
    say(f"held-out facts {facts['held_out']:.4f}, trained facts {facts['trained']:.4f}")
    took = {d.name: json.loads((d / "seconds.json").read_text()) for d in (first, second)}
    began = time.time()
    trained = train_saes(language, model, args.work)
    say("SAEs trained")
    measured = finish_saes(language, model, trained, args.out / "saes")

    metrics = {
        "seed": args.seed,
        "packages": {p: version(p) for p in ("torch", "tokenizers", "safetensors", "numpy")},
        "python": platform.python_version(),
        "seconds": took | {"saes": round(time.time() - began)},
        "training": {
            "tokens": sum(part[2] for part in PARTS.values()) * GPT2_BATCH * model.shape.n_ctx,
            "parts": {
                name: {"steps": part[2], "learning_rate": part[3]} for name, part in PARTS.items()
            },
            "sequences_a_step": GPT2_BATCH,
            "story_share": STORY_SHARE,
            "d_sae": D_SAE,
            "sae_steps": SAE_STEPS,
            "sae_batch": SAE_BATCH,
            "sae_learning_rate": SAE_RATE,
            "sae_target_l0": TARGET_L0,
            "threshold_margin": MARGIN,
            "test_positions": TEST_SEQUENCES * model.shape.n_ctx,
        },
        "parameters": sum(p.numel() for p in model.parameters()),
        "facts": facts,
        "saes": measured,
    }
    (args.out / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")
    for one in measured:
        say(
            f"{one['hook_name']}: L0 {one['l0']:.1f} (BOS {one['l0_bos']:.1f}), variance explained"
            f" {one['variance_explained']:.4f}, cross-entropy recovered {one['recovered_zero']:.4f}"
            f" (mean {one['recovered_mean']:.4f}), dead {one['dead_share']:.1%}"
        )
    problems = missed(metrics)
    for problem in problems:
        say(f"MISSED {problem}")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
