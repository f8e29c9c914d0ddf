"""The kinds of measured.py that ask what sources do to targets; each takes a Question."""

from __future__ import annotations

import torch

from measured_question import Run


def with_one_changed(q, columns=None):
    """[n, sources]: the clean values, in each row one of them at 0, or as in the patch run."""
    values = q.x.repeat(len(q.x), 1)
    values.diagonal().copy_(q.x0)
    return values if columns is None else values[columns]


def ablations(q):
    gradients = q.gradients()
    clean = q.measure(q.x[None], q.e)
    return {
        **q.describe(),
        "ablations": (clean - q.measure_all(with_one_changed(q), q.e)).T,
        "attributions": gradients * (q.x - q.x0),
    }


def on_the_way(q, steps):
    """The sources' values and the error at every alpha."""
    return [(q.x0 + a * (q.x - q.x0), q.e0 + a * (q.e - q.e0)) for a in (k / steps for k in range(steps))]


def per_position(products):
    """[targets, 1, pos, ...] summed to [targets, pos]."""
    return products.flatten(3).sum(-1)[:, 0]


def integrate(q, steps):
    of_latents, of_error = 0, 0
    for x, e in on_the_way(q, steps):
        g, h = q.gradients(x, e, of_error=True)
        of_latents, of_error = of_latents + g / steps, of_error + h / steps
    return of_latents * (q.x - q.x0), per_position(of_error * (q.e - q.e0))


def integrated(q):
    attributions, of_error = integrate(q, q.request["steps"])
    clean, baseline = q.measure(q.x[None], q.e)[0], q.measure(q.x0[None], q.e0)[0]
    gap = attributions.sum(1) + of_error.sum(1) - (clean - baseline)
    return {
        **q.describe(),
        "baseline": baseline.tolist(),
        "gap": gap.tolist(),
        "attributions": attributions,
        "error_attribution": of_error,
    }


def frozen(q):
    gradients = q.gradients(held=q.held())
    factor = 1 if q.from_tokens else q.x - q.x0
    return {**q.describe(), "gradients": gradients, "attributions": gradients * factor}


def completeness(q):
    held = q.held() if q.request.get("frozen") else None
    g, h = q.gradients(held=held, of_error=True)
    latents, error = (g * q.x).sum(1), per_position(h * q.e)
    clean = q.measure(q.x[None], q.e)[0]
    return {
        **q.describe(),
        "latents": latents.tolist(),
        "error": error,
        "remainder": (clean - latents - error.sum(1)).tolist(),
    }


def attributions_by(q, method):
    match method:
        case "gradient":
            return q.gradients() * (q.x - q.x0)
        case "integrated":
            return integrate(q, q.request["steps"])[0]
        case "ablation":
            return ablations(q)["ablations"]


def curve_sets(q, order, ns):
    """[ns, sources] each: the n first at clean and the rest changed, and the reverse."""
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order))
    first = rank[None] < torch.tensor(ns)[:, None]
    return torch.where(first, q.x, q.x0), torch.where(first, q.x0, q.x)


def curves(q):
    sizes = attributions_by(q, q.request["method"])[0].abs()
    order = sizes.argsort(descending=True, stable=True)
    n = len(order)
    ns = [k for k in q.request["ns"] if k < n] + [n]
    ranked = sizes[order]
    gaps = [(ranked[k - 1] - ranked[k]).item() / ranked[0].item() for k in ns if 0 < k < n]
    keep, remove = curve_sets(q, order, ns)
    out = {
        **q.describe(),
        "order": order.tolist(),
        "ns": ns,
        # Of neighbours in order between which a set ends, over the largest.
        "smallest_gap": min(gaps),
        "f_clean": q.measure(q.x[None], q.clean.error)[0, 0].item(),
    }
    for name, (e, _) in errors_of(q).items():
        out[name] = {
            "f_keep": q.measure_all(keep, e)[:, 0].tolist(),
            "f_remove": q.measure_all(remove, e)[:, 0].tolist(),
            "f_empty": q.measure(q.x0[None], e)[0, 0].item(),
        }
    return out


def errors_of(q):
    """What stands in for the error in all runs of a curve but the clean one."""
    patched = "patch" in q.request
    without = Run(q.model, q.model.to_tokens(q.request["patch"]), q.source).error if patched else None
    if without is None:
        without = torch.zeros_like(q.clean.error)
    return {"error_keep": (q.clean.error, True), "error_omit": (without, False)}
