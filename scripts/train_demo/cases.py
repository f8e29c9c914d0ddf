"""The prompts that the page offers and the tests check, in the form of a fixture's cases.json."""

from __future__ import annotations

EIFFEL_PARIS = "The Eiffel tower is in Paris"
EIFFEL_CITY = "The Eiffel tower is in the city of"
SERENA = "Fact: Serena Williams plays the sport of"
CAPITAL = "The capital of France is"

CASES = [
    {
        "name": "latent_to_latent_0_2",
        "kind": "latent_to_latent",
        "prompt": EIFFEL_PARIS,
        "layer_from": 0,
        "layer_to": 2,
    },
    {
        "name": "latent_to_latent_1_2",
        "kind": "latent_to_latent",
        "prompt": CAPITAL,
        "layer_from": 1,
        "layer_to": 2,
    },
    {
        "name": "token_to_latent_2",
        "kind": "token_to_latent",
        "prompt": EIFFEL_PARIS,
        "layer": 2,
    },
    {
        "name": "latent_to_logit_3_k10",
        "kind": "latent_to_logit",
        "prompt": EIFFEL_CITY,
        "layer": 3,
        "k": 10,
    },
    {
        "name": "latent_to_logit_3_k10_tennis",
        "kind": "latent_to_logit",
        "prompt": SERENA,
        "layer": 3,
        "k": 10,
    },
    {
        "name": "logit_difference_3",
        "kind": "logit_difference",
        "prompt": SERENA,
        "layer": 3,
        "positive": " tennis",
        "negative": " golf",
    },
]


def layers_of(case: dict) -> set[int]:
    return {case[key] for key in ("layer", "layer_from", "layer_to") if key in case}
