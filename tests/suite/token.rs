//! Tokenizers: equality with transformers, properties of extension and training, and malicious files.

use levain::cancel::{self, Cancel};
use levain::data::{Dataset, TextForm};
use levain::format::gguf::Gguf;
use levain::token::{ChatOptions, ExtendMethod, Tokenizer, Training};
use serde_json::{Value, json};
use std::path::Path;

const DATA: &str = "tests/data/token";

/// Text that is difficult for tokenizers.
const NASTY: &[&str] = &[
    "Hello world, this isn't 1234 test's  end \n\n  next\tline",
    "为了保护专利权人的合法权益，鼓励发明创造。",
    "Größe naïve façade — “quoted” … 100,000.50€",
    "emoji 👩‍👩‍👧 🇩🇪 and 한국어 日本語 हिन्दी",
    "  leading and trailing   ",
    "I'LL we've 'Re 'ſ\r\nCR\r LF\n \n\t",
    "x²³ ½ Ⅳ ٣ 一二三 \u{a0}\u{2009}\u{3000}wide spaces\u{3000}",
    "\u{0}\u{1}\u{7f} control, e\u{301} combining \u{301}, \u{10ffff}\u{e000}",
    "",
    "\n",
    " '",
    "''s'''d 'll",
];

fn open(name: &str) -> Tokenizer {
    Tokenizer::open(Path::new(DATA).join(name)).unwrap()
}

fn json_of(path: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(Path::new(DATA).join(path)).unwrap()).unwrap()
}

fn map_ids(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

fn statutes() -> Vec<String> {
    let clause = "第一条 为了保护专利权人的合法权益，鼓励发明创造，推动发明创造的应用，提高创新能力，制定本法。";
    let other = "第二条 本法所称的发明创造是指发明、实用新型和外观设计。专利权人的合法权益受法律保护。";
    (0..20).map(|n| format!("{clause}{other} No. {n}: the patent of the applicant, the patentee's rights.")).collect()
}

#[test]
fn ids_as_in_transformers() {
    let expect = json_of("expect.json");
    for name in ["smollm2", "qwen3", "gpt2", "bert"] {
        let tok = open(name);
        assert_eq!(tok.len(), expect[name]["len"].as_u64().unwrap() as usize, "{name}");
        for (text, ids) in expect["texts"].as_array().unwrap().iter().zip(expect[name]["ids"].as_array().unwrap()) {
            let text = text.as_str().unwrap();
            assert_eq!(tok.encode(text, true).unwrap().ids, map_ids(ids), "{name}: {text}");
        }
    }
}

/// After much text ids are found by longest tokens, where the merges allow it.
fn much_text(tok: &Tokenizer) {
    let ids = tok.ids(&"the patentee's 专利权人 abcab ".repeat(10_000), false).unwrap();
    assert_eq!(ids, tok.ids(&"the patentee's 专利权人 abcab ".repeat(10_000), false).unwrap(), "{tok}");
}

/// Ids alone are found without the engine where the result is known to be the same.
#[test]
fn ids_are_those_of_the_engine() {
    let texts: Vec<String> = statutes().into_iter().chain(NASTY.iter().map(|text| text.to_string())).collect();
    let mut all: Vec<Tokenizer> = ["smollm2", "qwen3", "gpt2", "bert"].map(open).into();
    for split in ["gpt2", "digits", "llama3", "qwen2"] {
        let how = Training { vocab_size: 500, pre_tokenizer: split.into(), ..Training::default() };
        all.push(Tokenizer::train(&statutes()[..3], &how).unwrap());
    }
    for at in 0..all.len() {
        let tok = all[at].clone();
        let words = ["专利权人", "patentee", "Größe", "<|sku|>", "test"];
        all.push(tok.extend_by_words(&words[..3], ExtendMethod::Auto).unwrap());
        all.push(tok.extend_by_words(&words[..3], ExtendMethod::WholeWords).unwrap());
        all.push(tok.extend_by_words(&words[3..], ExtendMethod::AddedTokens).unwrap());
    }
    // tokens around each text, as in Llama 3
    let mut spec = json_of("smollm2/tokenizer.json");
    let end = json!({"id": "<|im_end|>", "ids": [2], "tokens": ["<|im_end|>"]});
    spec["post_processor"] = json!({
        "type": "TemplateProcessing", "pair": [],
        "single": [{"SpecialToken": {"id": "<|im_end|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
            {"SpecialToken": {"id": "<|im_end|>", "type_id": 0}}],
        "special_tokens": {"<|im_end|>": end},
    });
    all.push(Tokenizer::from_json(spec, Default::default()).unwrap());
    for tok in all {
        much_text(&tok);
        // letters whose bytes are not tokens of SmolLM2
        let rare = "a \u{0}\u{4}\u{7f} b\u{4ff}\u{40000}\u{10ffff} c".to_string();
        for text in texts.iter().chain([&"a<|sku|>b <|im_end|> x".to_string(), &rare]) {
            for special in [true, false] {
                assert_eq!(tok.ids(text, special).unwrap(), tok.encode(text, special).unwrap().ids, "{tok}: {text:?}");
            }
        }
    }
}

/// Two merges that make the same token, and a pair that is merged twice: the engine has rules for both.
#[test]
fn ids_are_those_of_the_engine_for_odd_merges() {
    let letters = letters("letters");
    let odd = [["b", "c"], ["a", "b"], ["ab", "c"], ["c", "ab"], ["a", "bc"], ["abc", "ab"], ["bc", "a"], ["a", "b"]];
    same_ids_as_the_engine(&letters, &odd.map(|two| two.map(String::from)), 400, &mut Draws(1));
}

/// Any merges in any order: late halves, tokens that merge away before they are complete, tokens with two origins. Half of the
/// vocabularies are as training makes them, each token from one merge and after its halves.
#[test]
fn ids_are_those_of_the_engine_for_any_merges() {
    let letters = letters("any");
    let mut draws = Draws(7);
    for round in 0..60 {
        let mut tokens: Vec<String> = ["a", "b", "c"].map(String::from).into();
        let mut merges: Vec<[String; 2]> = Vec::new();
        for _ in 0..4 + draws.below(20) {
            let two = [0, 1].map(|_| tokens[draws.below(tokens.len())].clone());
            if round % 2 == 1 || !tokens.contains(&two.concat()) {
                tokens.push(two.concat());
                merges.push(two);
            }
        }
        if round % 4 == 3 {
            let (one, other) = (draws.below(merges.len()), draws.below(merges.len()));
            merges.swap(one, other);
        }
        same_ids_as_the_engine(&letters, &merges, 80, &mut draws);
    }
}

/// The description of a byte-only tokenizer, through a folder of this name.
fn letters(name: &str) -> Value {
    let folder = format!("out/tests/token/{name}");
    Tokenizer::train(&["a"], &Training { vocab_size: 259, ..Training::default() }).unwrap().save(&folder).unwrap();
    serde_json::from_str(&std::fs::read_to_string(format!("{folder}/tokenizer.json")).unwrap()).unwrap()
}

struct Draws(u64);

impl Draws {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) as usize % end
    }
}

/// On words of a, b and c, before and after much text.
fn same_ids_as_the_engine(letters: &Value, merges: &[[String; 2]], texts: usize, draws: &mut Draws) {
    let mut spec = letters.clone();
    let mut id = 259;
    for token in merges.iter().map(|two| two.concat()) {
        if spec["model"]["vocab"][&token].is_null() {
            spec["model"]["vocab"][token] = json!(id);
            id += 1;
        }
    }
    spec["model"]["merges"] = json!(merges);
    let tok = Tokenizer::from_json(spec, Default::default()).unwrap();
    for length in 0..texts {
        if length == texts / 4 {
            much_text(&tok);
        }
        let text: String = (0..length % 40).map(|_| ['a', 'b', 'c', ' '][draws.below(4)]).collect();
        assert_eq!(tok.ids(&text, false).unwrap(), tok.encode(&text, false).unwrap().ids, "{text} by {merges:?}");
    }
}

#[test]
fn special_pieces_by_their_files() {
    let tok = open("smollm2");
    assert_eq!((tok.bos(), tok.eos(), tok.pad(), tok.unk()), (Some(1), Some(2), Some(2), Some(0)));
    let bert = open("bert");
    assert_eq!(
        [bert.id("[CLS]"), bert.id("[SEP]"), bert.id("[MASK]")],
        ["cls", "sep", "mask"].map(|name| bert.special(name))
    );
    assert_eq!(bert.bos(), None);
    // added tokens outside the model's vocabulary keep the ids of the file
    let spec = json_of("qwen3/tokenizer.json");
    let qwen = open("qwen3");
    for token in spec["added_tokens"].as_array().unwrap() {
        assert_eq!(qwen.id(token["content"].as_str().unwrap()), Some(token["id"].as_u64().unwrap() as u32));
    }
}

#[test]
fn decoding_gives_the_text_back() {
    let trained = Tokenizer::train(&statutes(), &Training { vocab_size: 600, ..Training::default() }).unwrap();
    let unigram = Tokenizer::train(
        &statutes(),
        &Training { model_type: "unigram".into(), vocab_size: 500, ..Training::default() },
    )
    .unwrap();
    let digits = Tokenizer::train(
        &statutes(),
        &Training { vocab_size: 500, pre_tokenizer: "digits".into(), ..Training::default() },
    )
    .unwrap();
    let grown = trained.extend_by_words(&["专利权人", "patentee", "Größe"], ExtendMethod::Auto).unwrap();
    for tok in [trained, unigram, digits, grown, open("gpt2")] {
        for text in NASTY {
            let ids = tok.encode(text, false).unwrap().ids;
            assert_eq!(tok.decode(&ids, false).unwrap(), *text, "{tok}");
        }
        assert_eq!(
            tok.encode_batch(NASTY, false).unwrap(),
            NASTY.iter().map(|text| tok.ids(text, false).unwrap()).collect::<Vec<_>>()
        );
    }
}

#[test]
fn streamed_text_is_the_decoded_text() {
    let tok = open("gpt2");
    for text in NASTY {
        let mut stream = tok.stream(false);
        let ids = tok.ids(text, false).unwrap();
        let mut shown: String = ids.iter().map(|id| stream.push(*id).unwrap()).collect();
        shown += &stream.finish().unwrap();
        assert_eq!(shown, *text);
    }
}

/// The hand-written splitters compared with the engine's own expressions: an empty normalizer sends texts the slow way.
#[test]
fn words_are_those_of_the_expressions() {
    for split in ["gpt2", "digits", "llama3", "qwen2"] {
        let how = Training { vocab_size: 259, pre_tokenizer: split.into(), ..Training::default() };
        let quick = Tokenizer::train(&["a"], &how).unwrap();
        quick.save(format!("out/tests/token/{split}")).unwrap();
        let mut spec: Value =
            serde_json::from_str(&std::fs::read_to_string(format!("out/tests/token/{split}/tokenizer.json")).unwrap())
                .unwrap();
        if spec["normalizer"].is_null() {
            spec["normalizer"] = json!({"type": "Sequence", "normalizers": []});
        } else {
            spec["normalizer"] = json!({"type": "Sequence", "normalizers": [spec["normalizer"]]});
        }
        let slow = Tokenizer::from_json(spec, Default::default()).unwrap();
        for text in NASTY.iter().filter(|text| text.len() > 1) {
            let texts = [*text, "aa aa"];
            let propose = |tok: &Tokenizer| tok.continue_bpe(&texts, 1000, 1, 1000).unwrap();
            assert_eq!(propose(&quick), propose(&slow), "{split}: {text:?}");
        }
    }
}

/// Continued BPE by its rule, pairs recounted at every step: the most frequent pair whose merge is not a token yet, then the
/// smaller ids.
fn by_the_rule(old: &Tokenizer, texts: &[String], count: usize, least: i64) -> Vec<(String, String)> {
    use std::collections::BTreeMap;
    let mut ids: BTreeMap<String, usize> = (0..).zip(old.tokens()).map(|(id, token)| (token.clone(), id)).collect();
    let mut splits: Vec<Vec<String>> = texts
        .iter()
        .flat_map(|text| text.split_inclusive(' ').map(|word| old.encode(word, false).unwrap().tokens))
        .collect();
    let mut merges = Vec::new();
    while merges.len() < count {
        let mut pairs: BTreeMap<(usize, usize), (i64, String, String)> = BTreeMap::new();
        for two in splits.iter().flat_map(|split| split.windows(2)) {
            let new = || (0, two[0].clone(), two[1].clone());
            pairs.entry((ids[&two[0]], ids[&two[1]])).or_insert_with(new).0 += 1;
        }
        let fresh = pairs.iter().filter(|(_, (_, left, right))| !ids.contains_key(&format!("{left}{right}")));
        let Some((_, (times, left, right))) = fresh.max_by(|a, b| a.1.0.cmp(&b.1.0).then_with(|| b.0.cmp(a.0))) else {
            break;
        };
        if *times < least {
            break;
        }
        splits.iter_mut().for_each(|split| *split = joined(split, left, right));
        ids.insert(format!("{left}{right}"), old.len() + merges.len());
        merges.push((left.clone(), right.clone()));
    }
    merges
}

#[test]
fn continued_bpe_follows_its_rule() {
    let old = Tokenizer::train(&["a"], &Training { vocab_size: 259, ..Training::default() }).unwrap();
    let mut state = 7u64;
    let mut letter = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ['a', 'b', 'a', 'c', '大', 'a', 'b', 'ü'][(state >> 61) as usize]
    };
    // words end with a space and begin without: to this tokenizer a space alone is a word
    let texts: Vec<String> = (0..60).map(|_| (0..30).map(|_| letter()).collect()).collect();
    for (count, least) in [(40, 2), (400, 3), (2000, 1)] {
        let found = old.continue_bpe(&texts, count, least, 1000).unwrap();
        assert_eq!(found.merges, by_the_rule(&old, &texts, count, least as i64), "{count} tokens, {least} at least");
    }
}

/// The number of pairs processed together depends on the number of requested tokens; the result must not.
#[test]
fn more_pieces_begin_with_those_that_fewer_are() {
    let texts = statutes_of(0..1500);
    let old = Tokenizer::train(&["a"], &Training { vocab_size: 259, ..Training::default() }).unwrap();
    let all = old.continue_bpe(&texts, 30_000, 1, 16).unwrap();
    assert!(all.tokens.len() > 20_000, "{}", all.tokens.len());
    let mut counts = all.counts.clone();
    counts.sort_by_key(|count| std::cmp::Reverse(*count));
    assert_eq!(counts, all.counts);
    for count in [10, 3000, 9000] {
        let few = old.continue_bpe(&texts, count, 1, 16).unwrap();
        assert_eq!(few.tokens, all.tokens[..few.tokens.len()]);
        assert_eq!(few.merges, all.merges[..few.merges.len()]);
    }
    let frequent = old.continue_bpe(&texts, 30_000, 7, 16).unwrap();
    assert_eq!(frequent.tokens, all.tokens[..frequent.tokens.len()]);
    assert!(all.counts[frequent.counts.len()] < 7 && *frequent.counts.last().unwrap() >= 7);
}

#[test]
fn continued_bpe_leaves_no_dead_piece_and_moves_nothing() {
    let texts = statutes();
    for name in ["smollm2", "qwen3", "gpt2"] {
        let old = open(name);
        let proposal = old.continue_bpe(&texts, 120, 2, 16).unwrap();
        assert_eq!(proposal.tokens.len(), proposal.merges.len());
        let grown = old.extend_by_merges(&proposal).unwrap();
        let general = ["The quick brown fox jumps over the lazy dog.".to_string()];
        let audit = grown.audit(&old, &texts, &general).unwrap();
        assert_eq!((audit.before, audit.after), (old.len(), old.len() + proposal.tokens.len()));
        assert_eq!(audit.reachable, proposal.tokens.len());
        assert_eq!(audit.general_before, audit.general_after);
        assert!(audit.tokens_after * 2 < audit.tokens_before, "{name}: {audit:?}");
        assert_eq!(grown.tokens()[..old.len()], *old.tokens());
        assert_eq!((grown.specials(), grown.eos()), (old.specials(), old.eos()));
        for (token, ids) in grown.tokens()[old.len()..].iter().zip(grown.subtokens(&old).unwrap()) {
            let written: String = ids.iter().map(|id| old.token(*id).unwrap()).collect();
            assert_eq!(written, *token);
        }
        // a second extension appends to the first
        let again = grown.extend_by_words(&["外观设计", "实用新型"], ExtendMethod::Auto).unwrap();
        again.audit(&grown, &texts, &general).unwrap();
        grown.save(format!("out/tests/token/grown-{name}")).unwrap();
        let opened = Tokenizer::open(format!("out/tests/token/grown-{name}")).unwrap();
        assert_eq!(opened.tokens(), grown.tokens());
        assert_eq!(opened.encode_batch(&texts, true).unwrap(), grown.encode_batch(&texts, true).unwrap());
        assert_eq!((opened.eos(), opened.own_template()), (grown.eos(), grown.own_template()));
    }
}

#[test]
fn the_same_on_one_thread_and_two() {
    let texts = statutes();
    let work = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let kinds = ["bpe", "wordpiece", "unigram"];
            let trained = kinds.map(|kind| {
                let how = Training { model_type: kind.into(), vocab_size: 420, ..Training::default() };
                Tokenizer::train(&texts, &how).unwrap().tokens().to_vec()
            });
            (trained, open("smollm2").continue_bpe(&texts, 50, 2, 16).unwrap())
        })
    };
    let (one, two) = (work(1), work(2));
    for (kind, (one, two)) in one.0.iter().zip(&two.0).enumerate() {
        assert_eq!(one, two, "{kind}");
    }
    assert_eq!(one.1, two.1);
}

#[test]
fn an_interruption_ends_long_work() {
    let cancel = Cancel::default();
    cancel.request();
    let tok = open("gpt2");
    cancel::under(&cancel, || {
        assert!(tok.encode_batch(NASTY, false).unwrap_err().is_interrupted());
        assert!(tok.continue_bpe(&statutes(), 100, 2, 16).unwrap_err().is_interrupted());
    });
}

/// A GGUF file of nothing but metadata.
struct Writer(Vec<u8>);

impl Writer {
    fn text(&mut self, text: &str) {
        self.0.extend((text.len() as u64).to_le_bytes());
        self.0.extend(text.as_bytes());
    }

    fn key(&mut self, key: &str, kind: u32) {
        self.text(key);
        self.0.extend(kind.to_le_bytes());
    }

    fn list(&mut self, key: &str, kind: u32, length: usize) {
        self.key(key, 9);
        self.0.extend(kind.to_le_bytes());
        self.0.extend((length as u64).to_le_bytes());
    }
}

fn gguf(kind: &str, tokens: &[String], types: &[i32], merges: &[String], scores: &[f32]) -> Vec<u8> {
    let mut file = Writer(b"GGUF".to_vec());
    file.0.extend(3u32.to_le_bytes());
    file.0.extend(0u64.to_le_bytes());
    file.0.extend(8u64.to_le_bytes());
    file.key("tokenizer.ggml.model", 8);
    file.text(kind);
    file.key("tokenizer.ggml.pre", 8);
    file.text("smollm");
    file.list("tokenizer.ggml.tokens", 8, tokens.len());
    tokens.iter().for_each(|token| file.text(token));
    file.list("tokenizer.ggml.token_type", 5, types.len());
    types.iter().for_each(|kind| file.0.extend(kind.to_le_bytes()));
    file.list("tokenizer.ggml.merges", 8, merges.len());
    merges.iter().for_each(|merge| file.text(merge));
    file.list("tokenizer.ggml.scores", 6, scores.len());
    scores.iter().for_each(|score| file.0.extend(score.to_le_bytes()));
    file.key("tokenizer.ggml.bos_token_id", 4);
    file.0.extend(1u32.to_le_bytes());
    file.key("tokenizer.ggml.eos_token_id", 4);
    file.0.extend(2u32.to_le_bytes());
    file.0
}

fn smollm_gguf() -> Vec<u8> {
    let spec = json_of("smollm2/tokenizer.json");
    let tokens = open("smollm2").tokens().to_vec();
    let merge = |pair: &Value| format!("{} {}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap());
    let merges: Vec<String> = spec["model"]["merges"].as_array().unwrap().iter().map(merge).collect();
    let types: Vec<i32> = (0..tokens.len()).map(|id| if id < 17 { 3 } else { 1 }).collect();
    gguf("gpt2", &tokens, &types, &merges, &[])
}

fn written(name: &str, bytes: &[u8]) -> String {
    std::fs::create_dir_all("out/tests/token").unwrap();
    let path = format!("out/tests/token/{name}");
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn the_tokenizer_inside_a_gguf() {
    let tok = Tokenizer::open(written("smollm.gguf", &smollm_gguf())).unwrap();
    let folder = open("smollm2");
    assert_eq!(tok.tokens(), folder.tokens());
    assert_eq!(tok.specials(), folder.specials());
    assert_eq!((tok.bos(), tok.eos()), (Some(1), Some(2)));
    for text in NASTY {
        assert_eq!(tok.encode(text, true).unwrap(), folder.encode(text, true).unwrap());
    }
}

#[test]
fn sentence_pieces_inside_a_gguf() {
    let mut tokens: Vec<String> = ["<unk>", "<s>", "</s>"].map(String::from).to_vec();
    tokens.extend((0..=255).map(|byte| format!("<0x{byte:02X}>")));
    tokens.extend(["▁", "a", "b", "c", "ab", "▁a", "bc", "▁ab", "abc"].map(String::from));
    let types: Vec<i32> = (0..tokens.len())
        .map(|id| {
            if id == 0 {
                2
            } else if id < 3 {
                3
            } else if id < 259 {
                6
            } else {
                1
            }
        })
        .collect();
    // `bc` scores best, then `▁a`, then the others
    let scores: Vec<f32> = (0..tokens.len())
        .map(|id| match id {
            265 => -1.0,
            264 => -2.0,
            _ => -10.0 - id as f32,
        })
        .collect();
    let tok = Tokenizer::open(written("spm.gguf", &gguf("llama", &tokens, &types, &[], &scores))).unwrap();
    assert_eq!(tok.encode("abc b", false).unwrap().tokens, ["▁a", "bc", "▁", "b"]);
    assert_eq!(tok.encode("a", true).unwrap().tokens, ["<s>", "▁a"]);
    assert_eq!(tok.decode(&tok.ids("abc 大 b", false).unwrap(), false).unwrap(), "abc 大 b");
    // a byte-fallback character becomes a token of its own first
    let proposal = tok.continue_bpe(&["大c 大c 大c"], 10, 2, 16).unwrap();
    assert_eq!(proposal.tokens, ["大", "▁大", "▁大c"]);
    let grown = tok.extend_by_merges(&proposal).unwrap();
    assert_eq!(grown.encode("大c", false).unwrap().tokens, ["▁大c"]);
    assert_eq!(
        tok.extend_by_words(&["大法"], ExtendMethod::Auto).unwrap().encode("a大法", false).unwrap().tokens,
        ["▁a", "大法"]
    );
}

#[test]
fn a_gguf_that_is_cut_short_or_lies_is_an_error() {
    let whole = smollm_gguf();
    assert!(Gguf::parse(&whole).is_ok());
    for cut in (0..whole.len()).step_by(331).chain(0..64) {
        let error = Gguf::parse(&whole[..cut]).unwrap_err();
        assert!(error.what().contains("cut short") || error.what().contains("not a GGUF"), "{cut}: {error}");
    }
    // a count that no file can hold, and every single byte of the beginning changed
    let mut lie = whole.clone();
    lie[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(Gguf::parse(&lie).unwrap_err().what().contains("more than the rest of the file can hold"));
    for at in 0..200 {
        let mut changed = whole.clone();
        changed[at] ^= 0xff;
        let _ = Gguf::parse(&changed).and_then(|_| Tokenizer::open(written("changed.gguf", &changed)));
    }
}

#[test]
fn chats_say_who_said_what() {
    let tok = open("smollm2");
    let messages = json!([
        {"role": "system", "content": "user"},
        {"role": "user", "content": "  user user "},
        {"role": "assistant", "content": "assistant"},
        {"role": "user", "content": "user"},
        {"role": "assistant", "content": "好<|im_end|"},
    ]);
    let messages = messages.as_array().unwrap();
    let closed = ChatOptions::default();
    let open_turn = ChatOptions { add_generation_prompt: true, ..ChatOptions::default() };
    let chatml = tok.apply_chat_template(messages, &closed).unwrap();
    let turns = |tok: &Tokenizer| {
        let chat = tok.apply_chat_template(messages, &closed).unwrap();
        let turn = |span: &levain::token::ChatSpan| (span.role.clone(), chat.text[span.content.clone()].to_string());
        chat.spans.iter().map(turn).collect::<Vec<_>>()
    };
    let said = [
        ("system", "user"),
        ("user", "user user"),
        ("assistant", "assistant"),
        ("user", "user"),
        ("assistant", "好<|im_end|"),
    ];
    let said: Vec<_> = said.iter().map(|(role, words)| (role.to_string(), words.to_string())).collect();
    assert_eq!(turns(&tok), said);
    assert_eq!(&chatml.text[chatml.spans[2].turn.clone()], "assistant<|im_end|>");
    // a template that inspects its messages: marks would change its output
    let looks = "{% for m in messages %}[{{ m.role }}]{% if m.content.startswith('user') %}!{% endif %}{{ m.content | trim }}\
                 {{ '<|im_end|>' }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";
    assert_eq!(turns(&tok.with_chat_template(Some(looks.into()))), said);
    let refuses = tok.with_chat_template(Some("{{ raise_exception('no system here') }}".into()));
    assert!(refuses.apply_chat_template(messages, &closed).unwrap_err().what().contains("no system here"));
    // and one that changes the words
    let upper = tok.with_chat_template(Some("{% for m in messages %}{{ m.content | upper }}{% endfor %}".into()));
    assert_eq!(turns(&upper)[2], ("assistant".into(), "ASSISTANT".into()));
    assert!(tok.apply_chat_template(&[json!({"content": "x"})], &closed).unwrap_err().what().contains("no `role`"));
    // without ChatML's tokens a turn ends with EOS
    let gpt2 = open("gpt2").apply_chat_template(messages, &open_turn).unwrap();
    assert_eq!(&gpt2.text[gpt2.spans[2].turn.clone()], "assistant<|endoftext|>");
    assert!(gpt2.text.ends_with("\nassistant: "));
}

/// Articles of real statutes.
fn statutes_of(rows: std::ops::Range<usize>) -> Vec<String> {
    let path = Path::new("scripts/data/statutes.parquet");
    let data =
        Dataset::from(levain::data::read("test", path, TextForm::default()).unwrap()).slice(rows.start, rows.end);
    let field = data.field("test", "text").unwrap();
    data.texts("test", field).map(|text| text.unwrap().into_owned()).collect()
}

/// Runs of Chinese letters of the first statutes: each is one word to SmolLM2's tokenizer.
fn runs(rows: std::ops::Range<usize>) -> Vec<String> {
    let texts = statutes_of(rows);
    let han = |letter: char| ('\u{4e00}'..='\u{9fff}').contains(&letter);
    texts
        .iter()
        .flat_map(|text| text.split(move |letter| !han(letter)))
        .filter(|run| !run.is_empty())
        .map(String::from)
        .collect()
}

/// The rule of Purason et al. 2025 (arXiv 2512.03989), implemented from the paper for reference: words in the segmentation of the
/// old model; repeatedly the most frequent pair becomes one token, even one that is already in the vocabulary, until the
/// requested number of new tokens is reached. Its merges come after the old ones.
fn published(old: &Tokenizer, words: &[String], count: usize) -> Vec<(String, String)> {
    use std::collections::{BTreeMap, BTreeSet};
    let mut counted: BTreeMap<Vec<String>, i64> = BTreeMap::new();
    words.iter().for_each(|word| *counted.entry(old.encode(word, false).unwrap().tokens).or_default() += 1);
    let mut splits: Vec<(Vec<String>, i64)> = counted.into_iter().collect();
    let (mut merges, mut fresh) = (Vec::new(), BTreeSet::new());
    while fresh.len() < count {
        let mut pairs: BTreeMap<(&str, &str), i64> = BTreeMap::new();
        for (split, times) in &splits {
            split.windows(2).for_each(|two| *pairs.entry((&two[0], &two[1])).or_default() += times);
        }
        let most = pairs.iter().max_by(|a, b| a.1.cmp(b.1).then_with(|| b.0.cmp(a.0)));
        let Some((&(left, right), _)) = most else { break };
        let (left, right) = (left.to_string(), right.to_string());
        for (split, _) in &mut splits {
            *split = joined(split, &left, &right);
        }
        if old.id(&format!("{left}{right}")).is_none() {
            fresh.insert(format!("{left}{right}"));
        }
        merges.push((left, right));
    }
    merges
}

fn joined(split: &[String], left: &str, right: &str) -> Vec<String> {
    let mut whole: Vec<String> = Vec::new();
    let mut at = 0;
    while at < split.len() {
        if at + 1 < split.len() && split[at] == left && split[at + 1] == right {
            whole.push(format!("{left}{right}"));
            at += 2;
        } else {
            whole.push(split[at].clone());
            at += 1;
        }
    }
    whole
}

#[test]
fn continued_bpe_is_no_worse_than_the_published_rule() {
    let old = open("smollm2");
    let (train, held) = (runs(0..60), runs(20_000..20_040));
    let count = 150;
    let merges = published(&old, &train, count);
    let theirs: usize = held
        .iter()
        .map(|word| {
            let split = old.encode(word, false).unwrap().tokens;
            merges.iter().fold(split, |split, (left, right)| joined(&split, left, right)).len()
        })
        .sum();
    let grown = old.extend_by_merges(&old.continue_bpe(&train, count, 1, 64).unwrap()).unwrap();
    assert_eq!(grown.len(), old.len() + count);
    let ours: usize = held.iter().map(|word| grown.ids(word, false).unwrap().len()).sum();
    let bytes: usize = held.iter().map(String::len).sum();
    println!(
        "bytes per token: {:.4} by the rule, {:.4} here",
        bytes as f64 / theirs as f64,
        bytes as f64 / ours as f64
    );
    assert!(ours <= theirs, "{ours} tokens here, {theirs} by the published rule");
}

/// The distinct words of a text are held, and the text is not: neither for a stream nor for a dataset.
#[cfg(unix)]
#[test]
fn continued_bpe_holds_no_more_than_half_of_the_text_beside_it() {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let folder = tempfile::tempdir().unwrap();
    let english = Dataset::from(
        levain::data::read("test", "scripts/data/english.parquet".as_ref(), TextForm::default()).unwrap(),
    );
    let field = english.field("test", "text").unwrap();
    let english = english.texts("test", field).map(|text| text.unwrap().into_owned());
    let lines: Vec<String> =
        statutes_of(0..4000).into_iter().chain(english).map(|text| text.replace('\n', " ")).collect();
    let mut file = std::io::BufWriter::new(std::fs::File::create(folder.path().join("big.txt")).unwrap());
    let mut size = 0;
    for line in lines.iter().cycle() {
        writeln!(file, "{line}").unwrap();
        size += line.len() as u64 + 1;
        if size > 80 << 20 {
            break;
        }
    }
    drop(file);
    for texts in ["stream", "dataset"] {
        let tok = Path::new(env!("CARGO_MANIFEST_DIR")).join(DATA).join("smollm2");
        let script = format!(
            "let t = tokenizer({tok:?}); print(t.continue_bpe({texts}(\"big.txt\"), #{{ limit: 5000 }}).tokens.len());"
        );
        std::fs::write(folder.path().join("a.rhai"), script).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_levain"));
        command.args(["run", "a.rhai"]).current_dir(folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let told = crate::sandbox::wait(command.spawn().unwrap());
        assert_eq!(told.out.trim(), "5000", "{}", told.err);
        println!("{texts}: {} MB of {} MB", told.peak >> 20, size >> 20);
        assert!(told.peak < size + size / 2, "{texts}: {} MB of {} MB", told.peak >> 20, size >> 20);
    }
}
