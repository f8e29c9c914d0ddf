//! Results do not depend on how much is read and computed at a time, nor on whether tables are read as
//! a whole.

use sae_attribution::Request;
use sae_attribution::sizes::Sizes;
use sae_attribution::watch::Unwatched;
use sae_attribution::weights::Reading;
use sae_attribution::{Attribution, Session};

use crate::common::requests::{
    latent_to_latent, latent_to_logit, logit_difference, token_to_latent,
};

/// Every loop over parts goes round often: a tensor of the tiny fixture is many pieces, the header of
/// a file is read in two parts, a batch holds a few directions.
pub(crate) const TINY_SIZES: Sizes = Sizes {
    header: 8,
    piece: 4_000,
    unembed_part: 100_000,
    encode: 1_500,
    decode: 100,
    batch: 150_000,
    trace: 0,
};

fn requests() -> [Request; 4] {
    let prompt = "The Eiffel tower is in the city of";
    [
        token_to_latent(prompt, 3),
        latent_to_latent(prompt, 0, 3),
        latent_to_logit(prompt, 2, 25),
        logit_difference(prompt, 3, " tennis", " golf"),
    ]
    .map(|request| serde_json::from_value(request).expect("a request"))
}

/// Compares the tiny fixture's answers; `open` opens it.
pub(crate) async fn check_sizes(open: impl AsyncFn(Reading) -> Session) {
    let ask = async |session: &Session, request: &Request| {
        let found = session.attribute(request, &Unwatched).await;
        found.unwrap_or_else(|error| panic!("{request:?}: {error}"))
    };
    let usual = open(Reading::default()).await;
    let [open_rows, whole_tables] =
        [false, true].map(|is_private| open(Reading { sizes: TINY_SIZES, is_private }));
    let sessions = [open_rows.await, whole_tables.await];
    // The last first, so that what is kept of it serves the others.
    for request in requests().iter().rev() {
        let expected = ask(&usual, request).await;
        for session in &sessions {
            compare(&ask(session, request).await, &expected, &format!("{request:?}"));
        }
    }
}

fn compare(found: &Attribution, expected: &Attribution, what: &str) {
    assert_eq!(found.tokens, expected.tokens, "{what}");
    for (found, expected) in
        [(&found.sources, &expected.sources), (&found.targets, &expected.targets)]
    {
        assert_eq!((&found.pos, &found.latent), (&expected.pos, &expected.latent), "{what}");
        assert_eq!(found.token_id, expected.token_id, "{what}");
        close(&found.activation, &expected.activation, what);
    }
    close(&found.gradients, &expected.gradients, what);
    close(&found.statistics.sae_error_norm, &expected.statistics.sae_error_norm, what);
    assert!(
        expected.gradients.iter().any(|&gradient| gradient != 0.0),
        "{what}: a test of nothing"
    );
}

fn close(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0f32, |most, value| most.max(value.abs()));
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (found - expected).abs();
        assert!(error <= 2e-5 * largest, "{what}: {found} instead of {expected} at {i}");
    }
}
