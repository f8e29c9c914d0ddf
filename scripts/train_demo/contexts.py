"""Beside each SAE a short label of every latent, and where it fires.

`contexts.json`, which a page reads first, has the labels:

    {"format_version": 2, "hook_name": …, "d_sae": …, "latents_per_file": 64,
     "labels": {"17": …}}

`contexts/N.json` has the texts of the latents from N × latents_per_file on, as many as that:

    {"format_version": 2,
     "sentences": [["<|endoftext|>", "The", " E", …], …],
     "latents": {"17": {"max": …, "density": …,
                        "top": [[sentence, [[position, activation], …]], …]}}}

Sentences are whole documents and shared by the latents of a file; "top" holds up to four, the
largest activation first, with every position where the latent is active. To keep the files small
they come from the first SHOWN documents of the sample; the document with the latent's largest
activation of all comes in where those hold fewer than two. Everything else is counted over the
whole sample. Latents that fire nowhere in it are absent, and so is a file that would have none.

Labels are made by counting where a latent is at least STRONG of its largest activation, weighted by
activation: the tokens a latent fires on, the token before
where that is always the same, the fact that the sentence tells, and the token whose logit its
decoder row raises most, where that token does follow. They describe the sample, not a cause.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from grammar import TEMPLATES

TOP = 4
SHOWN = 500
SHOWN_TOKENS = 3
STRONG = 0.4
FORMAT_VERSION = 2
LATENTS_PER_FILE = 64


class Sample:
    """Documents, flattened to one position after another, with what labels are made of."""

    def __init__(self, grammar, tokenizer, rng, bos: int, count: int):
        self.display = [tokenizer.decode([i], skip_special_tokens=False) for i in range(bos + 1)]
        self.documents: list[list[int]] = []
        self.relations = list(TEMPLATES)
        self.answers: list[str] = []
        document, pos, relation, answer = [], [], [], []
        seen = set()
        while len(self.documents) < count:
            parts = grammar.document(rng)
            ids, facts = [bos], [None]
            for text, fact in parts:
                part = tokenizer.encode(text).ids
                ids += part
                facts += [fact] * len(part)
            if tuple(ids) in seen:
                continue
            seen.add(tuple(ids))
            document += [len(self.documents)] * len(ids)
            pos += range(len(ids))
            relation += [self.relations.index(f.relation) if f else -1 for f in facts]
            answer += [self.answer_index(f.answer) if f else -1 for f in facts]
            self.documents.append(ids)
        self.document, self.pos = np.array(document), np.array(pos)
        self.relation, self.answer = np.array(relation), np.array(answer)
        self.token = np.concatenate(self.documents)
        same = np.append(self.document[1:] == self.document[:-1], False)
        self.following = np.where(same, np.roll(self.token, -1), bos)
        self.before = np.where(self.pos > 0, np.roll(self.token, 1), -1)

    def answer_index(self, answer: str) -> int:
        if answer not in self.answers:
            self.answers.append(answer)
        return self.answers.index(answer)

    @torch.no_grad()
    def residuals(self, model) -> torch.Tensor:
        """[n_layer + 1, positions, d_model]. Documents stand alone, as prompts on the page do."""
        out = []
        for start in range(0, len(self.documents), 256):
            part = self.documents[start : start + 256]
            longest = max(map(len, part))
            tokens = torch.tensor([ids + [0] * (longest - len(ids)) for ids in part])
            # What stands to the right of a position does not reach it: padding needs no mask.
            real = torch.tensor([[i < len(ids) for i in range(longest)] for ids in part])
            out.append(model.residuals(tokens)[:, real])
        return torch.cat(out, dim=1)


def quoted(text: str) -> str:
    return f"“{text}”"


def leader(values, weights) -> tuple[int, float]:
    """The value (≥ 0) with the largest weight, and its share of all; (-1, 0) if there is none."""
    known = values >= 0
    if not known.any():
        return -1, 0.0
    total = np.bincount(values[known], weights[known])
    return int(total.argmax()), total.max() / weights.sum()


def fires_on(sample: Sample, at, weights) -> str:
    token = sample.token[at]
    total = np.bincount(token, weights)
    order = total.argsort()[::-1][:SHOWN_TOKENS]
    shares = total[order] / weights.sum()
    name = lambda i: quoted(sample.display[i])
    if shares[0] >= 0.8:
        before, share = leader(sample.before[at], weights)
        if share >= 0.8 and sample.display[before] != "<|endoftext|>":
            return f"{name(order[0])} after {name(before)}"
        return name(order[0]) + (" at the start" if share >= 0.8 else "")
    pos, share = leader(sample.pos[at], weights)
    if share >= 0.8 and shares[0] < 0.5:
        return f"position {pos}"
    before, share = leader(sample.before[at], weights)
    if share >= 0.8:
        return f"after {name(before)}"
    names = ", ".join(name(i) for i, share in zip(order, shares) if share >= 0.03)
    if not names:
        return "many tokens"
    return names if shares.sum() >= 0.95 else f"{names}…"


def tells_about(sample: Sample, at, weights) -> str:
    """The answer or the relation that the sentences share."""
    answer, share = leader(sample.answer[at], weights)
    if share >= 0.7:
        return f"in facts about {sample.answers[answer]}"
    relation, share = leader(sample.relation[at], weights)
    return f"in {sample.relations[relation].replace('_', ' → ')}" if share >= 0.9 else ""


def predicts(sample: Sample, at, weights, effect) -> str:
    """The token that the decoder row raises most, if it stands out and often comes next; or the
    one that nearly always comes next."""
    top = int(effect.argmax())
    stands_out = (effect[top] - effect.mean()) / effect.std() > 4
    following, share = leader(sample.following[at], weights)
    if stands_out and following == top and share >= 0.3:
        return f"predicts {quoted(sample.display[top])}"
    return f"before {quoted(sample.display[following])}" if share >= 0.8 else ""


def label(sample: Sample, at, weights, effect) -> str:
    on, about = fires_on(sample, at, weights), tells_about(sample, at, weights)
    then = predicts(sample, at, weights, effect)
    if about and on == quoted(" " + about.removeprefix("in facts about ")):
        about = ""  # it fires on the answer itself
    parts = [on, about, then]
    if then and on.endswith(("…", "many tokens")):
        parts = [then, f"on {on}", about]  # what comes next says more
    return "; ".join(part for part in parts if part)


def rounded(x: float) -> float:
    return float(f"{x:.3g}")


def collect(sae, sample: Sample, x, unembedding, hook_name: str) -> dict:
    """What save writes.

    x: [positions, d_model], the sample's residuals; unembedding: [d_model, vocab], centred.
    """
    effects = (sae.W_dec @ unembedding).numpy()
    acts = sae.encode(x).numpy()
    words = int((sample.pos > 0).sum())
    sentences: dict[int, int] = {}
    latents = {}
    for latent in range(acts.shape[1]):
        at = np.flatnonzero(acts[:, latent])
        if len(at) == 0:
            continue
        weights = acts[at, latent]
        strong = weights >= STRONG * weights.max()
        # Documents by their largest activation.
        order = at[weights.argsort(kind="stable")[::-1]]
        ranked = list(dict.fromkeys(sample.document[order].tolist()))
        chosen = [document for document in ranked if document < SHOWN][:TOP]
        if len(chosen) < 2:
            chosen = list(dict.fromkeys([ranked[0], *chosen]))
        top = []
        for document in chosen:
            where = at[sample.document[at] == document]
            top.append([
                sentences.setdefault(document, len(sentences)),
                [[int(sample.pos[i]), rounded(acts[i, latent])] for i in where],
            ])
        latents[str(latent)] = {
            "label": label(sample, at[strong], weights[strong], effects[latent]),
            "max": rounded(weights.max()),
            "density": rounded((sample.pos[at] > 0).sum() / words),
            "top": top,
        }
    return {
        "hook_name": hook_name,
        "d_sae": acts.shape[1],
        "sentences": [[sample.display[i] for i in sample.documents[d]] for d in sentences],
        "latents": latents,
    }


def save(found: dict, directory: Path) -> int:
    """Writes what was collected, in place of what is there; returns the bytes of all files."""
    folder = directory / "contexts"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.json"):
        old.unlink()
    labels, parts = {}, {}
    for latent, one in found["latents"].items():
        labels[latent] = one["label"]
        places, latents = parts.setdefault(int(latent) // LATENTS_PER_FILE, ({}, {}))
        top = [[places.setdefault(i, len(places)), active] for i, active in one["top"]]
        latents[latent] = {"max": one["max"], "density": one["density"], "top": top}
    written = write(directory / "contexts.json", {
        "hook_name": found["hook_name"],
        "d_sae": found["d_sae"],
        "latents_per_file": LATENTS_PER_FILE,
        "labels": labels,
    })  # fmt: skip
    for n, (places, latents) in parts.items():
        sentences = [found["sentences"][i] for i in places]
        written += write(folder / f"{n}.json", {"sentences": sentences, "latents": latents})
    return written


def write(path: Path, content: dict) -> int:
    content = {"format_version": FORMAT_VERSION, **content}
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return path.write_bytes(f"{text}\n".encode())
