"""Names of places in GPT-2, as transformer_lens gives them to its hooks."""

from __future__ import annotations

import re

# Within a block, in the order of computation.
SITES = (
    "hook_resid_pre",
    "attn.hook_z",
    "hook_attn_out",
    "hook_resid_mid",
    "ln2.hook_normalized",
    "hook_mlp_out",
    "hook_resid_post",
)


def parse(name: str) -> tuple[int, str]:
    """(block, site)."""
    match = re.fullmatch(r"blocks\.(\d{1,4})\.(.+)", name)
    if match is None or match[2] not in SITES:
        raise ValueError(f"{name} is not the name of a place")
    return int(match[1]), match[2]


def names(name: str) -> list[str]:
    """All names of a place, the one given first: what leaves a block enters the next."""
    block, site = parse(name)
    if site == "hook_resid_post":
        return [name, f"blocks.{block + 1}.hook_resid_pre"]
    if site == "hook_resid_pre" and block > 0:
        return [name, f"blocks.{block - 1}.hook_resid_post"]
    return [name]


def order(name: str) -> tuple[int, int]:
    """Sorts places as they are computed; equal for the two names of one place."""
    block, site = parse(name)
    return (block + 1, 0) if site == "hook_resid_post" else (block, SITES.index(site))


def written(name: str) -> str:
    """Where the decoder of an SAE that reads there writes: a transcoder's at the MLP's output."""
    return name.replace("ln2.hook_normalized", "hook_mlp_out")
