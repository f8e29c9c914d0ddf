"""The demo model's byte-level BPE, in the form of GPT-2's tokenizer.json.

Ordinary words and answers become one token each; names are cut into pieces, as GPT-2 cuts
"Eiffel" into " E", "iff", "el". The vocabulary is trained on a text in which ordinary words and
answers are frequent and names are rare, so that of names only what several share is merged.
"""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

import grammar

SPECIAL = "<|endoftext|>"
FREQUENT = 50  # how often ordinary words and answers are written
RARE = 3  # how often names are
MIN_FREQUENCY = 2 * RARE  # a pair of pieces that is rarer is not merged: two names must share it


def corpus(seed: int) -> list[str]:
    rng = random.Random(f"tokenizer {seed}")
    lines = []
    for answers, forms in grammar.TEMPLATES.values():
        for form in forms:
            lines += [re.sub(r"\{.\}", "", form)] * FREQUENT
        # Both as they stand inside a sentence and at its beginning.
        for answer in dict.fromkeys(answers.values()):
            lines += [f" {answer}", answer] * FREQUENT
        lines += [f" {name}" for name in answers] * RARE
    words = list(grammar.STORIES)
    lists = (grammar.SHE, grammar.HE, grammar.PLACES, grammar.THINGS, grammar.FOODS)
    lists += (grammar.COLOURS, grammar.FEELINGS, grammar.WEATHER, ["She", "He", "she", "he"])
    words += [word for words in lists for word in words]
    for word in words:
        word = re.sub(r"\{.*?\}", "", word)
        lines += [f" {word}", word] * FREQUENT
    rng.shuffle(lines)
    return lines


def train(seed: int, vocab_size: int) -> Tokenizer:
    """At most `vocab_size` entries, `<|endoftext|>` included and last."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        corpus(seed),
        trainers.BpeTrainer(
            vocab_size=vocab_size - 1,
            min_frequency=MIN_FREQUENCY,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer.add_special_tokens([SPECIAL])
    for answers, _ in grammar.TEMPLATES.values():
        for answer in set(answers.values()):
            if len(tokenizer.encode(f" {answer}").ids) != 1:
                raise ValueError(f"the answer {answer!r} is not one token")
    return tokenizer


def save(tokenizer: Tokenizer, directory: Path, n_ctx: int) -> None:
    """Writes tokenizer.json as the hub's gpt2 repository has it: merges as "a b", the special
    token in the vocabulary as well."""
    file = json.loads(tokenizer.to_str())
    file["model"]["vocab"][SPECIAL] = tokenizer.token_to_id(SPECIAL)
    file["model"]["merges"] = [" ".join(pair) for pair in file["model"]["merges"]]
    file["model"].update(continuing_subword_prefix="", end_of_word_suffix="")
    # transformers' fast tokenizer would write these too; the others are the library's own.
    file["model"].pop("byte_fallback", None)
    file["model"].pop("ignore_merges", None)
    (directory / "tokenizer.json").write_text(
        json.dumps(file, ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8"
    )
    (directory / "tokenizer_config.json").write_text(json.dumps({"model_max_length": n_ctx}) + "\n")
