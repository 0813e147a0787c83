//! Scores compared with scikit-learn and seqeval: `tests/data/parity/scores`, or the folder `scores` in `LEVAIN_TEST_PARITY`.

use levain::data::tags::Scheme;
use levain::measure::{Confusion, Distance, MultiLabel, Predictions, Scores, entity_counts, ranking};
use serde_json::Value as Json;
use std::path::PathBuf;

const NEAR: f64 = 1e-9;

/// The folder `name` in, or beside, the folder of `LEVAIN_TEST_PARITY`; otherwise the repository's.
pub fn folder(name: &str) -> PathBuf {
    let own = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/parity").join(name);
    let Some(given) = std::env::var_os("LEVAIN_TEST_PARITY").map(PathBuf::from) else { return own };
    let there = [given.join(name), given.join("..").join(name)];
    there.into_iter().find(|folder| folder.is_dir()).unwrap_or(own)
}

fn read(name: &str) -> Json {
    let path = folder("scores").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn floats(list: &Json) -> Vec<f64> {
    match list {
        Json::Array(list) => list.iter().flat_map(floats).collect(),
        Json::Number(number) => vec![number.as_f64().unwrap()],
        Json::Null => vec![f64::NAN],
        other => panic!("{other} is not a number"),
    }
}

fn near(what: &str, found: f64, expected: &Json) {
    let expected = expected.as_f64().unwrap_or_else(|| panic!("{what}: the fixture has no number"));
    assert!((found - expected).abs() < NEAR, "{what}: {found}, not {expected}");
}

/// Precision, recall, F1, and the support where the fixture has it.
fn same(what: &str, found: &Scores, expected: &Json) {
    let expected = floats(expected);
    let found = [found.precision, found.recall, found.f1, found.support as f64];
    for (found, expected) in found.iter().zip(&expected).filter(|(_, expected)| !expected.is_nan()) {
        assert!((found - expected).abs() < NEAR, "{what}: {found}, not {expected}");
    }
}

/// The rows of a table stored by columns.
fn each(what: &str, found: &[Scores], columns: &Json) {
    let columns: Vec<Vec<f64>> = columns.as_array().unwrap().iter().map(floats).collect();
    assert_eq!(found.len(), columns[0].len(), "{what}");
    for (at, found) in found.iter().enumerate() {
        let row: Vec<f64> = columns.iter().map(|column| column[at]).collect();
        same(&format!("{what}, label {at}"), found, &serde_json::json!(row));
    }
}

fn names(list: &Json) -> Vec<String> {
    floats(list).iter().map(f64::to_string).collect()
}

fn places(list: &Json) -> Vec<usize> {
    floats(list).iter().map(|place| *place as usize).collect()
}

#[test]
fn scores_of_single_labels_are_those_of_scikit_learn() {
    for (at, case) in read("classification.json")["single"].as_array().unwrap().iter().enumerate() {
        let what = |score: &str| format!("case {at}, {score}");
        let classes = case["classes"].as_u64().unwrap() as usize;
        let labels: Vec<String> = (0..classes).map(|label| label.to_string()).collect();
        let all = Confusion::among(&names(&case["guess"]), &names(&case["y"]), labels).unwrap();
        let counts: Vec<f64> = all.counts().iter().flatten().map(|count| *count as f64).collect();
        assert_eq!(counts, floats(&case["confusion"]), "{}", what("confusion"));
        near(&what("accuracy"), all.accuracy(), &case["accuracy"]);
        near(&what("balanced accuracy"), all.balanced_accuracy(), &case["balanced_accuracy"]);
        near(&what("mcc"), all.mcc(), &case["mcc"]);
        near(&what("kappa"), all.kappa(Distance::Equal).unwrap(), &case["kappa"]);
        same(&what("micro"), &all.micro_average(&[]), &case["micro"]);
        same(&what("macro"), &all.macro_average(), &case["macro"]);
        same(&what("weighted"), &all.weighted_average(), &case["weighted"]);
        each(&what("each"), &all.scores(), &case["each"]);
        let right = places(&case["y"]);
        let found = Predictions::probabilities("test", floats(&case["prob"]), classes, right.clone()).unwrap();
        near(&what("log loss"), found.log_loss(), &case["log_loss"]);
        near(&what("brier"), found.brier(), &case["brier"]);
        near(&what("ece"), found.ece(10).unwrap(), &case["ece10"]);
        let column =
            |class: usize| -> Vec<f64> { floats(&case["prob"]).into_iter().skip(class).step_by(classes).collect() };
        let is = |class: usize| -> Vec<bool> { right.iter().map(|right| *right == class).collect() };
        if !case["roc_auc"].is_null() {
            near(&what("roc auc"), ranking::roc_auc(&column(1), &is(1)).unwrap(), &case["roc_auc"]);
            let found = ranking::average_precision(&column(1), &is(1)).unwrap();
            near(&what("average precision"), found, &case["average_precision"]);
            near(&what("f1"), all.scores()[1].f1, &case["f1"]);
        }
        if !case["roc_auc_ovr_macro"].is_null() {
            let sum: f64 = (0..classes).map(|class| ranking::roc_auc(&column(class), &is(class)).unwrap()).sum();
            near(&what("roc auc of classes"), sum / classes as f64, &case["roc_auc_ovr_macro"]);
        }
    }
}

#[test]
fn scores_of_several_labels_are_those_of_scikit_learn() {
    let case = &read("classification.json")["multilabel"];
    let truths = |list: &Json| -> Vec<bool> { floats(list).iter().map(|number| *number == 1.0).collect() };
    let labels = case["y"][0].as_array().unwrap().len();
    let (predicted, expected) = (truths(&case["guess"]), truths(&case["y"]));
    let all = MultiLabel::of(&predicted, &expected, labels).unwrap();
    same("micro", &all.micro_average(), &case["micro"]);
    same("macro", &Scores::macro_average(&all.scores()), &case["macro"]);
    same("weighted", &Scores::weighted_average(&all.scores()), &case["weighted"]);
    same("samples", &all.samples_average(), &case["samples"]);
    each("each", &all.scores(), &case["each"]);
    near("subset accuracy", all.subset_accuracy(), &case["subset_accuracy"]);
    near("hamming loss", all.hamming_loss(), &case["hamming"]);
    // a threshold has the reported F1, and no score has a better one
    let scores = floats(&case["score"]);
    for label in 0..labels {
        let column: Vec<f64> = scores.iter().skip(label).step_by(labels).copied().collect();
        let truth: Vec<bool> = expected.iter().skip(label).step_by(labels).copied().collect();
        let f1_at = |threshold: f64| {
            let predicted: Vec<bool> = column.iter().map(|score| *score >= threshold).collect();
            MultiLabel::of(&predicted, &truth, 1).unwrap().micro_average().f1
        };
        let (threshold, f1) = ranking::best_threshold(&column, &truth).unwrap();
        assert!((f1_at(threshold) - f1).abs() < 1e-12, "label {label}");
        assert!(column.iter().all(|threshold| f1_at(*threshold) <= f1 + 1e-12), "label {label}");
    }
}

#[test]
fn scores_of_entities_are_those_of_seqeval() {
    let rows = |rows: &Json| -> Vec<Vec<String>> { serde_json::from_value(rows.clone()).unwrap() };
    for case in read("entities.json").as_array().unwrap() {
        let name = case["scheme"].as_str().unwrap();
        let (scheme, guess, truth) = (Scheme::named("test", name).unwrap(), rows(&case["guess"]), rows(&case["truth"]));
        for mode in ["default", "strict"] {
            let what = format!("{name}, {mode}");
            let found = entity_counts(&guess, &truth, scheme, mode == "strict").unwrap();
            let row = |scores: &Json| {
                let of = |key: &str| scores[key].as_f64().unwrap();
                serde_json::json!([of("precision"), of("recall"), of("f1-score"), of("support")])
            };
            let expected = case[mode].as_object().unwrap();
            assert_eq!(expected.len(), found.labels.len() + 3, "{what}");
            for (label, scores) in found.labels.keys().zip(found.scores()) {
                same(&format!("{what}, {label}"), &scores, &row(&expected[label]));
            }
            same(&format!("{what}, micro"), &found.micro_average(), &row(&expected["micro avg"]));
            same(&format!("{what}, macro"), &Scores::macro_average(&found.scores()), &row(&expected["macro avg"]));
            let weighted = Scores::weighted_average(&found.scores());
            same(&format!("{what}, weighted"), &weighted, &row(&expected["weighted avg"]));
            near(&format!("{what}, tokens"), found.token_accuracy(), &case["token_accuracy"]);
            // the truth is well formed, the noisy guesses are not everywhere
            assert!(found.malformed.1.is_empty(), "{what}: {:?}", found.malformed.1);
            if !["IOE1", "IOB1"].contains(&name) {
                assert!(!found.malformed.0.is_empty(), "{what}");
            }
        }
    }
}
