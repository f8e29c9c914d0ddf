"""The cases of measured.py, for every fixture.

A latent to be edited or steered is written as its place, a rule and a number, and becomes a position
and a latent in the clean run (`resolved`): ("active", i) is the i-th largest active latent behind
BOS, ("inactive", i) the i-th latent that is inactive at the last position.
"""

from __future__ import annotations

from measured_question import Run
from presets import ACCENTS, EIFFEL_CITY, EIFFEL_PARIS, JORDAN, REPEATED, SERENA, UNICODE

# As many tokens as the prompts they stand against.
EIFFEL_LONDON = "The Eiffel tower is in London"
SERENA_JORDAN = "Fact: Serena Jordan plays the sport of"
TENNIS = {"logit_difference": [" tennis", " golf"]}
PARIS = {"logit_difference": [" Paris", " London"]}
TOP = {"top_logits": 10}
# Where a set ends, the next latent must be weaker by more than rounding.
NS = [0, 1, 2, 4, 8, 16, 32, 64]
OTHER_NS = [0, 1, 3, 5, 10, 20, 40, 80]


def pre(layer):
    return f"blocks.{layer}.hook_resid_pre"


def ask(kind, prompt, come_from, to, **rest):
    return {"kind": kind, "request": {"prompt": prompt, "from": come_from, "to": to, **rest}}


def edit(prompt, edits, observe):
    """edits: (place, rule, number, {"set" or "times": value})."""
    edits = [{"place": place, "rule": (rule, i), **what} for place, rule, i, what in edits]
    return {"kind": "intervention", "request": {"prompt": prompt, "edits": edits, "observe": observe}}


def generate(prompt, *steer, n=12):
    """steer: (place, number of an active latent, factor, positions or None)."""
    steer = [
        {"place": place, "rule": ("active", i), "factor": factor, **({"pos": pos} if pos else {})}
        for place, i, factor, pos in steer
    ]
    return {"kind": "generation", "request": {"prompt": prompt, "max_tokens": n, "steer": steer}}


def named(case):
    """The places whose SAEs a case needs."""
    request = case["request"]
    ends = [request.get("from"), request.get("to")]
    listed = [e["place"] for e in request.get("edits", []) + request.get("steer", [])]
    return {n for n in ends if isinstance(n, str) and n != "tokens"} | {*listed, *request.get("observe", [])}


def resolved(case, model, saes):
    """The case with positions and latents where it has rules."""
    request = case["request"]
    for key in ("edits", "steer"):
        if key in request:
            request = {**request, key: [resolve(e, request, key, model, saes) for e in request[key]]}
    return {**case, "request": request}


def resolve(entry, request, key, model, saes):
    entry = dict(entry)
    rule, i = entry.pop("rule")
    latents = Run(model, model.to_tokens(request["prompt"]), saes[entry["place"]]).latents[0]
    first = min(1, len(latents) - 1)
    if rule == "active":
        at = latents[first:].flatten().argsort(descending=True, stable=True)[i].item()
        pos, latent = at // latents.shape[1] + first, at % latents.shape[1]
        assert latents[pos, latent] > 0
    else:
        pos = len(latents) - 1
        latent = (latents[pos] == 0).nonzero()[i].item()
    place = {"place": entry.pop("place")}
    return {**place, **({"pos": pos} if key == "edits" else {}), "latent": latent, **entry}


def of_residuals(paris, city, serena, far, near, mid):
    """Cases of a model with an SAE in front of every block. far: where latents are asked for that are
    far from block 0, near: the block in front of it, mid: where logits are asked from."""
    to = pre(far)
    zero, two, gone = {"set": 0.0}, {"times": 2.0}, {"times": 0.0}
    cases = {
        "ablations_far": ask("ablations", paris, pre(0), to),
        "ablations_near": ask("ablations", paris, pre(near), to),
        "ablations_top_logits": ask("ablations", city, pre(mid), TOP),
        "ablations_logits": ask("ablations", city, pre(mid), {"logits": [" Paris", 17, " London"]}),
        "ablations_difference": ask("ablations", serena, pre(mid), TENNIS),
        "ablations_omit": ask("ablations", paris, pre(1), to, error="omit"),
        "ablations_omit_difference": ask("ablations", serena, pre(0), TENNIS, error="omit"),
        "ablations_patch": ask("ablations", serena, pre(mid), TENNIS, patch=SERENA_JORDAN),
        "ablations_patch_latents": ask("ablations", paris, pre(near), to, patch=EIFFEL_LONDON),
        "intervention_zero": edit(city, [(pre(1), "active", 0, zero)], [pre(2), pre(3)]),
        "intervention_five": edit(city, [(pre(1), "active", 3, {"set": 5.0})], [pre(2), pre(3)]),
        "intervention_double": edit(serena, [(pre(0), "active", 1, two)], [pre(1), pre(3)]),
        "intervention_two_places": edit(
            serena, [(pre(0), "active", 0, gone), (pre(2), "active", 0, gone)], [pre(1), pre(3)]
        ),
        "intervention_several": edit(
            paris,
            [(pre(1), "active", 0, two), (pre(1), "active", 1, zero), (pre(2), "active", 2, two)],
            [pre(3)],
        ),
        "intervention_nothing": edit(city, [(pre(1), "inactive", 5, zero)], [pre(2)]),
        "intervention_nothing_times": edit(city, [(pre(1), "inactive", 5, two)], [pre(2)]),
        "intervention_wakes": edit(city, [(pre(2), "inactive", 7, {"set": 3.0})], [pre(3)]),
        "frozen_tokens": ask("frozen", paris, "tokens", to),
        "frozen_tokens_difference": ask("frozen", serena, "tokens", TENNIS),
        "frozen_latents": ask("frozen", paris, pre(0), to),
        "frozen_top_logits": ask("frozen", city, pre(mid), TOP),
        "frozen_difference": ask("frozen", serena, pre(0), TENNIS),
        "frozen_omit": ask("frozen", serena, pre(0), TENNIS, error="omit"),
        "frozen_patch": ask("frozen", serena, pre(mid), TENNIS, patch=SERENA_JORDAN),
        "completeness_latents": ask("completeness", paris, pre(1), to),
        "completeness_top_logits": ask("completeness", city, pre(mid), TOP),
        "completeness_difference": ask("completeness", serena, pre(0), TENNIS),
        "completeness_frozen": ask("completeness", serena, pre(0), TENNIS, frozen=True),
        "curves_difference": ask("curves", serena, pre(mid), TENNIS, method="gradient", ns=NS),
        "curves_patch": ask(
            "curves", serena, pre(mid), TENNIS, method="gradient", ns=OTHER_NS, patch=SERENA_JORDAN
        ),
        "curves_integrated": ask(
            "curves", serena, pre(0), TENNIS, method="integrated", steps=10, ns=NS
        ),
    }
    for steps in (1, 4, 10):
        cases |= {
            f"integrated_latents_{steps}": ask("integrated", paris, pre(1), to, steps=steps),
            f"integrated_difference_{steps}": ask("integrated", serena, pre(mid), TENNIS, steps=steps),
            f"integrated_patch_{steps}": ask(
                "integrated", serena, pre(0), TENNIS, steps=steps, patch=SERENA_JORDAN
            ),
        }
    cases["integrated_patch_latents_4"] = ask(
        "integrated", paris, pre(near), to, steps=4, patch=EIFFEL_LONDON
    )
    return cases


def block(name):
    return f"blocks.{name}"


# (name, prompt, from, to, the rest of the request), the places without `blocks.`; every kind of place
# on both sides, with pairs of one block, and every form of activation and normalisation.
PAIRS = [
    ("z_1_to_mlp_out_2", EIFFEL_PARIS, "1.attn.hook_z", "2.hook_mlp_out", {}),
    ("z_1_to_attn_out_1", REPEATED, "1.attn.hook_z", "1.hook_attn_out", {}),
    ("attn_out_0_to_mlp_out_0", REPEATED, "0.hook_attn_out", "0.hook_mlp_out", {}),
    ("attn_out_1_to_resid_mid_2", REPEATED, "1.hook_attn_out", "2.hook_resid_mid", {}),
    ("resid_mid_1_to_ln2_1", REPEATED, "1.hook_resid_mid", "1.ln2.hook_normalized", {}),
    ("resid_mid_1_to_resid_pre_3", REPEATED, "1.hook_resid_mid", "3.hook_resid_pre", {}),
    ("ln2_0_to_ln2_1", EIFFEL_PARIS, "0.ln2.hook_normalized", "1.ln2.hook_normalized", {}),
    ("ln2_2_to_resid_post_2", EIFFEL_PARIS, "2.ln2.hook_normalized", "2.hook_resid_post", {}),
    ("ln2_1_to_top_logits", EIFFEL_CITY, "1.ln2.hook_normalized", TOP, {}),
    ("mlp_out_0_to_attn_out_2", EIFFEL_PARIS, "0.hook_mlp_out", "2.hook_attn_out", {}),
    ("mlp_out_1_to_z_2", EIFFEL_PARIS, "1.hook_mlp_out", "2.attn.hook_z", {}),
    ("attn_out_2_to_mlp_out_2", EIFFEL_PARIS, "2.hook_attn_out", "2.hook_mlp_out", {}),
    ("resid_post_0_to_resid_post_2", EIFFEL_PARIS, "0.hook_resid_post", "2.hook_resid_post", {}),
    ("resid_post_2_to_top_logits", EIFFEL_CITY, "2.hook_resid_post", TOP, {}),
    ("resid_mid_2_to_difference", SERENA, "2.hook_resid_mid", TENNIS, {}),
    ("resid_pre_1_to_resid_mid_1", ACCENTS, "1.hook_resid_pre", "1.hook_resid_mid", {}),
    ("omit_z_2_to_top_logits", EIFFEL_CITY, "2.attn.hook_z", TOP, {"error": "omit"}),
    (
        "omit_ln2_0_to_ln2_1", EIFFEL_PARIS, "0.ln2.hook_normalized", "1.ln2.hook_normalized",
        {"error": "omit"},
    ),
    ("patch_mlp_out_2_to_difference", SERENA, "2.hook_mlp_out", TENNIS, {"patch": SERENA_JORDAN}),
    ("patch_ln2_1_to_difference", SERENA, "1.ln2.hook_normalized", TENNIS, {"patch": SERENA_JORDAN}),
]


def of_places():
    cases = {}
    for name, prompt, come_from, to, rest in PAIRS:
        to = block(to) if isinstance(to, str) else to
        for kind in ("ablations", "frozen"):
            cases[f"{kind}_{name}"] = ask(kind, prompt, block(come_from), to, **rest)
    for name, prompt, come_from, to, rest in PAIRS:
        if name in (
            "z_1_to_mlp_out_2", "attn_out_1_to_resid_mid_2", "ln2_1_to_top_logits",
            "mlp_out_0_to_attn_out_2", "attn_out_2_to_mlp_out_2", "resid_mid_2_to_difference",
            "patch_ln2_1_to_difference",
        ):
            to = block(to) if isinstance(to, str) else to
            cases[f"integrated_{name}"] = ask(
                "integrated", prompt, block(come_from), to, steps=4, **rest
            )
    zero, two, gone = {"set": 0.0}, {"times": 2.0}, {"times": 0.0}
    z1, z2 = "blocks.1.attn.hook_z", "blocks.2.attn.hook_z"
    mlp0, mlp1, mlp2 = (f"blocks.{i}.hook_mlp_out" for i in range(3))
    ln0, ln1, ln2 = (f"blocks.{i}.ln2.hook_normalized" for i in range(3))
    attn1, attn2 = "blocks.1.hook_attn_out", "blocks.2.hook_attn_out"
    mid1, mid2, mid3 = (f"blocks.{i}.hook_resid_mid" for i in (1, 2, 3))
    post2 = "blocks.2.hook_resid_post"
    cases |= {
        "intervention_heads_and_mlp": edit(
            EIFFEL_PARIS, [(z1, "active", 0, zero), (mlp1, "active", 0, two)], [z2, post2]
        ),
        "intervention_transcoders": edit(
            EIFFEL_PARIS,
            [(ln0, "active", 0, gone), (ln1, "active", 1, two), (ln2, "inactive", 4, {"set": 2.0})],
            [mid2, post2],
        ),
        "intervention_one_block": edit(
            REPEATED,
            [
                (pre(1), "active", 0, two), (z1, "active", 1, zero), (attn1, "active", 0, two),
                (mid1, "active", 2, gone), (ln1, "active", 0, {"set": 4.0}), (mlp1, "active", 1, two),
            ],
            [attn2, mid2],
        ),
        "intervention_layer_norm": edit(
            EIFFEL_PARIS, [(attn2, "active", 0, zero), (attn2, "inactive", 3, {"set": 1.5})], [mlp2]
        ),
        "intervention_jumprelu": edit(
            EIFFEL_CITY, [(mid2, "active", 0, two), (mid2, "inactive", 3, {"set": 0.5})], [ln2, post2]
        ),
        "ablations_mlp_out_1_to_gated": ask("ablations", EIFFEL_CITY, mlp1, mid3),
        "ablations_gated_to_top_logits": ask("ablations", EIFFEL_CITY, mid3, TOP),
        "intervention_gated": edit(
            EIFFEL_CITY,
            [(mlp1, "active", 0, gone), (mid3, "active", 0, two), (mid3, "inactive", 3, {"set": 0.5})],
            [],
        ),
        "intervention_scaled": edit(EIFFEL_CITY, [(mlp2, "active", 0, {"set": 5.0})], [post2]),
        "completeness_ln2_1_to_difference": ask("completeness", SERENA, ln1, TENNIS),
        "completeness_z_1_to_mlp_out_2": ask("completeness", EIFFEL_PARIS, z1, mlp2),
        "completeness_attn_out_2_to_mlp_out_2": ask("completeness", EIFFEL_PARIS, attn2, mlp2),
        "curves_z_1": ask("curves", SERENA, z1, TENNIS, method="gradient", ns=NS),
        "curves_ln2_1": ask("curves", SERENA, ln1, TENNIS, method="gradient", ns=NS),
        "curves_ln2_1_patch": ask(
            "curves", SERENA, ln1, TENNIS, method="gradient", ns=NS, patch=SERENA_JORDAN
        ),
        "generation_mlp_out": generate(EIFFEL_CITY, (mlp0, 0, 12.0, None)),
        "generation_scaled": generate(EIFFEL_CITY, (mlp2, 0, 9.0, None)),
        "generation_transcoder": generate(SERENA, (ln2, 1, 60.0, None)),
        "generation_positions": generate(SERENA, (ln0, 1, 9.0, [1, 2, 9]), (mlp0, 0, 30.0, [3, 9])),
        "generation_heads": generate(EIFFEL_PARIS, (z1, 0, 30.0, None)),
    }
    return cases


def of(fixture):
    match fixture:
        case "tiny":
            return of_residuals(EIFFEL_PARIS, EIFFEL_CITY, SERENA, 3, 2, 2) | {
                "generation_all": generate(EIFFEL_CITY, (pre(1), 0, 10.0, None)),
                "generation_positions": generate(SERENA, (pre(2), 2, 12.0, [2, 3, 9])),
                "generation_two": generate(
                    EIFFEL_PARIS, (pre(0), 1, 6.0, None), (pre(3), 0, 8.0, [5, 6])
                ),
            }
        case "demo":
            return of_residuals(EIFFEL_PARIS, EIFFEL_CITY, SERENA, 3, 2, 2) | {
                "generation_all": generate(EIFFEL_CITY, (pre(1), 0, 10.0, None)),
                "generation_positions": generate(SERENA, (pre(2), 2, 40.0, [2, 3, 11])),
                "generation_post": generate(SERENA, ("blocks.3.hook_resid_post", 0, 30.0, None)),
            }
        case "odd":
            return {
                "ablations_repeated": ask("ablations", REPEATED, pre(0), pre(2)),
                "ablations_unicode": ask("ablations", UNICODE, pre(1), TOP),
                "ablations_empty": ask("ablations", "", pre(0), pre(2)),
                "intervention_unicode": edit(
                    UNICODE, [(pre(0), "active", 0, {"times": 0.0}), (pre(1), "active", 1, {"set": 5.0})],
                    [pre(2)],
                ),
                "intervention_empty": edit("", [(pre(1), "active", 0, {"times": 2.0})], [pre(2)]),
                "integrated_difference": ask(
                    "integrated", JORDAN, pre(0),
                    {"logit_difference": [" basketball", " football"]}, steps=4,
                ),
                "integrated_repeated": ask("integrated", REPEATED, pre(1), pre(2), steps=4),
                "frozen_one_token": ask("frozen", "The", pre(1), TOP),
                "completeness_repeated": ask("completeness", REPEATED, pre(1), pre(2)),
                "generation_empty": generate("", (pre(2), 0, 20.0, None)),
            }
        case "places":
            return of_places()
    raise ValueError(f"no cases for {fixture}")
