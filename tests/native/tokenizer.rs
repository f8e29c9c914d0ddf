//! The tokenizer against the full `tokenizers` library on text of every kind.

use sae_attribution::tokenizer::Tokenizer;

use crate::gradients::Random;

const FILE: &str = "../tests/fixtures/tiny/model/tokenizer.json";

/// Characters of every class that GPT-2's expression tells apart, and some beside their borders:
/// numbers that are not digits, letters without case, marks, spaces that are not U+0020, controls.
const PIECES: [&str; 64] = [
    " ",
    " ",
    "  ",
    "\n",
    "\t",
    "\r\n",
    "\u{a0}",
    "\u{2003}",
    "\u{3000}",
    "\u{85}",
    "\u{200b}",
    "a",
    "B",
    "z",
    "é",
    "ß",
    "ñ",
    "日",
    "本",
    "ん",
    "ع",
    "ש",
    "ก",
    "ा",
    "\u{301}",
    "ª",
    "ǅ",
    "ʰ",
    "ⅷ",
    "²",
    "½",
    "٣",
    "१",
    "0",
    "7",
    "19",
    "'",
    "'s",
    "'t",
    "'re",
    "'ve",
    "'m",
    "'ll",
    "'d",
    "'S",
    "’s",
    ".",
    ",",
    "!?",
    "-",
    "_",
    "(",
    "€",
    "©",
    "😀",
    "👩‍💻",
    "🇫🇷",
    "\u{0}",
    "\u{7f}",
    "\u{feff}",
    "the",
    " of",
    "<|endoftext|>",
    "<|endoftext",
];

#[test]
fn every_text_is_cut_as_the_library_cuts_it() {
    let json = std::fs::read(FILE).unwrap();
    let library = tokenizers::Tokenizer::from_bytes(&json).unwrap();
    let bos = library.token_to_id("<|endoftext|>").unwrap();
    let own = Tokenizer::from_json(FILE, &json, bos, 1 << 17).unwrap();
    let mut random = Random::new(13);
    let mut pick = |n: usize| ((random.next() + 1.0) / 2.0 * n as f32) as usize % n;
    for _ in 0..20_000 {
        let text: String = (0..pick(9)).map(|_| PIECES[pick(PIECES.len())]).collect();
        let expected = library.encode(&*text, false).unwrap();
        assert_eq!(own.encode(&text).unwrap(), expected.get_ids(), "{text:?}");
        for &id in expected.get_ids() {
            assert_eq!(own.display(id), library.decode(&[id], false).unwrap(), "{id}");
        }
    }
    // Every character that has a word of its own kind, between letters and after a space.
    for c in (0..0x3_0000).filter_map(char::from_u32) {
        let text = format!("a{c}a {c}9{c}");
        let expected = library.encode(&*text, false).unwrap();
        assert_eq!(own.encode(&text).unwrap(), expected.get_ids(), "{text:?} U+{:04X}", c as u32);
    }
}

#[test]
fn tokens_are_completed_from_their_beginning() {
    let session = crate::altered::open(&crate::altered::Altered::default()).unwrap();
    let texts = |text: &str, limit| session.complete(text, limit).string;
    let found = texts(" te", 5);
    assert!(found.len() == 5 && found.iter().all(|token| token.starts_with(" te")), "{found:?}");
    assert_eq!(texts(" tennis", 3), [" tennis"]);
    assert_eq!(texts(" the", 2)[0], " the", "the text itself comes first");
    assert_eq!(texts("no token begins so", 3), [""; 0]);
    let all = session.complete("", 10_000);
    for (text, id) in all.string.iter().zip(&all.token_id) {
        let tokens = session.tokenize(text).unwrap().token_id;
        assert_eq!(tokens[1..], [*id], "{text:?}");
    }
    assert!(all.token_id.len() > 1000, "a test of nothing");
}

#[test]
fn other_kinds_of_tokenizers_are_errors() {
    let json = std::fs::read_to_string(FILE).unwrap();
    let refused = |json: String| match Tokenizer::from_json("t.json", json.as_bytes(), 0, 1 << 17) {
        Ok(_) => panic!("read {}", &json[..200]),
        Err(error) => assert_eq!(error.code(), "tokenizer-invalid"),
    };
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    let altered = |path: &str, new: serde_json::Value| {
        let mut value = value.clone();
        *value.pointer_mut(path).unwrap() = new;
        value.to_string()
    };
    refused(altered("/pre_tokenizer/type", "Whitespace".into()));
    refused(altered("/pre_tokenizer/add_prefix_space", true.into()));
    refused(altered("/normalizer", serde_json::json!({ "type": "NFC" })));
    refused(altered("/added_tokens/0/lstrip", true.into()));
    refused(altered("/model", serde_json::json!({ "type": "WordLevel" })));
    refused(altered("/model/merges", serde_json::json!(["no such"])));
    refused(json[..json.len() / 2].into());
}
