"""GPT-2 in PyTorch, with the hub's tensor names, and its training.

Modules are named so that `state_dict()` is the hub's `model.safetensors` as it stands: Conv1D
layout (in, out), gelu_new, LayerNorm epsilon 1e-5, the unembedding tied to `wte`.
"""

from __future__ import annotations

import json
import math
import random
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn


EARLY, EARLY_WEIGHT = (2, 3), 0.5  # after how many blocks, and what each counts


@dataclass(frozen=True)
class Shape:
    vocab_size: int
    n_layer: int = 4
    d_model: int = 128
    n_head: int = 4
    n_ctx: int = 128


class Conv1D(nn.Module):
    def __init__(self, n_in: int, n_out: int, std: float):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_in, n_out) * std)
        self.bias = nn.Parameter(torch.zeros(n_out))

    def forward(self, x):
        return x @ self.weight + self.bias


class Attention(nn.Module):
    def __init__(self, shape: Shape, std: float, std_out: float):
        super().__init__()
        self.n_head = shape.n_head
        self.c_attn = Conv1D(shape.d_model, 3 * shape.d_model, std)
        self.c_proj = Conv1D(shape.d_model, shape.d_model, std_out)

    def forward(self, x):
        batch, seq, d = x.shape
        q, k, v = (
            part.view(batch, seq, self.n_head, -1).transpose(1, 2)
            for part in self.c_attn(x).split(d, dim=-1)
        )
        z = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.c_proj(z.transpose(1, 2).reshape(batch, seq, d))


class Mlp(nn.Module):
    def __init__(self, shape: Shape, std: float, std_out: float):
        super().__init__()
        self.c_fc = Conv1D(shape.d_model, 4 * shape.d_model, std)
        self.c_proj = Conv1D(4 * shape.d_model, shape.d_model, std_out)

    def forward(self, x):
        return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))


class Block(nn.Module):
    def __init__(self, shape: Shape, std: float, std_out: float):
        super().__init__()
        self.ln_1 = nn.LayerNorm(shape.d_model, eps=1e-5)
        self.attn = Attention(shape, std, std_out)
        self.ln_2 = nn.LayerNorm(shape.d_model, eps=1e-5)
        self.mlp = Mlp(shape, std, std_out)

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class Gpt2(nn.Module):
    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        std = 0.5 / math.sqrt(shape.d_model)
        std_out = std / math.sqrt(2 * shape.n_layer)
        self.wte = nn.Embedding(shape.vocab_size, shape.d_model)
        self.wpe = nn.Embedding(shape.n_ctx, shape.d_model)
        self.h = nn.ModuleList(Block(shape, std, std_out) for _ in range(shape.n_layer))
        self.ln_f = nn.LayerNorm(shape.d_model, eps=1e-5)
        nn.init.normal_(self.wte.weight, std=std)
        nn.init.normal_(self.wpe.weight, std=std / 4)

    def embed(self, tokens):
        return self.wte(tokens) + self.wpe.weight[: tokens.shape[1]]

    def blocks(self, x, start: int, stop: int):
        for block in self.h[start:stop]:
            x = block(x)
        return x

    def unembed(self, x):
        return self.ln_f(x) @ self.wte.weight.T

    def forward(self, tokens):
        return self.unembed(self.blocks(self.embed(tokens), 0, self.shape.n_layer))

    def predictions(self, tokens, after: tuple[int, ...]):
        """Logits read off after so many blocks, and at the end."""
        x, start = self.embed(tokens), 0
        for stop in (*after, self.shape.n_layer):
            x = self.blocks(x, start, stop)
            start = stop
            yield self.unembed(x)

    @torch.no_grad()
    def residuals(self, tokens):
        """The centred residual stream entering each block and leaving the last:
        [n_layer + 1, batch, seq, d_model].

        Centred over d_model, as transformer_lens' center_writing_weights makes it. What reads the
        stream starts with a LayerNorm, which centres anyway: a centred residual can be put back.
        """
        x = self.embed(tokens)
        out = [x]
        for block in self.h:
            out.append(block(out[-1]))
        return torch.stack([x - x.mean(-1, keepdim=True) for x in out])


def documents(grammar, tokenizer, rng: random.Random):
    """Token ids of one document after another, for ever."""
    while True:
        texts = ["".join(text for text, _ in grammar.document(rng)) for _ in range(256)]
        yield from (encoding.ids for encoding in tokenizer.encode_batch(texts))


def pack(documents, n_ctx: int, bos: int, count: int) -> torch.Tensor:
    """`count` sequences of whole documents, each after a BOS; what does not fit is cut off."""
    rows = []
    for _ in range(count):
        row = []
        while len(row) < n_ctx:
            row += [bos, *next(documents)]
        rows.append(row[:n_ctx])
    return torch.tensor(rows)


def loss_of(logits, tokens):
    """Mean cross-entropy of the next token; that a document ends counts too."""
    return F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())


def learning_rate(step: int, steps: int, top: float) -> float:
    """A linear warm-up over the first 5 %, then half a cosine to 2 % of `top`."""
    warm = steps // 20
    if step < warm:
        return top * (step + 1) / warm
    return top * (0.02 + 0.49 * (1 + math.cos(math.pi * (step - warm) / (steps - warm))))


def train(model: Gpt2, sequences, steps: int, batch: int, top_rate: float, early: bool, report):
    """Trains on next tokens. `sequences(count)` gives token ids [count, n_ctx].

    early: part of the loss is that of predictions read off after fewer blocks (EARLY), as in
    deeply supervised nets (Lee et al. 2014). Left to itself this small a model looks a fact up in
    its last block, and no SAE before it has anything to show.
    """
    matrices = [p for p in model.parameters() if p.ndim == 2]
    vectors = [p for p in model.parameters() if p.ndim == 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.05}, {"params": vectors, "weight_decay": 0.0}],
        betas=(0.9, 0.98),
    )
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps, top_rate)
        tokens = sequences(batch)
        losses = [loss_of(x, tokens) for x in model.predictions(tokens, EARLY if early else ())]
        loss = losses[-1] + EARLY_WEIGHT * sum(losses[:-1])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 100 == 99:
            shown = ", ".join(f"{x.item():.3f}" for x in losses)
            report(f"step {step + 1}/{steps}: loss {shown}")


@torch.no_grad()
def answer_accuracy(model: Gpt2, prompts: list[list[int]], answers: list[int], bos: int) -> float:
    """Share of the prompts whose most likely next token is the answer."""
    right = 0
    for prompt, answer in zip(prompts, answers):
        right += model(torch.tensor([[bos, *prompt]]))[0, -1].argmax().item() == answer
    return right / len(prompts)


def config(shape: Shape) -> dict:
    """The keys of gpt2/config.json that readers look for. Nothing was dropped out in training."""
    return {
        "activation_function": "gelu_new",
        "architectures": ["GPT2LMHeadModel"],
        "attn_pdrop": 0.0,
        "bos_token_id": shape.vocab_size - 1,
        "embd_pdrop": 0.0,
        "eos_token_id": shape.vocab_size - 1,
        "layer_norm_epsilon": 1e-05,
        "model_type": "gpt2",
        "n_ctx": shape.n_ctx,
        "n_embd": shape.d_model,
        "n_head": shape.n_head,
        "n_layer": shape.n_layer,
        "n_positions": shape.n_ctx,
        "resid_pdrop": 0.0,
        "vocab_size": shape.vocab_size,
    }


def round_to_half(model: Gpt2) -> None:
    """Rounds the weights to what float16 holds: the model that is shipped, and measured."""
    for parameter in model.parameters():
        parameter.data = parameter.data.half().float()


def save(model: Gpt2, directory: Path) -> None:
    (directory / "config.json").write_text(json.dumps(config(model.shape), indent=2) + "\n")
    tensors = {k: v.half().contiguous() for k, v in sorted(model.state_dict().items())}
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
