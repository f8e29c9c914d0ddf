"""The kinds of measured.py that run a prompt with something changed: interventions, generation."""

from __future__ import annotations

import torch

import places
from measured_question import forward


def edit_hooks(edits, saes):
    """Hooks that edit latents of the running pass, place by place in the order of computation."""
    hooks = []
    for place in sorted({e["place"] for e in edits}, key=places.order):
        sae, here = saes[place], [e for e in edits if e["place"] == place]
        seen = {}

        def put(value, sae=sae, here=here, seen=seen):
            x = seen.pop("read", value)
            before = sae.encode(x)
            after = before.clone()
            for e in here:
                at = (slice(None), e["pos"], e["latent"])
                after[at] = e["set"] if "set" in e else e["times"] * before[at]
            return value + sae.decode(after, x) - sae.decode(before, x)

        if sae.reads != sae.writes:
            hooks.append((sae.reads, lambda x, seen=seen: seen.update(read=x)))
        hooks.append((sae.writes, put))
    return hooks


def active_of(latents):
    at = torch.argwhere(latents[0] > 0)
    pos, latent = at.T.tolist()
    return {"pos": pos, "latent": latent, "activation": latents[0][latents[0] > 0].tolist()}


def intervention(request, model, saes):
    tokens = model.to_tokens(request["prompt"])
    hooks = edit_hooks(request["edits"], saes)
    _, before = forward(model, tokens)
    _, after = forward(model, tokens, hooks)
    p, q = before[0].log_softmax(-1), after[0].log_softmax(-1)
    observed, margins = [], []
    for place in request["observe"]:
        sae, both = saes[place], []
        for use in ((), hooks):
            seen, _ = forward(model, tokens, use, [sae.reads])
            margins.append(sae.threshold_distances(seen[sae.reads]).min().item())
            both.append(active_of(sae.encode(seen[sae.reads])))
        observed.append({"place": place, "before": both[0], "after": both[1]})
    return {
        "kl": (p.exp() * (p - q)).sum().item(),
        "observed": observed,
        "margin": min(margins, default=None),
        "logits_before": before[0],
        "logits_after": after[0],
    }


def steer_hooks(steer, saes):
    hooks = []
    for s in steer:
        sae = saes[s["place"]]
        row = s["factor"] * sae.sae.W_dec[s["latent"]]

        def put(x, row=row, pos=s.get("pos")):
            added = torch.zeros_like(x)
            added[:, slice(None) if pos is None else pos] = row.reshape(x.shape[2:])
            return x + added

        hooks.append((sae.writes, put))
    return hooks


def greedy(model, tokens, hooks, n):
    """n new tokens, the logits after the prompt, and by how much every token won."""
    new, first, gaps = [], None, []
    for _ in range(n):
        _, logits = forward(model, tokens, hooks)
        first = logits[0] if first is None else first
        best = logits[0].topk(2).values
        gaps.append((best[0] - best[1]).item())
        # argmax names the first of equals.
        new.append(logits[0].argmax().item())
        tokens = torch.cat([tokens, torch.tensor([[new[-1]]])], dim=1)
    return new, first, min(gaps)


def generation(request, model, saes):
    tokens = model.to_tokens(request["prompt"])
    n = request["max_tokens"]
    plain, logits, gap = greedy(model, tokens, [], n)
    steered, steered_logits, steered_gap = greedy(model, tokens, steer_hooks(request["steer"], saes), n)
    return {
        "prompt_tokens": tokens[0].tolist(),
        "tokens": plain,
        "text": model.to_string(torch.tensor(plain)),
        "steered_tokens": steered,
        "steered_text": model.to_string(torch.tensor(steered)),
        "smallest_gap": min(gap, steered_gap),
        "logits": logits,
        "steered_logits": steered_logits,
    }
