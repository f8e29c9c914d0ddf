"""Standard ReLU sparse autoencoders on the residual stream: training, rounding, measuring.

    f = ReLU((x − b_dec) W_enc + b_enc),   x̂ = f W_dec + b_dec

1. Residuals are divided by one number, so that their median distance from the mean is √d_model,
   and learning rates mean the same at every layer. It is folded back into the weights. Positions
   farther out than twice that count less, by the square of their distance: at the end of the model
   some tokens have residuals many times as long as all others. Decoder rows start at residuals of
   the data and are kept at norm 1, the encoder as their transpose.
2. In the first part only the largest activations of a batch are kept, `l0` a position on average
   (BatchTopK, Bussmann et al. 2024), with an auxiliary loss that gives silent latents what the
   others leave unexplained (Gao et al. 2024). L1 from the start was tried and is far worse here
   within the same number of steps.
3. The threshold that this found goes into b_enc, and an ordinary ReLU SAE trains on: squared error
   plus λ times the L1 norm of f, λ steered so that a position has about `l0` active latents.
4. In the last part λ is gone and only W_dec learns: L1 makes activations too small, and this
   undoes it without changing which latents are active. Norms of its rows go into the encoder.

BOS positions are in the data at their natural frequency, as in the published SAEs of GPT-2. Their
residuals are long and nearly all the same: left to themselves, dozens of latents take part in them.
So latent 0 starts as the direction of BOS and has to do with it alone, and others pay for firing
there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from gpt2 import loss_of

RELU_FROM, REFIT_FROM = 0.6, 0.85  # of the steps
SILENT = 20  # batches after which a latent that has not fired gets the auxiliary loss
AUXILIARY = 1 / 32
STRAY = 5.0  # L1 coefficient of all latents but the first at BOS


@dataclass
class Sae:
    W_enc: torch.Tensor  # [d_in, d_sae]
    b_enc: torch.Tensor  # [d_sae]
    W_dec: torch.Tensor  # [d_sae, d_in]
    b_dec: torch.Tensor  # [d_in]

    def preactivations(self, x):
        return (x - self.b_dec) @ self.W_enc + self.b_enc

    def encode(self, x):
        return F.relu(self.preactivations(x))

    def decode(self, f):
        return f @ self.W_dec + self.b_dec

    def double(self) -> "Sae":
        return Sae(*(t.double() for t in (self.W_enc, self.b_enc, self.W_dec, self.b_dec)))

    def round_to_half(self) -> None:
        """Rounds the matrices to what float16 holds; the biases stay float32."""
        self.W_enc = self.W_enc.half().float()
        self.W_dec = self.W_dec.half().float()


def unit(rows):
    return rows / rows.norm(dim=-1, keepdim=True).clamp_min(1e-12)


def initial(x, is_bos, d_sae: int, rng) -> Sae:
    """Decoder rows at residuals drawn from the data, with noise so that no two are the same; the
    first at that of BOS."""
    words = x[~is_bos]
    mean = words.mean(0)
    drawn = words[torch.randint(len(words), (d_sae,), generator=rng)] - mean
    drawn += 0.3 * torch.randn(drawn.shape, generator=rng)
    drawn[0] = x[is_bos].mean(0) - mean
    W_dec = unit(drawn)
    return Sae(W_dec.T.clone(), torch.zeros(d_sae), W_dec, mean.clone())


def train(x, is_bos, d_sae: int, l0: float, steps: int, batch: int, rate: float, seed: int, report):
    """Trains on residuals x [n, d_in] and returns the SAE with its final λ."""
    rng = torch.Generator().manual_seed(seed)
    d_in = x.shape[1]
    words = x[~is_bos]
    scale = (words - words.mean(0)).norm(dim=-1).median() / d_in**0.5
    x, mean = x / scale, words.mean(0) / scale
    weight = (4 * d_in / (x - mean).square().sum(-1)).clamp(max=1.0)
    del words
    sae = initial(x, is_bos, d_sae, rng)
    parameters = [sae.W_enc, sae.b_enc, sae.W_dec, sae.b_dec]
    for parameter in parameters:
        parameter.requires_grad_()
    adam = torch.optim.Adam(parameters)
    relu_from, refit_from = round(RELU_FROM * steps), round(REFIT_FROM * steps)
    lam, threshold, silent = 1.0, 0.0, torch.zeros(d_sae)

    for step in range(steps):
        if step == relu_from:
            with torch.no_grad():
                sae.b_enc -= threshold
        top_k, refit = step < relu_from, step >= refit_from
        adam.param_groups[0]["lr"] = rate * min(1.0, (step + 1) / 100, 4 * (steps - step) / steps)
        picked = torch.randint(len(x), (batch,), generator=rng)
        target, bos, w = x[picked], is_bos[picked], weight[picked]
        pre = sae.preactivations(target)
        f = F.relu(pre)
        stray = f[bos, 1:].sum() / batch
        if top_k:
            f = f * no_strays(bos, d_sae)
            # The l0 largest a position, from an eighth of the batch: exact selection costs more
            # than the matrix products.
            part = f[: batch // 8].detach().flatten()
            kept = part.topk(round(l0 * batch / 8), sorted=False).values.min()
            threshold = kept if step == 0 else 0.99 * threshold + 0.01 * kept
            f = f * (f >= kept)
        residue = target - sae.decode(f)
        loss = (w * residue.square().sum(-1)).mean() + (0.0 if refit else STRAY * stray)
        dead = silent > SILENT
        if top_k and dead.any():
            left = auxiliary_residue(sae, pre[:, dead], dead, residue.detach())
            loss = loss + AUXILIARY * (w * left.square().sum(-1)).mean()
        elif not top_k and not refit:
            loss = loss + lam * (w * f.sum(-1)).mean()
        adam.zero_grad()
        loss.backward()
        with torch.no_grad():
            if refit:
                sae.W_enc.grad = sae.b_enc.grad = sae.b_dec.grad = None
            else:
                grad = sae.W_dec.grad
                grad -= (grad * sae.W_dec).sum(-1, keepdim=True) * sae.W_dec
            adam.step()
            fires = f > 0
            found = fires.sum(-1).float().mean().item()
            if not refit:
                sae.W_dec.copy_(unit(sae.W_dec))
            if not top_k and not refit:
                # A few parts in a thousand a step, however far off: slow enough to be stable.
                lam *= 1.003 if found > l0 else 1 / 1.003
            silent = torch.where(fires.any(0), 0.0, silent + 1)
        if step % 500 == 499:
            error = (w[:, None] * residue.detach().square()).mean()
            report(
                f"step {step + 1}/{steps}: error {error:.4f}"
                f" L0 {found:.1f} λ {lam:.2f} silent {int(dead.sum())}"
            )

    for parameter in parameters:
        parameter.requires_grad_(False)
    norms = sae.W_dec.norm(dim=-1)
    return Sae(
        sae.W_enc * norms,
        sae.b_enc * norms * scale,
        sae.W_dec / norms[:, None],
        sae.b_dec * scale,
    ), lam


def no_strays(bos, d_sae: int):
    """[batch, d_sae]: 0 for every latent but the first where the position is a BOS, else 1."""
    allowed = torch.ones(len(bos), d_sae)
    allowed[bos, 1:] = 0.0
    return allowed


def auxiliary_residue(sae: Sae, pre, dead, residue):
    """What the 32 strongest silent latents leave of what the others left."""
    values, indices = F.relu(pre).topk(min(32, pre.shape[1]))
    f = torch.zeros_like(pre).scatter(1, indices, values)
    return residue - f @ sae.W_dec[dead]


def clear_of_thresholds(sae: Sae, x, margin: float) -> tuple[int, float]:
    """Moves biases of the encoder a little so that no pre-activation of x [n, d_in] is within
    `margin` of zero: active sets at the prompts that the page offers and the tests check must not
    depend on rounding. Returns how many biases moved, and by how much at most."""
    moved, largest = 0, 0.0
    for latent, column in enumerate(sae.double().preactivations(x.double()).T):
        if len(column) == 0 or column.abs().min() >= margin:
            continue
        shifts = torch.cat([-column + 1.01 * margin, -column - 1.01 * margin])
        for shift in shifts[shifts.abs().argsort()]:
            if (column + shift).abs().min() >= margin:
                sae.b_enc[latent] += shift.float()
                moved, largest = moved + 1, max(largest, abs(shift.item()))
                break
    return moved, largest


# ---------------------------------------------------------------------------------- measuring


@torch.no_grad()
def measure(sae: Sae, x, is_bos) -> dict:
    """On residuals x [n, d_in]. A latent that fires nowhere among them is dead."""
    active = torch.zeros(len(sae.b_enc))
    l0 = bos_l0 = error = 0.0
    for part, bos in zip(x.split(8192), is_bos.split(8192)):
        f = sae.encode(part)
        fires = (f > 0).float()
        active += fires[~bos].sum(0)
        l0 += fires[~bos].sum().item()
        bos_l0 += fires[bos].sum().item()
        error += (sae.decode(f) - part)[~bos].square().sum().item()
    words = x[~is_bos]
    variance = (words - words.mean(0)).square().sum().item()
    return {
        "l0": l0 / len(words),
        "l0_bos": bos_l0 / int(is_bos.sum()),
        "variance_explained": 1 - error / variance,
        "dead_share": (active == 0).float().mean().item(),
    }


@torch.no_grad()
def cross_entropy_recovered(sae: Sae, model, layer: int, tokens, mean) -> dict:
    """Share of the loss, added by ablating the residual at every position, that putting the
    reconstruction there instead takes away."""
    def loss(replace):
        total = 0.0
        for part in tokens.split(32):
            x = model.blocks(model.embed(part), 0, layer)
            x = replace(x - x.mean(-1, keepdim=True))
            logits = model.unembed(model.blocks(x, layer, model.shape.n_layer))
            total += loss_of(logits, part).item() * len(part)
        return total / len(tokens)

    clean = loss(lambda x: x)
    spliced = loss(lambda x: sae.decode(sae.encode(x)))
    zero = loss(torch.zeros_like)
    average = loss(lambda x: mean.expand_as(x))
    return {
        "cross_entropy": clean,
        "cross_entropy_with_sae": spliced,
        "cross_entropy_zero_ablated": zero,
        "cross_entropy_mean_ablated": average,
        "recovered_zero": (zero - spliced) / (zero - clean),
        "recovered_mean": (average - spliced) / (average - clean),
    }


# ------------------------------------------------------------------------------------- saving


def hook_name(layer: int, n_layer: int) -> str:
    return (
        f"blocks.{layer}.hook_resid_pre"
        if layer < n_layer
        else f"blocks.{layer - 1}.hook_resid_post"
    )


def save(sae: Sae, directory: Path, layer: int, n_layer: int, n_ctx: int) -> None:
    """In the hub's layout, with the keys of sae_lens 5's SAEConfig."""
    directory.mkdir(parents=True, exist_ok=True)
    cfg = {
        "architecture": "standard",
        "d_in": len(sae.b_dec),
        "d_sae": len(sae.b_enc),
        "activation_fn_str": "relu",
        "apply_b_dec_to_input": True,
        "finetuning_scaling_factor": False,
        "context_size": n_ctx,
        "model_name": "sae-attribution-demo",
        "hook_name": hook_name(layer, n_layer),
        "hook_layer": min(layer, n_layer - 1),
        "hook_head_index": None,
        "prepend_bos": True,
        "dataset_path": "scripts/train_demo/grammar.py",
        "dataset_trust_remote_code": False,
        "normalize_activations": "none",
        "dtype": "torch.float32",
        "device": "cpu",
        "sae_lens_training_version": None,
        "activation_fn_kwargs": {},
        "neuronpedia_id": None,
        "model_from_pretrained_kwargs": {"center_writing_weights": True},
        "seqpos_slice": [None],
    }
    (directory / "cfg.json").write_text(json.dumps(cfg, indent=2) + "\n")
    tensors = {
        "W_dec": sae.W_dec.half().contiguous(),
        "W_enc": sae.W_enc.half().contiguous(),
        "b_dec": sae.b_dec,
        "b_enc": sae.b_enc,
    }
    save_file(tensors, directory / "sae_weights.safetensors", metadata={"format": "pt"})
