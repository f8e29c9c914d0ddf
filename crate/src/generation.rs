//! What the model goes on to write, as it is and steered by latents.
//!
//! Steering adds a multiple of a latent's row of `W_dec` where its SAE writes. Keys and values of earlier
//! positions are kept, so that a token costs one position.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::error::{Error, Result};
use crate::intervention::{LogitChanges, default_top_logits, probabilities};
use crate::places::Place;
use crate::request::Sources;
use crate::result::{FORMAT_VERSION, ModelOrigin, Runtime, Tokens};
use crate::run::{Run, Steering};
use crate::session::{Session, largest};
use crate::sparse::read_back;
use crate::store::Need;
use crate::watch::{Meter, Phase, Watch, Within};

/// The most tokens that are written.
const MAX_TOKENS: usize = 50;
/// The most latents that steer.
const MAX_STEERS: usize = 100;

/// A prompt to be continued.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct Generation {
    /// The text, without BOS.
    pub prompt: String,
    /// Latents that steer; with none there is only the continuation as it is.
    #[serde(default)]
    #[ts(as = "Option<_>", optional)]
    pub steer: Vec<Steer>,
    /// Tokens that are written, 50 at most; fewer where the text ends or the context is full.
    pub max_tokens: usize,
    /// 0 takes the likeliest token; above, tokens are drawn from logits divided by it.
    #[serde(default)]
    #[ts(as = "Option<_>", optional)]
    pub temperature: f64,
    /// What drawing begins with: the same seed draws the same tokens.
    #[serde(default)]
    #[ts(as = "Option<_>", optional)]
    pub seed: u32,
    /// The largest logits behind the prompt, steered and not, that are compared.
    #[serde(default = "default_top_logits")]
    #[ts(as = "Option<_>", optional)]
    pub top_logits: usize,
}

/// A latent that steers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(deny_unknown_fields)]
pub struct Steer {
    /// Where its SAE reads; it steers where that writes.
    pub place: Place,
    /// Index in the SAE.
    pub latent: u32,
    /// What its row of `W_dec` is multiplied with.
    pub factor: f32,
    /// Positions where it steers, BOS being 0; everywhere, in what is written too, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub pos: Option<Vec<u32>>,
}

/// Continuations of a prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Generated {
    /// [`FORMAT_VERSION`].
    pub format_version: u32,
    /// What was asked.
    pub generation: Generation,
    /// What answered.
    pub runtime: Runtime,
    /// Which model it is of.
    pub model: ModelOrigin,
    /// The prompt's tokens, BOS first.
    pub tokens: Tokens,
    /// What the model writes as it is.
    pub plain: Continuation,
    /// What it writes steered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub steered: Option<Continuation>,
    /// Logits behind the prompt as it is (before) and steered (after).
    pub logits: LogitChanges,
}

/// Tokens behind a prompt. Columns of one length.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS)]
pub struct Continuation {
    /// Token ids.
    pub token_id: Vec<u32>,
    /// What each reads as.
    pub string: Vec<String>,
    /// How probable each was, at temperature 1.
    pub probability: Vec<f32>,
}

impl Session {
    /// Continues a prompt.
    ///
    /// # Errors
    /// `prompt-too-long`, `place-out-of-range`, `sae-missing`, `k-out-of-range`, `request-invalid` for the
    /// request; those of the files it needs; `result-not-finite`, `device-failed`, `cancelled`.
    pub async fn generate(&self, asked: &Generation, watch: &dyn Watch) -> Result<Generated> {
        let tokens = self.tokenize(&asked.prompt)?;
        self.check_generation(asked)?;
        let found = self.write_both(asked, tokens, watch).await;
        self.store.release();
        found
    }

    fn check_generation(&self, asked: &Generation) -> Result<()> {
        let invalid = |cause: String| Err(Error::RequestInvalid { cause });
        let Generation { steer, max_tokens, temperature, top_logits, .. } = asked;
        if !(1..=MAX_TOKENS).contains(max_tokens) {
            return invalid(format!("max_tokens is 1 to {MAX_TOKENS}"));
        }
        if !(0.0..=100.0).contains(temperature) {
            return invalid("temperature is 0 to 100".into());
        }
        if steer.len() > MAX_STEERS {
            return invalid(format!("at most {MAX_STEERS} latents steer"));
        }
        for steer in steer {
            self.check_place(steer.place)?;
            if !steer.factor.is_finite() {
                return invalid("a factor is not a finite number".into());
            }
        }
        self.check_count(*top_logits)
    }

    async fn write_both(
        &self,
        asked: &Generation,
        tokens: Tokens,
        watch: &dyn Watch,
    ) -> Result<Generated> {
        // What there is to load is loaded under the eyes of who waits.
        let halves = 2 * self.store.config.n_layer;
        let mut needs = self.needs(Sources::Tokens, halves, Some(Need::Unembed));
        needs.extend(asked.steer.iter().map(|steer| Need::Sae(steer.place)));
        let mut run = self.start(&tokens, needs, watch).await?;
        let mut stream = run.embed().await?;
        self.last_logits(&mut run, &mut stream).await?;
        let mut steering = Vec::with_capacity(asked.steer.len());
        for steer in &asked.steer {
            steering.push(run.steering_of(steer).await?);
        }
        self.keep(run.finish(stream));

        let texts = 1 + u64::from(!steering.is_empty());
        let mut meter =
            Meter::start(watch, Phase::Generate, texts * asked.max_tokens as u64).await?;
        let (plain, before) = self.write(asked, &tokens, &[], &mut meter).await?;
        let (steered, after) = match steering.is_empty() {
            true => (None, before.clone()),
            false => {
                let (text, logits) = self.write(asked, &tokens, &steering, &mut meter).await?;
                (Some(text), logits)
            }
        };
        Ok(Generated {
            format_version: FORMAT_VERSION,
            generation: asked.clone(),
            runtime: Runtime::this(),
            model: self.store.origin(),
            tokens,
            plain,
            steered,
            logits: LogitChanges::new(&before, &after, asked.top_logits, &self.tokenizer),
        })
    }

    /// Tokens one after the other, and all logits behind the prompt.
    async fn write(
        &self,
        asked: &Generation,
        prompt: &Tokens,
        steering: &[Steering],
        meter: &mut Meter<'_>,
    ) -> Result<(Continuation, Vec<f64>)> {
        let mut text = Continuation::default();
        let mut tokens = prompt.clone();
        let mut kept = None;
        let mut first = None;
        let mut dice = u64::from(asked.seed);
        let needs =
            || self.needs(Sources::Tokens, 2 * self.store.config.n_layer, Some(Need::Unembed));
        while text.token_id.len() < asked.max_tokens
            && tokens.token_id.len() <= self.store.config.max_positions()
        {
            let within = Within(meter);
            let mut run = match kept.is_none() && steering.is_empty() {
                true => self.start(&tokens, needs(), &within).await?,
                false => Run::start(&self.store, &tokens, needs(), kept, &within).await?,
            };
            run.steering = steering.to_vec();
            let mut stream = run.embed().await?;
            let logits = self.last_logits(&mut run, &mut stream).await?;
            kept = run.finish(stream);
            let likely = probabilities(&logits);
            let id = match asked.temperature > 0.0 {
                true => draw(&logits, asked.temperature, &mut dice),
                false => largest(&logits, 1)[0],
            };
            first.get_or_insert(logits);
            let string = self.tokenizer.display(id);
            text.token_id.push(id);
            text.string.push(string.clone());
            text.probability.push(likely[id as usize][0] as f32);
            tokens.token_id.push(id);
            tokens.string.push(string);
            meter.add(1).await?;
            // The text ends.
            if id == self.store.config.bos_token_id {
                break;
            }
        }
        let first = match first {
            Some(first) => first,
            None => return Err(Error::RequestInvalid { cause: "the context is full".into() }),
        };
        Ok((text, first))
    }
}

impl Run<'_> {
    async fn steering_of(&mut self, steer: &Steer) -> Result<Steering> {
        let Steer { place, latent, factor, pos } = steer;
        let d_sae = self.sae(*place).await?.d_sae;
        if *latent as usize >= d_sae {
            let cause = format!("latent {latent} steers, but the SAE at {place} has {d_sae}");
            return Err(Error::RequestInvalid { cause });
        }
        let row = self.decoder_rows(*place, &[*latent]).await?;
        let row = self.as_change(*place, &row).await?;
        let row = read_back(row, "decoder row").await?;
        Ok(Steering {
            halves: place.written().halves(),
            pos: pos.clone(),
            vector: row.into_iter().map(|x| factor * x).collect(),
        })
    }
}

/// A token drawn from `softmax(logits / temperature)`; of equal draws the smaller id.
fn draw(logits: &[f64], temperature: f64, dice: &mut u64) -> u32 {
    let scaled: Vec<f64> = logits.iter().map(|logit| logit / temperature).collect();
    let mut left = uniform(dice);
    let likely = probabilities(&scaled);
    for (id, [probability, _]) in likely.iter().enumerate() {
        left -= probability;
        if left < 0.0 {
            return id as u32;
        }
    }
    largest(&scaled, 1)[0]
}

/// The next number in [0, 1) of SplitMix64 (Steele, Lea, Flood 2014).
fn uniform(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    (z >> 11) as f64 / (1u64 << 53) as f64
}
