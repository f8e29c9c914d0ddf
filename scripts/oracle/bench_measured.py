"""Time of ablations in PyTorch: every active latent of a place set to 0, in batches of variants.

    python bench_measured.py FIXTURE [--batch 16] [--repeats 2] [--threads 2]

FIXTURE as `make_fixture.py gpt2-small` makes it. Float32, from the tokens' residual stream at the
source's block on (what lies before is the same in every variant and computed once). Prints seconds
for all latents of block 9 on the 25 largest logits, and of block 0 on block 3's active latents.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import torch

import oracle
from presets import EIFFEL_CITY, EIFFEL_PARIS


FOUND: list[dict] = []


def clean_run(model, sae, tokens):
    residual = model(tokens, stop_at_layer=sae.cfg.hook_layer)
    latents = sae.encode(residual)
    return latents, residual - sae.decode(latents)


def variants(latents, batch):
    """Batches of [batch, pos, d_sae], in each row one active latent at 0."""
    for part in torch.argwhere(latents[0] > 0).split(batch):
        rows = latents.repeat(len(part), 1, 1)
        rows[torch.arange(len(part)), part[:, 0], part[:, 1]] = 0.0
        yield rows


def on_logits(model, sae, tokens, k, batch):
    latents, error = clean_run(model, sae, tokens)
    run = lambda x: model(sae.decode(x) + error, start_at_layer=sae.cfg.hook_layer)[:, -1]
    clean = run(latents)[0]
    top = clean.topk(k).indices
    return torch.cat([clean[top] - run(rows)[:, top] for rows in variants(latents, batch)]).T


def on_latents(model, sae, target, tokens, batch):
    latents, error = clean_run(model, sae, tokens)
    layers = dict(start_at_layer=sae.cfg.hook_layer, stop_at_layer=target.cfg.hook_layer)
    run = lambda x: target.encode(model(sae.decode(x) + error, **layers))
    clean = run(latents)
    at = torch.argwhere(clean[0] > 0).unbind(-1)
    chosen = lambda x: x[:, at[0], at[1]]
    return torch.cat([chosen(clean) - chosen(run(rows)) for rows in variants(latents, batch)]).T


def timed(name, f, repeats):
    f()  # warm
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        out = f()
        seconds.append(time.perf_counter() - start)
    FOUND.append({"name": name, "seconds": statistics.median(seconds)})
    print(f"{name}: {list(out.shape)} {statistics.median(seconds):.2f} s of {[round(s, 2) for s in seconds]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("fixture", type=Path)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="the last line is JSON")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as hf_home, torch.no_grad():
        oracle.stage_hub(args.fixture, Path(hf_home))
        model, saes = oracle.load(args.fixture)
        city, paris = model.to_tokens(EIFFEL_CITY), model.to_tokens(EIFFEL_PARIS)
        print(f"{args.threads} threads, batches of {args.batch}")
        timed("9 -> 25 logits", lambda: on_logits(model, saes[9], city, 25, args.batch), args.repeats)
        timed("0 -> 3", lambda: on_latents(model, saes[0], saes[3], paris, args.batch), args.repeats)
    if args.json:
        print(json.dumps(FOUND))


if __name__ == "__main__":
    main()
