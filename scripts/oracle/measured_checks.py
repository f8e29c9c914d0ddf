"""What measured.py computes, computed by other means: SAELens with its SAEs spliced into the model
and use_error_term, autograd with detached scales, numpy on the unprocessed weights.

Every check gives the largest difference over the largest value, and fails over TOLERANCE.
SAELens splices no SAE in that writes where it does not read: of transcoders, ablations, curves and
interventions are checked by numpy alone.
"""

from __future__ import annotations

import torch

import measured_kinds as kinds
import measured_numpy
import measured_passes as passes
from measured_question import is_held

TOLERANCE = 1e-9


def difference(got, want):
    got, want = (torch.as_tensor(x, dtype=torch.float64).detach() for x in (got, want))
    if want.numel() == 0:
        return 0.0
    return (got - want).abs().max().item() / max(want.abs().max().item(), 1e-3)


def acts_post(sae):
    return f"{sae.cfg.hook_name}.hook_sae_acts_post"


def can_splice(*saes):
    return all(sae.reads == sae.writes for sae in saes)


# ---------------------------------------------------------------- SAELens, and autograd on it


def spliced(q, latents, error):
    """F, [targets], with the source's SAE in the model and its activations replaced.

    error: "keep", which SAELens computes itself; or what is added behind the SAE.
    """
    source = q.source.sae
    seen = {}
    hooks = [(acts_post(q.source), lambda x, hook: latents.expand_as(x))]
    if not isinstance(error, str):
        hooks.append((f"{source.cfg.hook_name}.hook_sae_output", lambda x, hook: x + error))
    saes = [source]
    if q.target:
        saes.append(q.target.sae)
        hooks.append((acts_post(q.target), lambda x, hook: seen.update(x=x)))
    source.use_error_term = isinstance(error, str)
    logits = q.model.run_with_hooks_with_saes(q.tokens, saes=saes, fwd_hooks=hooks)[0, -1]
    source.use_error_term = False
    if q.target:
        return seen["x"][0, q.to[:, 0], q.to[:, 1]]
    ids = q.ids
    return (logits[ids[0]] - logits[ids[1]])[None] if "logit_difference" in q.request["to"] else logits[ids]


def some(n, most):
    return sorted({round(i * (n - 1) / max(1, most - 1)) for i in range(min(n, most))})


def splices(q):
    return not q.from_tokens and can_splice(q.source, *([q.target] if q.target else []))


def kept_error(q):
    return torch.zeros_like(q.e) if q.omits else "keep"


def check_ablations(q, expected, most):
    out = {}
    columns = some(len(q.x), most)
    values = kinds.with_one_changed(q, columns)
    got = expected["ablations"][:, columns]
    if splices(q):
        run = lambda x: spliced(q, q.latents(x[None]), kept_error(q))
        clean = run(q.x)
        out["saelens"] = difference(got, torch.stack([clean - run(x) for x in values], 1))
    return out


def check_integrated(q, expected):
    """The sums over alpha once more, by autograd through SAELens, for some targets."""
    if not splices(q):
        return {}
    targets = some(len(expected["gap"]), 3)
    steps = q.request["steps"]
    of_latents = of_error = 0
    with torch.enable_grad():
        for x, e in kinds.on_the_way(q, steps):
            x, e = x.clone().requires_grad_(), e.clone().requires_grad_()
            f = spliced(q, q.latents(x[None]), e)
            pairs = [torch.autograd.grad(f[i], (x, e), retain_graph=True) for i in targets]
            of_latents = of_latents + torch.stack([p[0] for p in pairs]) / steps
            of_error = of_error + torch.stack([p[1] for p in pairs]) / steps
    changed = q.e - q.e0
    return {
        "saelens": difference(expected["attributions"][targets], of_latents * (q.x - q.x0)),
        "saelens_error": difference(
            expected["error_attribution"][targets], (of_error * changed).flatten(3).sum(-1)[:, 0]
        ),
    }


def check_frozen(q, gradients):
    """Autograd, one target at a time, with patterns and scales detached, and central differences with
    them put in."""
    targets = some(len(gradients), 4)
    names = [n for n in q.model.hook_dict if is_held(n)]
    x = q.x.clone().requires_grad_()
    with torch.enable_grad(), q.model.hooks([(n, lambda v, hook: v.detach()) for n in names]):
        f = q.measure(x[None], q.e)[0]
        want = torch.stack([torch.autograd.grad(f[i], x, retain_graph=True)[0] for i in targets])
    out = {"autograd": difference(gradients[targets], want)}
    columns = some(len(q.x), 8)
    step = 1e-5 * torch.eye(len(q.x), dtype=q.x.dtype)[columns]
    held = q.held()
    with torch.no_grad():
        ends = [q.measure(q.x + sign * step, q.e, held) for sign in (1, -1)]
    # Not exact: of the order of the step, squared, and rounding over it.
    out["differences"] = difference(gradients[:, columns], ((ends[0] - ends[1]) / 2e-5).T)
    return out


def check_completeness(q, expected):
    """Both sums and what remains, by autograd with detached patterns and scales where they are held."""
    targets = some(len(expected["latents"]), 4)
    names = [n for n in q.model.hook_dict if is_held(n)] if q.request.get("frozen") else []
    x, e = q.x.clone().requires_grad_(), q.e.clone().requires_grad_()
    with torch.enable_grad(), q.model.hooks([(n, lambda v, hook: v.detach()) for n in names]):
        f = q.measure(x[None], e)[0]
        pairs = [torch.autograd.grad(f[i], (x, e), retain_graph=True) for i in targets]
    latents = torch.stack([g @ q.x for g, _ in pairs])
    error = torch.stack([(h * q.e).flatten(2).sum(-1)[0] for _, h in pairs])
    chosen = lambda key: torch.tensor(expected[key], dtype=torch.float64)[targets]
    return {
        "latents": difference(chosen("latents"), latents),
        "error": difference(expected["error"][targets], error),
        "remainder": difference(chosen("remainder"), f.detach()[targets] - latents - error.sum(1)),
    }


def check_curves(q, expected):
    """Both curves of both rules for the error by SAELens."""
    if not splices(q):
        return {}
    sets = kinds.curve_sets(q, torch.tensor(expected["order"]), expected["ns"])
    worst = 0.0
    for rule, (e, keeps) in kinds.errors_of(q).items():
        for name, values in zip(("f_keep", "f_remove"), sets):
            run = [spliced(q, q.latents(x[None]), "keep" if keeps else e) for x in values]
            worst = max(worst, difference(expected[rule][name], torch.cat(run)))
    clean = q.model(q.tokens)[0, -1]
    ids = q.ids
    plain = clean[ids[0]] - clean[ids[1]]
    return {"saelens": worst, "plain_model": difference(expected["f_clean"], plain)}


def check_intervention(request, expected, model, saes):
    edited = {e["place"] for e in request["edits"]}
    attached = [saes[name] for name in {*edited, *request["observe"]}]
    if not can_splice(*[saes[name] for name in edited]):
        return {}
    attached = [sae for sae in attached if sae.reads == sae.writes]
    seen, hooks = {}, []
    for place in edited:

        def put(acts, hook, here=[e for e in request["edits"] if e["place"] == place]):
            acts = acts.clone()
            for e in here:
                at = (0, e["pos"], e["latent"])
                acts[at] = e["set"] if "set" in e else e["times"] * acts[at]
            return acts

        hooks.append((acts_post(saes[place]), put))
    for place in request["observe"]:
        if can_splice(saes[place]):
            hooks.append((acts_post(saes[place]), lambda x, hook, p=place: seen.update({p: x})))
    for sae in attached:
        sae.sae.use_error_term = True
    tokens = model.to_tokens(request["prompt"])
    logits = model.run_with_hooks_with_saes(tokens, saes=[s.sae for s in attached], fwd_hooks=hooks)
    for sae in attached:
        sae.sae.use_error_term = False
    out = {"saelens": difference(expected["logits_after"], logits[0, -1])}
    for o in expected["observed"]:
        if o["place"] in seen:
            got = passes.active_of(seen[o["place"]])
            assert [got["pos"], got["latent"]] == [o["after"]["pos"], o["after"]["latent"]], o["place"]
            out[f"saelens_{o['place']}"] = difference(o["after"]["activation"], got["activation"])
    return out


def check_generation(request, expected, model, saes):
    """TransformerLens' own generate."""
    tokens = model.to_tokens(request["prompt"])
    n = request["max_tokens"]
    options = dict(
        max_new_tokens=n, do_sample=False, stop_at_eos=False, use_past_kv_cache=False, verbose=False
    )
    hooks = [
        (name, lambda x, hook, f=f: f(x)) for name, f in passes.steer_hooks(request["steer"], saes)
    ]
    assert model.generate(tokens, **options)[0, -n:].tolist() == expected["tokens"]
    with model.hooks(hooks):
        assert model.generate(tokens, **options)[0, -n:].tolist() == expected["steered_tokens"]
    assert expected["tokens"] != expected["steered_tokens"]
    return {"generate": 0.0}


# -------------------------------------------------------------------------------------- numpy


def numpy_ablations(fixture, q, expected, most=3):
    columns = some(len(q.x), most)
    run = lambda x: measured_numpy.measure(fixture, q, x, q.e)
    clean = run(q.x)
    want = [clean - run(x) for x in kinds.with_one_changed(q, columns)]
    return {"numpy": difference(expected["ablations"][:, columns], torch.stack(want, 1))}


def numpy_curves(fixture, q, expected):
    keep, remove = kinds.curve_sets(q, torch.tensor(expected["order"]), expected["ns"])
    middle = len(keep) // 2
    worst = 0.0
    for rule, (e, _) in kinds.errors_of(q).items():
        for name, sets in (("f_keep", keep), ("f_remove", remove)):
            want = measured_numpy.measure(fixture, q, sets[middle], e)
            worst = max(worst, difference(expected[rule][name][middle : middle + 1], want))
    return {"numpy": worst}


def numpy_intervention(fixture, request, expected, model, saes):
    want = measured_numpy.edited(fixture, model.to_tokens(request["prompt"]), request["edits"], saes)
    return {"numpy": difference(expected["logits_after"], want)}


# ------------------------------------------------------------------------------------- the face


def check(fixture, case, q, expected, model, saes):
    request = case["request"]
    loose = {}
    with torch.no_grad():
        match case["kind"]:
            case "ablations":
                out = check_ablations(q, expected, 100) | numpy_ablations(fixture, q, expected)
            case "integrated":
                out = check_integrated(q, expected)
                loose = {"gap_by_steps": gap_by_steps(q)} if request["steps"] == 4 else {}
            case "frozen":
                out = check_frozen(q, expected["gradients"])
                loose = {"differences": out.pop("differences")}
            case "completeness":
                out = check_completeness(q, expected)
            case "curves":
                out = check_curves(q, expected) | numpy_curves(fixture, q, expected)
            case "intervention":
                out = check_intervention(request, expected, model, saes)
                out |= numpy_intervention(fixture, request, expected, model, saes)
            case "generation":
                out = check_generation(request, expected, model, saes)
    worst = max(out.values(), default=0.0)
    if worst > TOLERANCE:
        raise AssertionError(f"{case}: {out}")
    assert loose.get("differences", 0.0) < 1e-5, loose
    return out | loose


def gap_by_steps(q):
    """The largest gap of a target for more and more steps: about as 1 / steps."""
    clean, baseline = q.measure(q.x[None], q.e)[0], q.measure(q.x0[None], q.e0)[0]
    out = {}
    for steps in (5, 10, 20, 40) if not q.target else (5, 10, 20):
        of_latents, of_error = kinds.integrate(q, steps)
        gap = of_latents.sum(1) + of_error.sum(1) - (clean - baseline)
        out[steps] = gap.abs().max().item()
    return out
