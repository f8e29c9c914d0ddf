//! A run of a prompt as far as it has come: the residual stream before each half of a block, the half
//! linearised there, and what SAEs made of it. The next request on the same prompt starts from it.

use std::collections::HashMap;
use std::rc::Rc;

use burn::tensor::Tensor;

use crate::config::Gpt2Config;
use crate::gpt2::{LinearAttn, LinearBlock, LinearMlp};
use crate::places::Place;
use crate::result::Nodes;
use crate::sae::Sae;
use crate::sparse::Active;

/// A half of a block, linearised.
#[derive(Clone)]
#[expect(clippy::large_enum_variant, reason = "they are counted in dozens")]
pub(crate) enum Linear {
    Attn(LinearAttn),
    Mlp(LinearMlp),
}

/// A half that was gone through.
#[derive(Clone)]
pub(crate) struct Half {
    /// The residual stream before it: `[pos, d_model]`.
    pub(crate) before: Tensor<2>,
    pub(crate) at: Linear,
}

/// Active latents of an SAE and what they were encoded from.
pub(crate) struct Encoded {
    pub(crate) place: Place,
    pub(crate) sae: Rc<Sae>,
    pub(crate) active: Active,
    pub(crate) nodes: Nodes,
    /// `[pos, d_model]`
    pub(crate) input: Vec<f32>,
}

/// What active latents write.
pub(crate) struct Written {
    /// Per unit of activation, as the decoder has it: `[active, d_model]`.
    pub(crate) rows: Tensor<2>,
    /// What is written there: `[pos, d_model]`.
    pub(crate) values: Vec<f32>,
    /// What the latents decode to: `[pos, d_model]`.
    pub(crate) decoded: Vec<f32>,
}

impl Written {
    /// What the SAE misses: `[pos, d_model]`.
    pub(crate) fn error(&self) -> Vec<f32> {
        self.values.iter().zip(&self.decoded).map(|(x, decoded)| x - decoded).collect()
    }
}

/// What was found of a run.
#[derive(Clone, Default)]
pub(crate) struct Found {
    pub(crate) encoded: HashMap<Place, Rc<Encoded>>,
    pub(crate) written: HashMap<Place, Rc<Written>>,
}

/// A run without anything put into it, as far as it was gone through.
#[derive(Clone)]
pub(crate) struct Trace {
    pub(crate) token_id: Vec<u32>,
    halves: Vec<Half>,
    /// The stream behind them.
    end: Tensor<2>,
    pub(crate) found: Found,
}

impl Trace {
    /// The stream behind so many halves.
    pub(crate) fn resid(&self, halves: usize) -> Option<&Tensor<2>> {
        match self.halves.get(halves) {
            Some(half) => Some(&half.before),
            None => (halves == self.halves.len()).then_some(&self.end),
        }
    }

    /// A half, and the stream behind it.
    pub(crate) fn half(&self, half: usize) -> Option<(&Half, &Tensor<2>)> {
        Some((self.halves.get(half)?, self.resid(half + 1)?))
    }

    /// Tokens that these begin with, too.
    pub(crate) fn shares(&self, token_id: &[u32]) -> usize {
        self.token_id.iter().zip(token_id).take_while(|(a, b)| a == b).count()
    }

    /// Halves gone through.
    pub(crate) fn len(&self) -> usize {
        self.halves.len()
    }

    /// The same run, of which more was found.
    pub(crate) fn with(&self, found: Found) -> Self {
        Self { found, ..self.clone() }
    }

    /// The bytes that a whole run of so many positions takes.
    pub(crate) fn bytes(config: &Gpt2Config, n_pos: usize) -> u64 {
        let of_position = 12 * config.d_model + config.n_head * n_pos;
        4 * (config.n_layer * n_pos * of_position) as u64
    }
}

/// The residual stream on its way through the blocks.
#[derive(Clone)]
pub(crate) struct Stream {
    /// `[pos, d_model]`
    pub(crate) resid: Tensor<2>,
    /// Halves gone through ([`Place::halves`]).
    pub(crate) halves: usize,
    /// Them, but for those that are not kept.
    gone: Vec<Option<Half>>,
    /// Whether those before the sources are kept, too.
    keeps: bool,
    /// Where the sources stand: what comes behind is differentiated.
    pub(crate) from: Option<usize>,
    /// What is at places on branches where something was put there.
    pub(crate) put: HashMap<Place, Tensor<2>>,
    /// Of a stream into which something was put: how far it was as it is without, and the stream there.
    untouched: Option<(usize, Tensor<2>)>,
    pub(crate) found: Found,
}

impl Stream {
    /// A stream at its beginning.
    pub(crate) fn new(resid: Tensor<2>, keeps: bool, found: Found) -> Self {
        Self {
            resid,
            halves: 0,
            gone: Vec::new(),
            keeps,
            from: None,
            put: HashMap::new(),
            untouched: None,
            found,
        }
    }

    /// Whether nothing was put into it.
    pub(crate) fn is_untouched(&self) -> bool {
        self.untouched.is_none()
    }

    /// Goes through a half.
    pub(crate) fn push(&mut self, half: Half, behind: Tensor<2>) {
        // What is written in the last half is put there again; the rest of a long prompt takes too much.
        if !self.keeps && self.from.is_none() && self.halves > 0 {
            self.gone[self.halves - 1] = None;
        }
        self.gone.push(Some(half));
        self.resid = behind;
        self.halves += 1;
    }

    /// A half that was gone through.
    pub(crate) fn half(&self, half: usize) -> &Half {
        self.gone[half].as_ref().expect("it is kept")
    }

    /// The attention of a block that was gone through.
    pub(crate) fn attn(&self, layer: usize) -> &LinearAttn {
        match &self.half(2 * layer).at {
            Linear::Attn(attn) => attn,
            Linear::Mlp(_) => unreachable!("the first half of a block is its attention"),
        }
    }

    /// The stream behind so many halves.
    pub(crate) fn at(&self, halves: usize) -> &Tensor<2> {
        match halves == self.halves {
            true => &self.resid,
            false => &self.half(halves).before,
        }
    }

    /// Puts another stream in its place behind so many halves, of which it had gone through no fewer.
    pub(crate) fn replace(&mut self, halves: usize, resid: Tensor<2>, untouched: usize) {
        if self.is_untouched() {
            self.untouched = Some((untouched, self.at(untouched).clone()));
        }
        self.gone.truncate(halves);
        (self.halves, self.resid) = (halves, resid);
    }

    /// Halves between the sources and where it is: the MLP that comes first, where sources stand behind
    /// an attention, and blocks.
    pub(crate) fn blocks(&self, until: usize) -> (Option<LinearMlp>, Vec<LinearBlock>) {
        let (mut lead, mut blocks) = (None, Vec::<LinearBlock>::new());
        for half in self.from.unwrap_or(until)..until {
            match (self.half(half).at.clone(), blocks.last_mut()) {
                (Linear::Attn(attn), _) => blocks.push(LinearBlock { attn, mlp: None }),
                (Linear::Mlp(mlp), Some(block)) => block.mlp = Some(mlp),
                (Linear::Mlp(mlp), None) => lead = Some(mlp),
            }
        }
        (lead, blocks)
    }

    /// The run without what was put into it, if it was kept.
    pub(crate) fn trace(mut self, token_id: &[u32]) -> Option<Trace> {
        if !self.keeps {
            return None;
        }
        let (halves, end) = self.untouched.unwrap_or((self.halves, self.resid));
        self.gone.truncate(halves);
        let halves = self.gone.into_iter().collect::<Option<_>>()?;
        Some(Trace { token_id: token_id.to_vec(), halves, end, found: self.found })
    }
}
