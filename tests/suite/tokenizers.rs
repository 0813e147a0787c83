//! Tokenizers on disk: folders of a dozen families equal transformers' AutoTokenizer, and GGUF files equal llama.cpp.
//! `tests/reference/tokenizers/families.py` writes the folders and the expected results.

use levain::token::inputs::{Fit, Input};
use levain::token::{SPECIALS, Tokenizer};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const FAMILIES: &str = "tests/data/token/families";

fn expect() -> Value {
    serde_json::from_str(&std::fs::read_to_string(Path::new(FAMILIES).join("expect.json")).unwrap()).unwrap()
}

fn open(name: &str) -> Tokenizer {
    Tokenizer::open(Path::new(FAMILIES).join(name)).unwrap()
}

fn texts(expect: &Value) -> Vec<String> {
    expect["texts"].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_string()).collect()
}

fn numbers(value: &Value) -> Vec<u32> {
    value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

#[test]
fn folders_are_read_as_autotokenizer_reads_them() {
    let expect = expect();
    let texts = texts(&expect);
    let folders = expect["folders"].as_object().unwrap();
    assert!(folders.len() >= 48);
    for (name, want) in folders {
        let tok = open(name);
        assert_eq!(tok.len() as u64, want["len"].as_u64().unwrap(), "{name}");
        for special in SPECIALS {
            let id = want["special"][special].as_u64().map(|id| id as u32);
            // where no file defines them, the usual names are used
            if id.is_some() || name != "llama2-as-it-is" {
                assert_eq!(tok.special(special), id, "{name}: {special}");
            }
        }
        for (at, text) in texts.iter().enumerate() {
            let ids = numbers(&want["ids"][at]);
            assert_eq!(tok.encode(text, true).unwrap().ids, ids, "{name}: {text:?}");
            assert_eq!(tok.ids(text, true).unwrap(), ids, "{name}: {text:?}");
            assert_eq!(tok.decode(&ids, true).unwrap(), want["decoded"][at].as_str().unwrap(), "{name}: {text:?}");
        }
    }
}

/// A text that begins with BOS, as chat templates write it, has no second one prepended, where AutoTokenizer's call adds it:
/// `apply_chat_template(tokenize=True)` returns one too. Other prepended tokens are AutoTokenizer's.
#[test]
fn a_text_that_begins_with_bos_gets_no_second() {
    let expect: Value =
        serde_json::from_str(&std::fs::read_to_string("tests/data/token/begins.json").unwrap()).unwrap();
    let folders = expect.as_object().unwrap();
    assert!(folders.len() > 25);
    for (name, texts) in folders {
        let tok = open(name);
        let begin = numbers(&texts["the patent"])[0];
        for (text, ids) in texts.as_object().unwrap() {
            let ids = numbers(ids);
            let is_second = tok.bos() == Some(begin) && text.starts_with(tok.token(begin).unwrap());
            let ids = &ids[usize::from(is_second)..];
            assert_eq!(tok.encode(text, true).unwrap().ids, ids, "{name}: {text:?}");
            assert_eq!(tok.ids(text, true).unwrap(), ids, "{name}: {text:?}");
        }
    }
}

#[test]
fn what_was_read_is_saved_so_that_it_reads_the_same() {
    let expect = expect();
    let texts = texts(&expect);
    for name in expect["folders"].as_object().unwrap().keys() {
        let tok = open(name);
        let folder = format!("out/tests/tokenizers/saved/{name}");
        tok.save(&folder).unwrap();
        let again = Tokenizer::open(&folder).unwrap();
        assert_eq!((again.tokens(), again.specials()), (tok.tokens(), tok.specials()), "{name}");
        for text in &texts {
            let ids = tok.ids(text, true).unwrap();
            assert_eq!(again.ids(text, true).unwrap(), ids, "{name}: {text:?}");
            assert_eq!(again.decode(&ids, true).unwrap(), tok.decode(&ids, true).unwrap(), "{name}: {text:?}");
        }
    }
}

/// An added token is not an entry of the model's vocabulary: it does not match inside other words (`single_word`), nor where only
/// the normalized text contains it. The ids are those of tokenizers 0.23.3.
#[test]
fn added_tokens_are_not_found_by_the_model() {
    let word = |content: &str, id: u32, single_word: bool, special: bool| json!({ "id": id, "content": content, "single_word": single_word, "lstrip": false, "rstrip": false, "normalized": !special, "special": special });
    let ids = |added: Vec<Value>, lower: bool, model: Value, text: &str| {
        let normalizer = if lower { json!({ "type": "Lowercase" }) } else { Value::Null };
        let cut = if model["type"] == "Unigram" { Value::Null } else { json!({ "type": "WhitespaceSplit" }) };
        let spec = json!({ "version": "1.0", "added_tokens": added, "normalizer": normalizer, "pre_tokenizer": cut, "post_processor": null, "decoder": null, "model": model });
        let tok = Tokenizer::from_json(spec, Default::default()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        tok.save(folder.path()).unwrap();
        let again = Tokenizer::open(folder.path()).unwrap();
        assert_eq!(again.ids(text, false).unwrap(), tok.ids(text, false).unwrap());
        assert_eq!(again.tokens(), tok.tokens());
        tok.ids(text, false).unwrap()
    };
    let parts = json!({ "<unk>": 0, "m": 1, "##ask": 2, "##s": 3, "un": 4, "##m": 5 });
    let pieces = json!({ "type": "WordPiece", "unk_token": "<unk>", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": parts });
    assert_eq!(ids(vec![word("mask", 6, true, false)], false, pieces, "mask masks unmask"), [6, 1, 2, 3, 4, 5, 2]);
    let scores = json!([["<unk>", 0.0], ["m", -1.0], ["ask", -2.0], ["s", -3.0]]);
    let unigram = json!({ "type": "Unigram", "unk_id": 0, "byte_fallback": false, "vocab": scores });
    assert_eq!(ids(vec![word("mask", 4, false, true)], true, unigram, "Mask masks"), [1, 2, 0, 4, 3]);
    let words = json!({ "type": "WordLevel", "unk_token": "<unk>", "vocab": { "<unk>": 0, "the": 1 } });
    let added = vec![word("big cat", 2, false, false), word("cat", 3, true, false)];
    assert_eq!(ids(added, true, words, "the cat the-cat the BIG CAT cats"), [1, 3, 0, 3, 1, 2, 0]);
}

/// `truncation_side: left`: the ids of transformers 5.24, with `truncation=True, max_length=…`.
#[test]
fn what_is_too_long_is_cut_on_the_side_that_the_folder_says() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy("tests/data/token/bert/vocab.txt", folder.path().join("vocab.txt")).unwrap();
    let cut = |side: &str, max_length: usize, second: Option<&str>| {
        let config = json!({ "tokenizer_class": "BertTokenizer", "truncation_side": side });
        std::fs::write(folder.path().join("tokenizer_config.json"), config.to_string()).unwrap();
        let tok = Tokenizer::open(folder.path()).unwrap();
        let first = if second.is_some() { "the cat sat on" } else { "the cat sat on the mat today" };
        let fit = Fit { max_length: Some(max_length), overlap: None };
        let inputs = tok.inputs(&Input::Text(first), second.map(Input::Text).as_ref(), &fit).unwrap();
        inputs[0].ids.clone()
    };
    assert_eq!(cut("left", 6, None), [2, 183, 1504, 174, 2942, 3]);
    assert_eq!(cut("right", 6, None), [2, 183, 1988, 525, 288, 3]);
    assert_eq!(cut("left", 9, Some("a dog and a cat on it")), [2, 1988, 525, 288, 3, 1988, 288, 241, 3]);
}

/// Files of ranks: tiktoken's, by the names of their encodings, and Mistral's. `tests/reference/tokenizers/tiktoken_files.py`
/// writes them, with the ids of tiktoken and mistral_common.
#[test]
fn ranks_give_the_ids_of_tiktoken_and_mistral_common() {
    let folder = Path::new("tests/data/token/ranks");
    let expect: Value = serde_json::from_str(&std::fs::read_to_string(folder.join("expect.json")).unwrap()).unwrap();
    let texts = texts(&expect);
    let files = expect["files"].as_object().unwrap();
    assert_eq!(files.len(), 6);
    for (name, want) in files {
        let tok = Tokenizer::open(folder.join(name)).unwrap();
        for (token, id) in want["specials"].as_object().unwrap() {
            assert_eq!(tok.id(token).map(u64::from), id.as_u64(), "{name}: {token}");
            assert!(tok.is_special(tok.id(token).unwrap()), "{name}: {token}");
        }
        let saved = format!("out/tests/tokenizers/ranks/{name}");
        tok.save(&saved).unwrap();
        let again = Tokenizer::open(&saved).unwrap();
        for (at, text) in texts.iter().enumerate() {
            let ids = numbers(&want["ids"][at]);
            assert_eq!(tok.encode(text, true).unwrap().ids, ids, "{name}: {text:?}");
            assert_eq!(again.encode(text, true).unwrap().ids, ids, "{name}, saved: {text:?}");
            if name != "qwen.tiktoken" {
                assert_eq!(tok.decode(&ids, true).unwrap(), *text, "{name}");
            }
        }
        let unused = tok.unused().join("\n");
        assert_eq!(unused.contains("chat template"), name.contains("tekken"), "{name}: {unused}");
        assert_eq!(unused.contains("`image` is not used"), name == "tekken-v11.json", "{name}: {unused}");
    }
}

#[test]
fn files_of_ranks_that_lie_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let told = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let error = Tokenizer::open(&path).err().unwrap();
        std::fs::remove_file(&path).unwrap();
        let text = format!("{error} / {}", error.advice().unwrap_or_default());
        assert!(text.contains(name), "{text}");
        text
    };
    let read = |name: &str| std::fs::read_to_string(Path::new("tests/data/token/ranks").join(name)).unwrap();
    let lines = read("r50k_base.tiktoken");
    assert!(told("mine.tiktoken", &lines).contains("name it by its encoding (gpt2, r50k_base, cl100k_base"));
    assert!(told("qwen.tiktoken", &format!("{lines}nothing\n")).contains("line 701 is not `base64 rank`"));
    assert!(told("qwen.tiktoken", &format!("{lines}AA== 900\n")).contains("ranks 0 and 900 are of one token"));
    let mistral = read("tekken-v11.json");
    let json: Value = serde_json::from_str(&mistral).unwrap();
    let without = |change: &dyn Fn(&mut Value)| {
        let mut json = json.clone();
        change(&mut json);
        told("tekken.json", &json.to_string())
    };
    assert!(
        without(&|json| json["special_tokens"] = Value::Null)
            .contains("`special_tokens` is missing, in a file of version \"v11\"")
    );
    assert!(without(&|json| json["special_tokens"][2]["rank"] = json!(7)).contains("has rank"));
    assert!(
        without(&|json| json["config"]["default_vocab_size"] = json!(4000))
            .contains("`config.default_vocab_size` is 4000")
    );
    assert!(
        without(&|json| json["config"]["default_num_special_tokens"] = json!(3))
            .contains("`config.default_num_special_tokens` is 3")
    );
    assert!(without(&|json| json["vocab"][5]["rank"] = json!(6)).contains("entry 5 is no token of rank 5"));
    assert!(without(&|json| json["config"]["pattern"] = Value::Null).contains("`config.pattern` is null"));
}

/// A metadata value of a GGUF file.
enum Meta<'a> {
    Text(&'a str),
    Id(u32),
    Flag(bool),
    Texts(Vec<String>),
    Kinds(Vec<i32>),
    Scores(Vec<f32>),
    Bytes(Vec<u8>),
}

fn gguf(name: &str, entries: &[(&str, Meta)]) -> PathBuf {
    let mut file = b"GGUF".to_vec();
    file.extend(3u32.to_le_bytes());
    file.extend(0u64.to_le_bytes());
    file.extend((entries.len() as u64).to_le_bytes());
    let text = |file: &mut Vec<u8>, text: &str| {
        file.extend((text.len() as u64).to_le_bytes());
        file.extend(text.as_bytes());
    };
    let list = |file: &mut Vec<u8>, kind: u32, count: usize| {
        file.extend(9u32.to_le_bytes());
        file.extend(kind.to_le_bytes());
        file.extend((count as u64).to_le_bytes());
    };
    for (key, value) in entries {
        text(&mut file, &if key.contains('.') { key.to_string() } else { format!("tokenizer.ggml.{key}") });
        match value {
            Meta::Text(value) => {
                file.extend(8u32.to_le_bytes());
                text(&mut file, value);
            }
            Meta::Id(id) => {
                file.extend(4u32.to_le_bytes());
                file.extend(id.to_le_bytes());
            }
            Meta::Flag(flag) => {
                file.extend(7u32.to_le_bytes());
                file.push(u8::from(*flag));
            }
            Meta::Texts(texts) => {
                list(&mut file, 8, texts.len());
                texts.iter().for_each(|one| text(&mut file, one));
            }
            Meta::Kinds(kinds) => {
                list(&mut file, 5, kinds.len());
                kinds.iter().for_each(|kind| file.extend(kind.to_le_bytes()));
            }
            Meta::Scores(scores) => {
                list(&mut file, 6, scores.len());
                scores.iter().for_each(|score| file.extend(score.to_le_bytes()));
            }
            Meta::Bytes(bytes) => {
                list(&mut file, 0, bytes.len());
                file.extend(bytes);
            }
        }
    }
    std::fs::create_dir_all("out/tests/tokenizers").unwrap();
    let path = PathBuf::from(format!("out/tests/tokenizers/{name}.gguf"));
    std::fs::write(&path, file).unwrap();
    path
}

fn json_of(path: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(Path::new(FAMILIES).join(path)).unwrap()).unwrap()
}

/// The tokens, types and merges of a byte-level family.
fn byte_level(name: &str) -> (Vec<String>, Vec<i32>, Vec<String>) {
    let tok = open(name);
    let spec = json_of(&format!("{name}/tokenizer.json"));
    let kind = |id: u32| {
        let added = spec["added_tokens"].as_array().unwrap().iter().find(|token| token["id"] == id);
        added.map_or(1, |token| if token["special"] == true { 3 } else { 4 })
    };
    let half = |merge: &Value, at: usize| merge[at].as_str().unwrap().to_string();
    let merges = spec["model"]["merges"].as_array().unwrap();
    let merges = merges.iter().map(|merge| format!("{} {}", half(merge, 0), half(merge, 1))).collect();
    (tok.tokens().to_vec(), (0..tok.len() as u32).map(kind).collect(), merges)
}

/// The same vocabularies inside a GGUF, split by llama.cpp's name for their pre-tokenizer.
#[test]
fn pre_tokenizers_of_llama_cpp_cut_as_their_families_do() {
    let expect = expect();
    for (family, pre, bos) in [
        ("llama3", "llama-bpe", Some("<|begin_of_text|>")),
        ("mistral-nemo", "tekken", Some("<s>")),
        ("deepseek", "deepseek-v3", None),
        ("qwen3", "qwen2", None),
        ("qwen3_5", "qwen35", None),
    ] {
        let folder = open(family);
        let (tokens, kinds, merges) = byte_level(family);
        let bos = bos.map(|token| folder.id(token).unwrap());
        let mut entries = vec![
            ("model", Meta::Text("gpt2")),
            ("pre", Meta::Text(pre)),
            ("tokens", Meta::Texts(tokens)),
            ("token_type", Meta::Kinds(kinds)),
            ("merges", Meta::Texts(merges)),
        ];
        entries.extend(bos.map(|id| ("bos_token_id", Meta::Id(id))));
        let tok = Tokenizer::open(gguf(family, &entries)).unwrap();
        for text in texts(&expect) {
            let special = bos.is_some();
            assert_eq!(tok.ids(&text, special).unwrap(), folder.ids(&text, special).unwrap(), "{family}: {text:?}");
        }
        // the key takes precedence
        entries.push(("add_bos_token", Meta::Flag(false)));
        let tok = Tokenizer::open(gguf(family, &entries)).unwrap();
        assert_eq!(tok.ids("the cat", true).unwrap(), tok.ids("the cat", false).unwrap(), "{family}");
    }
}

/// Every name in the table of llama.cpp's src/llama-vocab.cpp opens, and loses nothing of a text.
#[test]
fn every_pre_tokenizer_of_llama_cpp_is_known() {
    const NAMES: &str = "default gpt-2 phi-2 jina-es jina-de gigachat jina-v2-es jina-v2-de a.x-4.0 mellum modern-bert mpt olmo jais \
        trillion granite-docling exaone4 jina-v1-en jina-v2-code roberta-bpe smollm starcoder refact command-r codeshell exaone \
        minerva-7b mellum2 llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano dbrx smaug-bpe glm4 \
        chatglm-bpe qwen2 deepseek-r1-qwen kormo f2llmv2 megrez qwen35 stablelm2 hunyuan solar-open grok-2 tekken gpt-4o llama4 \
        kanana2 talkie minimax-m2 granite-embed-multi-97m tiny_aya cohere2moe falcon deepseek-llm deepseek-coder deepseek-v3 \
        hunyuan-dense joyai-llm hy_v4 spark2_5 youtu afmoe poro-chat bloom gpt3-finnish viking jais-2 superbpe bailingmoe \
        bailingmoe2 llada-moe seed-coder ufakzeka laguna exaone-moe minicpm5 chameleon kimi-k2";
    let (tokens, kinds, merges) = byte_level("plain-json");
    let texts = texts(&expect());
    for pre in NAMES.split_whitespace() {
        let entries = [
            ("model", Meta::Text("gpt2")),
            ("pre", Meta::Text(pre)),
            ("tokens", Meta::Texts(tokens.clone())),
            ("token_type", Meta::Kinds(kinds.clone())),
            ("merges", Meta::Texts(merges.clone())),
        ];
        let tok = Tokenizer::open(gguf("table", &entries)).unwrap_or_else(|error| panic!("{pre}: {error}"));
        let composed = ["qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez", "qwen35"].contains(&pre);
        for text in texts.iter().filter(|text| !composed || !text.contains("combining")) {
            let ids = tok.ids(text, false).unwrap();
            assert_eq!(tok.decode(&ids, false).unwrap(), *text, "{pre}");
        }
    }
    let unknown = [
        ("model", Meta::Text("gpt2")),
        ("pre", Meta::Text("none")),
        ("tokens", Meta::Texts(tokens)),
        ("merges", Meta::Texts(merges)),
    ];
    let error = Tokenizer::open(gguf("unknown", &unknown)).err().unwrap().to_string();
    assert!(error.contains("the pre-tokenizer `none` in a .gguf is not known here"), "{error}");
}

/// llama.cpp's behavior for each name with a special split: the words of a text, by hand.
#[test]
fn words_of_some_pre_tokenizers() {
    let (mut tokens, mut kinds, merges) = byte_level("plain-json");
    // each word as one token, if the pre-tokenizer produces it: found by `ignore_merges` or not at all
    let words = ["123", "1", "12", "234", "1234", "don", "'t", "Ġdon", "don't"];
    for word in words.iter().filter(|word| !tokens.contains(&word.to_string())).collect::<Vec<_>>() {
        tokens.push(word.to_string());
        kinds.push(1);
    }
    let cut = |pre: &str, text: &str| {
        let entries = [
            ("model", Meta::Text("gpt2")),
            ("pre", Meta::Text(pre)),
            ("tokens", Meta::Texts(tokens.clone())),
            ("token_type", Meta::Kinds(kinds.clone())),
            ("merges", Meta::Texts(merges.clone())),
        ];
        Tokenizer::open(gguf("words", &entries)).unwrap().encode(text, false).unwrap().tokens
    };
    assert_eq!(cut("llama-bpe", "1234")[0], "123");
    assert_eq!(cut("tekken", "1234"), ["1", "2", "3", "4"]);
    assert_eq!(cut("youtu", "1234"), ["1", "2", "3", "4"]);
    assert_eq!(cut("minicpm5", "1234"), ["123", "4"]);
    assert_eq!(cut("granite-embed-multi-97m", "don't"), ["don't"]);
    assert_eq!(cut("llama-bpe", "don't"), ["don", "'t"]);
}

/// SentencePiece's own rule over symbols: the pair whose merged token scores best; of equal ones the leftmost.
fn by_the_rule(tokens: &[String], scores: &[f32], text: &str) -> Vec<String> {
    let mut symbols: Vec<String> = text.chars().map(String::from).collect();
    loop {
        let whole = |at: usize| tokens.iter().position(|token| *token == symbols[at..at + 2].concat());
        let pairs = (0..symbols.len().saturating_sub(1)).filter_map(|at| Some((scores[whole(at)?], at)));
        let Some((_, at)) = pairs.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1))) else { return symbols };
        let right = symbols.remove(at + 1);
        symbols[at] += &right;
    }
}

#[test]
fn scores_that_tie_merge_from_the_left() {
    let mut tokens: Vec<String> = ["<unk>", "<s>", "</s>"].map(String::from).to_vec();
    tokens.extend((0..=255).map(|byte| format!("<0x{byte:02X}>")));
    let first = tokens.len();
    tokens.extend(["▁", "a", "b", "c", "ab", "ba", "bc", "ca", "aba", "▁a", "bab", "abca"].map(String::from));
    let kinds: Vec<i32> =
        (0..tokens.len()).map(|id| [2, 3, 3].get(id).copied().unwrap_or(if id < first { 6 } else { 1 })).collect();
    let mut state = 3u64;
    let mut draw = |below: u64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % below
    };
    for round in 0..20 {
        // all equal, then some levels shared by several
        let scores: Vec<f32> = (0..tokens.len()).map(|_| if round == 0 { 0.0 } else { -(draw(4) as f32) }).collect();
        let entries = [
            ("model", Meta::Text("llama")),
            ("tokens", Meta::Texts(tokens.clone())),
            ("token_type", Meta::Kinds(kinds.clone())),
            ("scores", Meta::Scores(scores.clone())),
        ];
        let tok = Tokenizer::open(gguf("ties", &entries)).unwrap();
        for _ in 0..60 {
            let text: String = (0..draw(12)).map(|_| ['a', 'b', 'c', ' '][draw(4) as usize]).collect();
            let spaced = if text.is_empty() { String::new() } else { format!("▁{}", text.replace(' ', "▁")) };
            let want = by_the_rule(&tokens, &scores, &spaced);
            assert_eq!(tok.encode(&text, false).unwrap().tokens, want, "{text:?} by {scores:?}");
            let ids: Vec<u32> = want.iter().map(|token| tok.id(token).unwrap()).collect();
            assert_eq!(tok.ids(&text, false).unwrap(), ids);
        }
        // the prefix is llama.cpp's own choice, 1 without a key
        assert_eq!(tok.ids("", true).unwrap(), [1]);
    }
}

#[test]
fn bert_and_t5_inside_a_gguf() {
    let texts = texts(&expect());
    let folder = open("bert");
    let spelled = |(id, token): (usize, &String)| match token.strip_prefix("##") {
        Some(inside) => inside.to_string(),
        None if id < 5 => token.clone(),
        None => format!("▁{token}"),
    };
    let tokens: Vec<String> = folder.tokens().iter().enumerate().map(spelled).collect();
    let kinds = (0..tokens.len()).map(|id| if id < 5 { 3 } else { 1 }).collect();
    let entries = [
        ("model", Meta::Text("bert")),
        ("tokens", Meta::Texts(tokens)),
        ("token_type", Meta::Kinds(kinds)),
        ("bos_token_id", Meta::Id(2)),
        ("unknown_token_id", Meta::Id(1)),
        ("seperator_token_id", Meta::Id(3)),
    ];
    let tok = Tokenizer::open(gguf("bert", &entries)).unwrap();
    for text in &texts {
        assert_eq!(tok.ids(text, true).unwrap(), folder.ids(text, true).unwrap(), "{text:?}");
    }

    let spec = json_of("t5/tokenizer.json");
    let rows = spec["model"]["vocab"].as_array().unwrap();
    let tokens: Vec<String> = rows.iter().map(|row| row[0].as_str().unwrap().to_string()).collect();
    let scores: Vec<f32> = rows.iter().map(|row| row[1].as_f64().unwrap() as f32).collect();
    let kinds = (0..tokens.len())
        .map(|id| [3, 3, 2].get(id).copied().unwrap_or(if tokens[id].starts_with("<extra") { 4 } else { 1 }));
    let map = spec["normalizer"]["normalizers"][0]["precompiled_charsmap"]
        .as_str()
        .or(spec["normalizer"]["precompiled_charsmap"].as_str());
    let entries = [
        ("model", Meta::Text("t5")),
        ("tokens", Meta::Texts(tokens.clone())),
        ("token_type", Meta::Kinds(kinds.collect())),
        ("scores", Meta::Scores(scores)),
        ("add_space_prefix", Meta::Flag(true)),
        ("remove_extra_whitespaces", Meta::Flag(true)),
        ("precompiled_charsmap", Meta::Bytes(bytes_of(map.unwrap()))),
    ];
    let tok = Tokenizer::open(gguf("t5", &entries)).unwrap();
    let folder = open("t5");
    // tabs and line ends are white space to T5's class, and as the replacements define to SentencePiece
    for text in texts.iter().filter(|text| !text.contains(['\t', '\n', '\r', '▁', '<', '\u{2009}', '\u{1}'])) {
        assert_eq!(tok.ids(text, true).unwrap(), folder.ids(text, true).unwrap(), "{text:?}");
    }
}

/// Base64, decoded by the rule.
fn bytes_of(text: &str) -> Vec<u8> {
    const SIGNS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: Vec<u8> = text
        .trim_end_matches('=')
        .chars()
        .flat_map(|sign| {
            let value = SIGNS.find(sign).unwrap() as u8;
            (0..6).rev().map(move |bit| value >> bit & 1)
        })
        .collect();
    bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |value, bit| value << 1 | bit)).collect()
}

/// The engine's decoder would panic on an empty token.
#[test]
fn a_decoder_may_strip_ends() {
    let mut spec = json_of("plain-json/tokenizer.json");
    let strip = json!({"type": "Strip", "content": "x", "start": 1, "stop": 2});
    spec["decoder"] = json!({"type": "Sequence", "decoders": [spec["decoder"], strip]});
    let tok = Tokenizer::from_json(spec, Default::default()).unwrap();
    let decoded = |text: &str| tok.decode(&tok.ids(text, false).unwrap(), false).unwrap();
    assert_eq!(["xxaxxxx", "", "x", "a"].map(decoded), ["xaxx", "", "", "a"]);
}

/// An invalid description is an error, whatever its contents.
#[test]
fn descriptions_that_are_none_are_errors() {
    let error = |spec: Value| Tokenizer::from_json(spec, Default::default()).err().unwrap().to_string();
    assert_eq!(error(json!({"model": "x"})), "tokenizer: its `model` is a string, not a map");
    assert_eq!(error(json!({"model": []})), "tokenizer: its `model` is a list, not a map");
    let model = json!({"type": "BPE", "vocab": {"a": 0}, "merges": []});
    assert_eq!(
        error(json!({"model": model, "added_tokens": {}})),
        "tokenizer: its `added_tokens` is a map, not a list"
    );
    let bpe = |part: &str, value: Value| error(json!({"model": model, part: value}));
    let empty = json!({"type": "Replace", "pattern": {"String": ""}, "content": "x"});
    assert!(bpe("normalizer", empty).contains("a pattern that is empty"));
    for pattern in ["x*", "", "^", "(?=a)", r"\b", "a|(b?)", "(?:x{0,3})", "(?i)a?"] {
        let nothing = json!({"type": "Replace", "pattern": {"Regex": pattern}, "content": "x"});
        assert!(bpe("normalizer", nothing).contains("which may be nothing"), "{pattern}");
    }
    assert!(bpe("pre_tokenizer", json!({"type": "FixedLength", "length": 0})).contains("parts of the length 0"));
    let piece = json!([{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]);
    let around = json!({"type": "TemplateProcessing", "single": piece, "pair": piece, "special_tokens": {}});
    assert!(bpe("post_processor", around).contains("puts `<s>` around a text and does not say what that is"));
    let map = json!({"type": "Precompiled", "precompiled_charsmap": "/////wAAAAA="});
    assert!(bpe("normalizer", map).contains("its precompiled_charsmap (8 bytes) is damaged"));
    let marked = json!({"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"], "continuing_subword_prefix": "####"});
    assert!(error(json!({"model": marked})).contains("the right half `b` of a merge does not begin with \"####\""));
    for (pattern, why) in [
        ("a\\Gb", "`\\G`"),
        ("(?i:ss)", "letters that are one letter in another case"),
        ("[[:foo:]]", "the class `[:foo:]`"),
        ("(?s:a)", "the flag `s`"),
    ] {
        let split = json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false});
        assert!(bpe("pre_tokenizer", split).contains(why), "{pattern}");
    }
    let far = json!({"model": {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0]]}, "added_tokens": [{"id": 5, "content": "<x>"}]});
    assert!(error(far).contains("the added token `<x>` has the id 5, but the vocabulary has 1 entries"));
}

/// Folders with one changed setting are read as AutoTokenizer reads them: `tests/reference/tokenizers/siblings.py`.
#[test]
fn one_changed_setting_means_what_it_means_to_autotokenizer() {
    let text = std::fs::read_to_string("tests/data/token/siblings.jsonl").unwrap();
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let texts = texts(&lines.next().unwrap());
    let (mut count, mut wrong) = (0, Vec::new());
    for line in lines {
        let folder = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(Path::new(FAMILIES).join(line["base"].as_str().unwrap())).unwrap() {
            let path = file.unwrap().path();
            std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
        for (name, keys) in line["files"].as_object().unwrap() {
            let path = folder.path().join(name);
            let known = std::fs::read_to_string(&path).unwrap_or("{}".into());
            let mut json: Value = serde_json::from_str(&known).unwrap();
            json.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
            std::fs::write(&path, json.to_string()).unwrap();
        }
        count += 1;
        let tok = Tokenizer::open(folder.path()).unwrap();
        for (text, ids) in texts.iter().zip(line["ids"].as_array().unwrap()) {
            let (ids, found) = (numbers(ids), tok.encode(text, true).unwrap().ids);
            if found != ids {
                wrong.push(format!("{}, {}, {text:?}: {found:?}, not {ids:?}", line["base"], line["change"]));
            }
        }
    }
    assert!(count > 300, "{count}");
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}
