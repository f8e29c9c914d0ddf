//! Prompts of every kind, and the result's JSON form.

use sae_attribution::places::Place;
use sae_attribution::{Addresses, Attribution, Error, SaeAddress, Session};
use serde_json::Value;

use crate::altered::{Altered, TINY, ask, open};
use crate::common::device::device;
use crate::common::golden::addresses;
use crate::common::requests::{
    latent_to_latent, latent_to_logit, logit_difference, token_to_latent,
};

const ALL_KINDS: usize = 4;

fn requests(prompt: &str) -> [Value; ALL_KINDS] {
    [
        token_to_latent(prompt, 2),
        latent_to_latent(prompt, 1, 3),
        latent_to_logit(prompt, 3, 5),
        logit_difference(prompt, 0, " tennis", 2993),
    ]
}

#[test]
fn every_kind_of_prompt_is_answered() {
    let session = open(&Altered::default()).unwrap();
    let long = " the tower".repeat(31) + " is";
    for (prompt, n_tokens) in [
        ("", 1),
        ("The", 2),
        ("the the the the", 5),
        ("emoji 🗼😀 é\n\n", 0),
        ("before<|endoftext|>after", 6),
        (&long, 64),
    ] {
        for request in requests(prompt) {
            let result =
                ask(&session, request.clone()).unwrap_or_else(|e| panic!("{request}: {e}"));
            let n = result.tokens.token_id.len();
            assert!(n == n_tokens || n_tokens == 0, "{prompt:?} is {n} tokens");
            assert_eq!(result.tokens.token_id[0], 3000, "BOS comes first");
            let pairs = result.sources.len() * result.targets.len();
            assert_eq!((result.gradients.len(), result.attributions.len()), (pairs, pairs));
            assert_eq!(result.sources.label.len(), result.sources.len());
            assert_eq!(result.targets.label.len(), result.targets.len());
            for (row, target) in result.targets.pos.iter().enumerate() {
                for (column, source) in result.sources.pos.iter().enumerate() {
                    let gradient = result.gradients[row * result.sources.len() + column];
                    assert!(source <= target || gradient == 0.0, "{request}: {source} to {target}");
                }
            }
        }
    }
}

#[test]
fn a_prompt_beyond_the_context_is_an_error_with_both_numbers() {
    let session = open(&Altered::default()).unwrap();
    let longest = " the".repeat(127);
    assert_eq!(session.tokenize(&longest).unwrap().token_id.len(), 128);
    let error = session.tokenize(&(longest.clone() + " the")).unwrap_err();
    assert_eq!(error, Error::PromptTooLong { tokens: 129, n_ctx: 128 });
    assert!(error.to_string().contains("129") && error.to_string().contains("128"), "{error}");
    for request in requests(&(longest + " the")) {
        assert_eq!(ask(&session, request).unwrap_err().code(), "prompt-too-long");
    }
}

#[test]
fn labels_stay_on_one_line() {
    let session = open(&Altered::default()).unwrap();
    let request = token_to_latent("a\nb", 0);
    let result = ask(&session, request).unwrap();
    assert_eq!(result.sources.label[2], "'\\n' (2)");
    let latent = &result.targets.label[0];
    assert!(latent.starts_with("F0.") && latent.ends_with("'<|endoftext|>' (0)"), "{latent}");
}

#[test]
fn the_json_form_is_read_back_unchanged() {
    let session = open(&Altered::default()).unwrap();
    for request in requests("The Eiffel tower") {
        let result = ask(&session, request).unwrap();
        let json = serde_json::to_string(&result).unwrap();
        assert!(json.contains("\"format_version\":2"));
        let again: Attribution = serde_json::from_str(&json).unwrap();
        assert_eq!(again, result);
    }
}

/// `blocks.3.hook_resid_post` of a model of four blocks is layer 4 here.
#[test]
fn the_end_of_the_last_block_is_a_layer() {
    let file = |name: &str| std::fs::read(format!("{TINY}/saes/{name}")).unwrap();
    let source = Altered::default();
    let cfg: Value = serde_json::from_slice(&file("blocks.3.hook_resid_pre/cfg.json")).unwrap();
    let mut cfg = cfg;
    cfg["hook_name"] = "blocks.3.hook_resid_post".into();
    source.replace("saes/blocks.3.hook_resid_post/cfg.json", cfg.to_string());
    let weights = file("blocks.3.hook_resid_pre/sae_weights.safetensors");
    source.replace("saes/blocks.3.hook_resid_post/sae_weights.safetensors", weights);
    let session = open(&source).unwrap();
    let prompt = "The Eiffel tower";
    for (request, from) in
        [(latent_to_latent(prompt, 2, 4), None), (latent_to_logit(prompt, 4, 3), Some(4))]
    {
        let result = ask(&session, request).unwrap();
        let nodes = if from.is_some() { &result.sources } else { &result.targets };
        assert_eq!(nodes.hook_name, Some(Place::resid_pre(4)), "as it was asked for");
        let sae = nodes.sae.as_ref().unwrap();
        assert!(sae.address.ends_with("saes/blocks.3.hook_resid_post"), "{}", sae.address);
        assert!(nodes.label[0].starts_with("F4."), "{}", nodes.label[0]);
        assert!(result.gradients.iter().any(|&g| g != 0.0));
    }
}

#[test]
fn saes_of_a_list_are_found_by_their_place() {
    let request = requests("The Eiffel tower")[1].clone();
    let plain = ask(&open(&Altered::default()).unwrap(), request.clone()).unwrap();
    let source = Altered::default();
    for layer in [1, 3] {
        for file in ["cfg.json", "sae_weights.safetensors"] {
            let path = format!("{TINY}/saes/blocks.{layer}.hook_resid_pre/{file}");
            source.replace(&format!("oai/layer_{layer}/{file}"), std::fs::read(path).unwrap());
        }
    }
    let entry = |address: &str, hook_name: &str| SaeAddress {
        address: format!("{TINY}/oai/{address}"),
        hook_name: Some(hook_name.parse().unwrap()),
        name: Some("oai".into()),
        ..SaeAddress::default()
    };
    // Under either name; of two for one place the first.
    let saes = vec![
        entry("layer_1", "blocks.1.hook_resid_pre"),
        entry("layer_3", "blocks.2.hook_resid_post"),
        entry("nowhere", "blocks.3.hook_resid_pre"),
    ];
    let addresses = Addresses { saes, ..addresses(TINY) };
    let session = Session::open(device(), Box::new(source), addresses);
    let session = pollster::block_on(session).unwrap();
    let found = ask(&session, request).unwrap();
    assert_eq!(found.gradients, plain.gradients);
    assert_eq!(found.targets.hook_name, plain.targets.hook_name, "as it was asked for");
    let sae = found.targets.sae.unwrap();
    assert_eq!((sae.address, sae.name), (format!("{TINY}/oai/layer_3"), Some("oai".into())));
    let error = ask(&session, token_to_latent("The", 2)).unwrap_err();
    assert_eq!(error.code(), "sae-missing", "{error}");
}
