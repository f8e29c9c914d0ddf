//! Places in GPT-2, by TransformerLens' hook names.
//!
//! A block is two halves, attention and MLP, each `x + branch(x)`: a place is a point of the residual
//! stream between two halves, or a point on a branch.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::error::short;

/// A place within a block, in the order of computation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Site {
    /// The residual stream before the block.
    ResidPre,
    /// What the heads read, side by side, before `W_O`.
    Z,
    /// What the attention adds to the residual stream.
    AttnOut,
    /// The residual stream between attention and MLP.
    ResidMid,
    /// The normalised input of the MLP, without gain and bias.
    Ln2Normalized,
    /// What the MLP adds to the residual stream.
    MlpOut,
    /// The residual stream after the block: `ResidPre` of the next.
    ResidPost,
}

/// Each site, its name behind `blocks.{block}.`, and how a latent's label tells it.
const SITES: [(Site, &str, &str); 7] = [
    (Site::ResidPre, "hook_resid_pre", ""),
    (Site::Z, "attn.hook_z", "z."),
    (Site::AttnOut, "hook_attn_out", "attn_out."),
    (Site::ResidMid, "hook_resid_mid", "resid_mid."),
    (Site::Ln2Normalized, "ln2.hook_normalized", "ln2."),
    (Site::MlpOut, "hook_mlp_out", "mlp_out."),
    (Site::ResidPost, "hook_resid_post", ""),
];

impl Site {
    /// Its name behind `blocks.{block}.`.
    pub fn name(self) -> &'static str {
        SITES[self as usize].1
    }
}

/// A place in GPT-2. In JSON it is its name: `blocks.8.hook_resid_pre`.
///
/// `blocks.7.hook_resid_post` and `blocks.8.hook_resid_pre` are equal only as names:
/// [`is_same`](Self::is_same) tells that they are one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(into = "String", try_from = "String")]
#[ts(type = "string")]
pub struct Place {
    /// The block whose number stands in the name.
    pub block: usize,
    /// Where in the block.
    pub site: Site,
}

impl Place {
    /// The residual stream before a block.
    pub fn resid_pre(block: usize) -> Self {
        Self { block, site: Site::ResidPre }
    }

    /// The one of a place's names that others have in common.
    pub fn canonical(self) -> Self {
        match self.site {
            Site::ResidPost => Self::resid_pre(self.block + 1),
            _ => self,
        }
    }

    /// All names of the place, this one first.
    pub fn names(self) -> impl Iterator<Item = Self> {
        let other = match self.site {
            Site::ResidPost => Some(self.canonical()),
            Site::ResidPre if self.block > 0 => {
                Some(Self { block: self.block - 1, site: Site::ResidPost })
            }
            _ => None,
        };
        [self].into_iter().chain(other)
    }

    /// Whether both name one place.
    pub fn is_same(self, other: Self) -> bool {
        self.canonical() == other.canonical()
    }

    /// Whether the place is computed before another.
    pub fn is_before(self, other: Self) -> bool {
        let order = |place: Self| (place.canonical().block, place.canonical().site);
        order(self) < order(other)
    }

    /// Where the latents write that read here: a transcoder's into the MLP's output, all others' where
    /// they read.
    pub fn written(self) -> Self {
        match self.site {
            Site::Ln2Normalized => Self { site: Site::MlpOut, ..self },
            _ => self,
        }
    }

    /// Halves of blocks to run until the place is known: 2 L before block L, one more behind its
    /// attention.
    pub fn halves(self) -> usize {
        2 * self.block
            + match self.site {
                Site::ResidPre => 0,
                Site::Z | Site::AttnOut | Site::ResidMid | Site::Ln2Normalized => 1,
                Site::MlpOut | Site::ResidPost => 2,
            }
    }

    /// How a latent's label begins: `F3.` in the residual stream before block 3, `F2.mlp_out.` on a
    /// branch of block 2.
    pub(crate) fn label(self) -> String {
        let Self { block, site } = self.canonical();
        let (.., within) = SITES[site as usize];
        format!("F{block}.{within}")
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "blocks.{}.{}", self.block, self.site.name())
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let parsed = || {
            let (block, within) = name.strip_prefix("blocks.")?.split_once('.')?;
            let number: u16 = block.parse().ok()?;
            let &(site, ..) = SITES.iter().find(|(_, name, _)| *name == within)?;
            // A number has one way to be written.
            let is_plain = number < 10_000 && number.to_string() == block;
            is_plain.then_some(Self { block: number.into(), site })
        };
        parsed().ok_or_else(|| {
            format!(
                "{:?} is no place of GPT-2 that latents read at, as blocks.3.hook_resid_pre is",
                short(name)
            )
        })
    }
}

impl From<Place> for String {
    fn from(place: Place) -> Self {
        place.to_string()
    }
}

impl TryFrom<String> for Place {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        name.parse()
    }
}
