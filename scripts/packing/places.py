"""Names of places in GPT-2, as TransformerLens gives them to its hooks (crate/src/places.rs)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from .outside import Refused, short

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


@dataclass(frozen=True)
class Place:
    """`blocks.{block}.{site}`. Two names of one place are not equal: `canonical` is."""

    block: int
    site: str

    @classmethod
    def parse(cls, name: str) -> Place:
        """
        Raises:
            Refused: nothing in GPT-2 is called so.
        """
        match = re.fullmatch(r"blocks\.(0|[1-9][0-9]{0,3})\.(.+)", name)
        if match is None or match[2] not in SITES:
            raise Refused(f"“{short(name)}” is no place of GPT-2, as blocks.3.hook_resid_pre is")
        return cls(int(match[1]), match[2])

    def __str__(self) -> str:
        return f"blocks.{self.block}.{self.site}"

    @property
    def canonical(self) -> Place:
        """What leaves a block enters the next."""
        if self.site == "hook_resid_post":
            return Place(self.block + 1, "hook_resid_pre")
        return self

    def is_same(self, other: Place) -> bool:
        return self.canonical == other.canonical

    @property
    def order(self) -> tuple[int, int]:
        """Sorts places as they are computed."""
        place = self.canonical
        return place.block, SITES.index(place.site)

    @property
    def written(self) -> Place:
        """Where the latents write that read here: a transcoder's into the MLP's output."""
        if self.site == "ln2.hook_normalized":
            return replace(self, site="hook_mlp_out")
        return self

    def is_within(self, n_layer: int) -> bool:
        """Whether a model of so many blocks has the place: what leaves the last, too."""
        return self.order <= (n_layer, 0)
