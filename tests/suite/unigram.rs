//! Training of Unigram tokenizers: the same bits on any number of threads, whole alphabets, exact sizes, and text that is at
//! least as likely as with the trainer of the `tokenizers` crate.

use levain::cancel::{self, Cancel};
use levain::data::{Dataset, TextForm};
use levain::token::{Tokenizer, Training};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use tokenizers::models::unigram::{Unigram, UnigramTrainer};

fn training(vocab_size: usize) -> Training {
    Training { model_type: "unigram".into(), vocab_size, ..Training::default() }
}

/// Articles of statutes: the first given number of them, and as many others.
fn articles(count: usize) -> (Vec<String>, Vec<String>) {
    let path = Path::new("scripts/data/statutes.parquet");
    let data = Dataset::from(levain::data::read("test", path, TextForm::default()).unwrap());
    let field = data.field("test", "text").unwrap();
    let mut texts: Vec<String> = data.texts("test", field).map(|text| text.unwrap().into_owned()).collect();
    let others = texts.split_off(count);
    (texts, others.into_iter().skip(9000).take(count).collect())
}

/// The tokens and scores of a model.
fn scores(tok: &Tokenizer, name: &str) -> Vec<(String, f64)> {
    let folder = format!("out/tests/unigram/{name}");
    tok.save(&folder).unwrap();
    let file: Value = serde_json::from_slice(&std::fs::read(format!("{folder}/tokenizer.json")).unwrap()).unwrap();
    let row = |row: &Value| (row[0].as_str().unwrap().to_string(), row[1].as_f64().unwrap());
    file["model"]["vocab"].as_array().unwrap().iter().map(row).collect()
}

#[test]
fn the_same_bits_on_one_thread_and_several() {
    let (texts, _) = articles(900);
    let work = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let tok = pool.install(|| Tokenizer::train(&texts, &training(3000))).unwrap();
        scores(&tok, &format!("threads-{threads}"))
    };
    let one = work(1);
    for threads in [2, 5] {
        assert!(one == work(threads), "{threads} threads");
    }
}

#[test]
fn a_vocabulary_is_as_large_as_asked_and_has_every_letter() {
    let (mut texts, _) = articles(60);
    // the byte tokens are already there, and a text that looks like one is not one
    texts.extend((0..30).map(|_| "see <0x41> and <pad> and \u{1f35e}".to_string()));
    let letters: BTreeSet<char> = texts
        .iter()
        .flat_map(|text| text.replace("<pad>", "").chars().collect::<Vec<char>>())
        .filter(|letter| *letter != ' ')
        .collect();
    let least = 4 + 256 + letters.len() + 1;
    for size in [least, least + 1, least + 200] {
        let tok = Tokenizer::train(&texts, &training(size)).unwrap();
        assert_eq!(tok.len(), size);
        assert_eq!(&tok.tokens()[..5], ["<unk>", "<s>", "</s>", "<pad>", "<0x00>"]);
        assert_eq!(tok.tokens().iter().collect::<BTreeSet<_>>().len(), size, "a token is there twice");
        letters.iter().for_each(|letter| assert!(tok.id(&letter.to_string()).is_some(), "{letter}"));
        let worth = scores(&tok, "letters");
        assert!(worth[260..].iter().all(|(_, score)| score.is_finite() && *score > worth[4].1));
        assert!(worth[260..].is_sorted_by(|(_, one), (_, next)| one >= next));
        for text in texts.iter().step_by(9).map(|text| text.replace("<pad>", "")) {
            assert_eq!(tok.decode(&tok.encode(&text, false).unwrap().ids, false).unwrap(), text);
        }
    }
    let error = Tokenizer::train(&texts, &training(least - 1)).err().unwrap().to_string();
    assert!(error.contains(&format!("the texts have {} characters", letters.len() + 1)), "{error}");
    // a corpus with nothing more to learn yields a smaller vocabulary
    let tok = Tokenizer::train(&["to be or not to be"], &training(2000)).unwrap();
    assert!(tok.len() < 290 && tok.id("▁be").is_some(), "{tok}");
}

#[test]
fn tokens_keep_to_their_limits() {
    let texts = vec!["an extraordinarily unremarkable lighthouse".repeat(40), "a rare word".to_string()];
    let how = Training { max_token_length: 3, min_frequency: 30, ..training(320) };
    let tok = Tokenizer::train(&texts, &how).unwrap();
    let learned = &tok.tokens()[260..];
    assert!(
        learned.iter().any(|token| token.chars().count() == 3)
            && learned.iter().all(|token| token.chars().count() <= 3)
    );
    assert!(learned.iter().all(|token| token.chars().count() == 1 || !token.contains('w')), "{learned:?}");
    // a word is read whole, however long, and however unlikely
    let rare: String = (0..30_000u32).filter_map(|at| char::from_u32(0x4e00 + at % 9000)).collect();
    let tok = Tokenizer::train(&[rare], &training(10_000)).unwrap();
    assert!(scores(&tok, "rare").iter().all(|(_, score)| score.is_finite()));
}

#[test]
fn an_interruption_ends_it() {
    let cancel = Cancel::default();
    cancel.request();
    let (texts, _) = articles(100);
    cancel::under(&cancel, || assert!(Tokenizer::train(&texts, &training(3000)).err().unwrap().is_interrupted()));
}

/// The log probability of texts under a model, and the tokens of their best segmentations.
fn likelihood(model: &[(String, f64)], texts: &[String]) -> (f64, usize) {
    let scores: HashMap<&str, f64> = model.iter().map(|(token, score)| (token.as_str(), *score)).collect();
    let unknown = model.iter().map(|(_, score)| *score).fold(0.0, f64::min) - 10.0;
    let (mut total, mut tokens) = (0.0, 0);
    for word in texts.iter().flat_map(|text| words(text)) {
        let letters: Vec<usize> = word.char_indices().map(|(at, _)| at).chain([word.len()]).collect();
        let length = letters.len() - 1;
        let mut sums = vec![(0.0f64, 0.0f64, 0usize); length + 1];
        sums[1..].fill((f64::NEG_INFINITY, f64::NEG_INFINITY, 0));
        for start in 0..length {
            for end in start + 1..=length.min(start + 16) {
                let alone = if end == start + 1 { Some(unknown) } else { None };
                let token = &word[letters[start]..letters[end]];
                let Some(score) = scores.get(token).copied().or(alone) else { continue };
                let ((sum, best, count), to) = (sums[start], &mut sums[end]);
                let (high, low) = (to.0.max(sum + score), to.0.min(sum + score));
                to.0 = high + (low - high).exp().ln_1p();
                if best + score > to.1 {
                    (to.1, to.2) = (best + score, count + 1);
                }
            }
        }
        total += sums[length].0;
        tokens += sums[length].2;
    }
    (total, tokens)
}

/// The words of a text, with their space.
fn words(text: &str) -> Vec<String> {
    text.split(' ').map(|word| format!("▁{word}")).collect()
}

#[test]
fn held_out_text_is_as_likely_as_with_the_trainer_of_tokenizers() {
    let (texts, held) = articles(250);
    let size = 2600;
    let levain = scores(&Tokenizer::train(&texts, &training(size)).unwrap(), "likely").split_off(260);
    let mut counted: HashMap<String, u32> = HashMap::new();
    texts.iter().flat_map(|text| words(text)).for_each(|word| *counted.entry(word).or_default() += 1);
    let trainer = UnigramTrainer::builder().show_progress(false).vocab_size(size as u32 - 260).build().unwrap();
    let mut model = Unigram::default();
    trainer.do_train(counted.into_iter().collect(), &mut model).unwrap();
    let theirs: Vec<(String, f64)> = model.iter().cloned().collect();
    assert_eq!(levain.len(), theirs.len());
    for (name, texts) in [("learned", &texts), ("held out", &held)] {
        let (own, other) = (likelihood(&levain, texts), likelihood(&theirs, texts));
        eprintln!("{name}: {own:?}, with tokenizers {other:?}");
        assert!(own.0 > other.0 && own.1 as f64 <= other.1 as f64 * 1.01, "{name}: {own:?}, with tokenizers {other:?}");
    }
}
