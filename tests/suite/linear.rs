//! Linear models compared with scikit-learn and CRFsuite: `tests/data/parity/linear`, written by `make.py` beside it.

use levain::linear::{
    Analyzer, ClassWeight, CrfTagger, Fitting, LogisticRegression, NgramRange, Sparse, Stopping, TaggerOptions, TfIdf,
    TfIdfOptions, minimize,
};
use serde_json::Value as Json;

fn read(name: &str) -> Json {
    let path = format!("{}/tests/data/parity/linear/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn of<T: serde::de::DeserializeOwned>(value: &Json) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

fn vectors(options: &Json) -> TfIdfOptions {
    let range: Vec<usize> = options.get("ngram_range").map_or(vec![1, 1], of);
    TfIdfOptions {
        analyzer: Analyzer::named(options["analyzer"].as_str().unwrap_or("word")),
        range: NgramRange::new("test", range[0], range[1]).unwrap(),
        lowercase: options["lowercase"].as_bool().unwrap_or(true),
        min_df: options["min_df"].as_u64().unwrap_or(1) as usize,
        max_df: options["max_df"].as_f64().unwrap_or(1.0),
        max_features: None,
        sublinear_tf: options["sublinear_tf"].as_bool().unwrap_or(false),
    }
}

#[test]
fn vectors_are_those_of_scikit_learn() {
    let all = read("vectors");
    let texts: Vec<String> = of(&all["texts"]);
    for case in all["cases"].as_array().unwrap() {
        let what = case["options"].to_string();
        let made = TfIdf::fit(&texts, vectors(&case["options"])).unwrap();
        assert_eq!(made.terms(), of::<Vec<String>>(&case["terms"]), "{what}");
        let found = made.transform(&texts).unwrap();
        for (row, expected) in of::<Vec<Vec<(usize, f64)>>>(&case["rows"]).into_iter().enumerate() {
            let found: Vec<(usize, f64)> = found.row(row).collect();
            assert_eq!(found.len(), expected.len(), "{what}, row {row}");
            for (found, expected) in found.iter().zip(&expected) {
                let near = found.0 == expected.0 && (found.1 - expected.1).abs() < 1e-12;
                assert!(near, "{what}, row {row}: {found:?}, not {expected:?}");
            }
        }
    }
}

/// Weights within 1e-5 of scikit-learn's, which also stops slightly before the minimum; probabilities within 1e-6.
#[test]
fn regressions_are_those_of_scikit_learn() {
    let all = read("logistic");
    let texts: Vec<String> = of(&all["texts"]);
    for case in all["cases"].as_array().unwrap() {
        let what = format!("{}, {}", case["name"], case["options"]);
        let x = match case.get("x") {
            Some(x) => Sparse::dense("test", of::<Vec<Vec<f64>>>(x).concat(), 4).unwrap(),
            None => {
                let how = vectors(&serde_json::json!({ "analyzer": "char", "ngram_range": [1, 2] }));
                TfIdf::fit(&texts, how).unwrap().transform(&texts).unwrap()
            }
        };
        let balanced = case["options"]["class_weight"] == "balanced";
        let fitting = Fitting {
            c: case["options"]["C"].as_f64().unwrap(),
            class_weight: if balanced { ClassWeight::Balanced } else { ClassWeight::Equal },
            stopping: Stopping { max_iter: 10_000, tol: 1e-9, gain: 0.0 },
        };
        let labels: Vec<String> = of(&case["y"]);
        let made = LogisticRegression::fit(&x, &labels, &fitting, None).unwrap();
        assert_eq!(made.classes(), of::<Vec<String>>(&case["classes"]), "{what}");
        let (weights, intercepts) = made.coefficients();
        let coefficients: Vec<Vec<f64>> = of(&case["coef"]);
        for (class, row) in coefficients.iter().enumerate() {
            for (column, expected) in row.iter().enumerate() {
                let found = weights[column * coefficients.len() + class];
                assert!((found - expected).abs() < 1e-5, "{what}, {class}, {column}: {found}, not {expected}");
            }
        }
        // the intercepts of several classes are determined up to a constant
        let expected: Vec<f64> = of(&case["intercept"]);
        let shift = if expected.len() > 1 { intercepts[0] - expected[0] } else { 0.0 };
        for (found, expected) in intercepts.iter().zip(&expected) {
            assert!((found - shift - expected).abs() < 1e-5, "{what}: {found}, not {expected}");
        }
        let rows: Vec<Vec<f64>> = of(&case["probabilities"]);
        let found = made.probabilities(&x.pick(&(0..rows.len()).collect::<Vec<_>>())).unwrap();
        for (found, expected) in found.iter().zip(rows.concat()) {
            assert!((found - expected).abs() < 1e-6, "{what}: {found}, not {expected}");
        }
    }
}

/// Weights within 1e-4 of CRFsuite's, and the same tags.
#[test]
fn taggers_are_those_of_crfsuite() {
    let all = read("tagger");
    let split = |text: &str| text.chars().map(String::from).collect::<Vec<String>>();
    let rows: Vec<Vec<String>> =
        all["rows"].as_array().unwrap().iter().map(|row| split(row["tokens"].as_str().unwrap())).collect();
    let tags: Vec<Vec<String>> = all["rows"].as_array().unwrap().iter().map(|row| of(&row["tags"])).collect();
    for case in all["cases"].as_array().unwrap() {
        let c2 = case["c2"].as_f64().unwrap();
        let stopping = Stopping { max_iter: 10_000, tol: 1e-9, gain: 0.0 };
        let how = TaggerOptions { window: 2, c2, min_frequency: 1, stopping, scheme: None };
        let made = CrfTagger::fit(&rows, &tags, &how).unwrap();
        let states = case["states"].as_object().unwrap();
        assert_eq!(made.size().1, states.len(), "c2 {c2}");
        for (name, expected) in states {
            let (feature, label) = name.split_once('\n').unwrap();
            let found = made.weight(feature, label).unwrap_or_else(|| panic!("no weight of {feature} and {label}"));
            let expected = expected.as_f64().unwrap();
            assert!((found - expected).abs() < 1e-4, "c2 {c2}, {feature}, {label}: {found}, not {expected}");
        }
        for (name, expected) in case["transitions"].as_object().unwrap() {
            let (from, to) = name.split_once(' ').unwrap();
            let (found, expected) = (made.transition(from, to).unwrap(), expected.as_f64().unwrap());
            assert!((found - expected).abs() < 1e-4, "c2 {c2}, {name}: {found}, not {expected}");
        }
        let texts: Vec<String> = of(&case["texts"]);
        let texts: Vec<Vec<String>> = texts.iter().map(|text| split(text)).collect();
        assert_eq!(made.predict(&texts).unwrap(), of::<Vec<Vec<String>>>(&case["tags"]), "c2 {c2}");
    }
}

/// The same bits on one thread and on two.
#[test]
fn threads_make_no_difference() {
    let texts: Vec<String> = (0..400).map(|at| format!("a{} b{} text of words {}", at % 7, at % 11, at % 3)).collect();
    let labels: Vec<String> = (0..400).map(|at| (at % 3).to_string()).collect();
    let rows: Vec<Vec<String>> = texts.iter().map(|text| text.split(' ').map(String::from).collect()).collect();
    let tags: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|word| word[..1].to_string()).collect()).collect();
    let run = |threads: usize| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
            let x = TfIdf::fit(&texts, vectors(&Json::Null)).unwrap().transform(&texts).unwrap();
            let stopping = Stopping { max_iter: 20, tol: 0.0, gain: 0.0 };
            let fitting = Fitting { c: 1.0, class_weight: ClassWeight::Equal, stopping };
            let made = LogisticRegression::fit(&x, &labels, &fitting, None).unwrap();
            let how = TaggerOptions { window: 1, c2: 0.1, min_frequency: 1, stopping, scheme: None };
            let tagger = CrfTagger::fit(&rows, &tags, &how).unwrap();
            let bits: Vec<u64> = made.coefficients().0.iter().map(|weight| weight.to_bits()).collect();
            (bits, tagger.weight("1", "a").map(f64::to_bits), tagger.transition("a", "b").map(f64::to_bits))
        })
    };
    levain::progress::silence();
    assert_eq!(run(1), run(2));
}

/// Rosenbrock's valley, and a function without a lower bound.
#[test]
fn minima_are_found() {
    let stopping = Stopping { max_iter: 500, tol: 1e-10, gain: 0.0 };
    let mut valley = |x: &[f64], g: &mut [f64]| {
        let (a, b) = (x[0], x[1]);
        g[0] = -2.0 * (1.0 - a) - 400.0 * a * (b - a * a);
        g[1] = 200.0 * (b - a * a);
        Ok((1.0 - a).powi(2) + 100.0 * (b - a * a).powi(2))
    };
    let found = minimize("test", vec![-1.2, 1.0], stopping, &mut valley).unwrap();
    assert!(found.converged && found.iterations < 60, "{} iterations", found.iterations);
    assert!(found.x.iter().all(|x| (x - 1.0).abs() < 1e-8), "{:?}", found.x);
    let mut falls = |x: &[f64], g: &mut [f64]| {
        g[0] = -1.0;
        Ok(-x[0])
    };
    let found = minimize("test", vec![0.0], stopping, &mut falls).unwrap();
    assert!(found.iterations <= 500);
    let mut broken = |_: &[f64], _: &mut [f64]| Ok(f64::NAN);
    assert!(minimize("test", vec![0.0], stopping, &mut broken).is_err());
}
