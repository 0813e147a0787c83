//! Script API of scores over items.

use super::{labels, map, number, sides};
use crate::measure::{Distance, Scores};
use crate::script::prelude::*;

const CONFUSION: &[Opt] = &[opt(
    "labels",
    Kind::List,
    "",
    "all labels, in order, including those that do not occur; by default those that occur",
)];
const KAPPA: &[Opt] = &[opt(
    "weights",
    Kind::OneOf(&["none", "linear", "quadratic"]),
    "\"none\"",
    "penalty of a wrong label: equal, by the distance in label order, or by its square",
)];
const AVERAGE: &[Opt] = &[opt("skip", Kind::List, "[]", "labels to leave out")];

const BOOTSTRAP: &[Opt] = &[
    opt("samples", Kind::Int, "1000", "number of resamples"),
    opt("level", Kind::Float, "0.95", "confidence level"),
    opt("seed", Kind::Int, "0", "seed of the resampling"),
    opt(
        "method",
        Kind::OneOf(&["percentile", "bca"]),
        "\"percentile\"",
        "quantiles of the resampled means that bound the interval",
    ),
];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.engine.register_type_with_name::<crate::measure::Confusion>("Confusion");
    host.options("confusion", CONFUSION);
    host.options("kappa", KAPPA);
    host.options("micro_average", AVERAGE);
    host.options("bootstrap", BOOTSTRAP);
}

#[export_module]
mod verbs {
    pub type Confusion = crate::measure::Confusion;

    /// Counts predicted labels for each expected label: two lists of the same length, or columns of a dataset.
    ///
    /// Labels are sorted alphabetically, integers numerically; `labels` lists all of them, in order, including those that never
    /// occur.
    ///
    /// also: confusion_matrix, classification_report
    ///
    /// ```rhai
    /// let c = confusion(["a", "b", "b"], ["a", "b", "a"]);
    /// c                                        //=> confusion, 2 labels, 3 items, accuracy 0.6667
    /// c.labels                                 //=> ["a", "b"]
    /// c.counts                                 //=> [[1, 1], [0, 1]]
    /// confusion([2, 10], [10, 10]).labels      //=> ["2", "10"]
    /// confusion(["a"], dataset([#{ label: "a" }]).column("label")).accuracy      //=> 1.0
    /// confusion([1], [0], #{ labels: [1, 0, 2] }).counts      //=> [[0, 0, 0], [1, 0, 0], [0, 0, 0]]
    /// confusion(["a"], [])                     //=> error: confusion: 1 predicted for 0 expected
    /// ```
    #[rhai_fn(name = "confusion", return_raw)]
    pub fn confusion(predicted: Dynamic, expected: Dynamic, options: Map) -> Res<Confusion> {
        let options = Options::read("confusion", CONFUSION, options)?;
        let [predicted, expected] = sides("confusion", &predicted, &expected)?;
        let (predicted, expected) = (labels(&predicted), labels(&expected));
        Ok(match options.get("labels").into_array() {
            Ok(given) => Confusion::among(&predicted, &expected, labels(&given))?,
            Err(_) => Confusion::of(&predicted, &expected)?,
        })
    }

    /// Labels, in order.
    ///
    /// ```rhai
    /// confusion([1, 0], [1, 1]).labels         //=> ["0", "1"]
    /// ```
    #[rhai_fn(get = "labels", pure)]
    pub fn confusion_labels(c: &mut Confusion) -> List {
        c.labels().iter().map(|label| label.clone().into()).collect()
    }

    /// Counts: a row for each expected label, a column for each predicted one.
    ///
    /// ```rhai
    /// confusion(["x", "x"], ["x", "y"]).counts //=> [[1, 0], [1, 0]]
    /// ```
    #[rhai_fn(get = "counts", pure)]
    pub fn counts(c: &mut Confusion) -> List {
        let row = |row: &Vec<u64>| Dynamic::from_array(row.iter().map(|n| (*n as INT).into()).collect());
        c.counts().iter().map(row).collect()
    }

    /// Computes the accuracy: the proportion of correct predictions.
    ///
    /// also: accuracy_score
    ///
    /// ```rhai
    /// confusion(["a", "b"], ["a", "a"]).accuracy //=> 0.5
    /// ```
    #[rhai_fn(get = "accuracy", pure)]
    pub fn accuracy(c: &mut Confusion) -> FLOAT {
        c.accuracy()
    }

    /// Computes the balanced accuracy: the mean recall of the labels that occur among the expected ones.
    ///
    /// also: balanced_accuracy_score, mean recall, unweighted average recall
    ///
    /// ```rhai
    /// confusion(["a", "a", "a", "a"], ["a", "a", "a", "b"]).balanced_accuracy      //=> 0.5
    /// ```
    #[rhai_fn(get = "balanced_accuracy", pure)]
    pub fn balanced_accuracy(c: &mut Confusion) -> FLOAT {
        c.balanced_accuracy()
    }

    /// Computes Matthews' correlation coefficient, from -1 to 1, for any number of labels (Gorodkin 2004); 0 where either list
    /// has a single label, as in scikit-learn.
    ///
    /// also: matthews_corrcoef, phi coefficient, MCC
    ///
    /// ```rhai
    /// confusion(["a", "b", "b", "a"], ["a", "b", "a", "a"]).mcc.digits(4)          //=> 0.5774
    /// confusion(["a", "a"], ["a", "b"]).mcc    //=> 0.0
    /// ```
    #[rhai_fn(get = "mcc", pure)]
    pub fn mcc(c: &mut Confusion) -> FLOAT {
        c.mcc()
    }

    /// Computes Cohen's kappa (Cohen 1960): the agreement beyond chance, at most 1. `weights` weighs disagreements by the
    /// distance of two labels in their order (Cohen 1968).
    ///
    /// also: cohen_kappa_score, inter-annotator agreement
    ///
    /// ```rhai
    /// confusion(["a", "b", "b", "a"], ["a", "b", "a", "a"]).kappa()                //=> 0.5
    /// confusion([1, 2, 2], [1, 2, 3]).kappa(#{ weights: "quadratic" }).digits(4)   //=> 0.6667
    /// confusion(["a"], ["a"]).kappa()          //=> error: kappa: both lists hold one label only, and the same: chance would agree too
    /// ```
    #[rhai_fn(name = "kappa", pure, return_raw)]
    pub fn kappa(c: &mut Confusion, options: Map) -> Res<FLOAT> {
        let options = Options::read("kappa", KAPPA, options)?;
        let distance = match options.text("weights")?.as_str() {
            "linear" => Distance::Linear,
            "quadratic" => Distance::Quadratic,
            _ => Distance::Equal,
        };
        Ok(c.kappa(distance)?)
    }

    /// Computes precision, recall, F1 and support of each label: a list of maps. A ratio without cases is 0.
    ///
    /// also: precision_recall_fscore_support, classification_report
    ///
    /// ```rhai
    /// confusion(["a", "b", "b"], ["a", "b", "a"]).scores()[1]
    /// //=> #{"f1": 0.6666666666666666, "label": "b", "precision": 0.5, "recall": 1.0, "support": 1}
    /// ```
    #[rhai_fn(pure)]
    pub fn scores(c: &mut Confusion) -> List {
        let row = |(label, scores): (&String, Scores)| {
            let mut row = map(scores);
            row.insert("label".into(), label.clone().into());
            Dynamic::from_map(row)
        };
        c.labels().iter().zip(c.scores()).map(row).collect()
    }

    /// Averages precision, recall and F1 over labels, unweighted.
    ///
    /// ```rhai
    /// confusion(["a", "b"], ["a", "b"]).macro_average().f1 //=> 1.0
    /// ```
    #[rhai_fn(pure)]
    pub fn macro_average(c: &mut Confusion) -> Map {
        map(c.macro_average())
    }

    /// Averages precision, recall and F1 over labels, weighted by support.
    ///
    /// ```rhai
    /// confusion(["a", "b", "b", "a"], ["a", "b", "a", "a"]).weighted_average().f1.digits(4)      //=> 0.7667
    /// ```
    #[rhai_fn(pure)]
    pub fn weighted_average(c: &mut Confusion) -> Map {
        map(c.weighted_average())
    }

    /// Computes precision, recall and F1 over all items; `#{ skip: ["O"] }` leaves labels out, as for entity tags.
    ///
    /// ```rhai
    /// confusion(["a", "b"], ["a", "a"]).micro_average().f1 //=> 0.5
    /// let c = confusion(["O", "PER", "O"], ["O", "PER", "PER"]);
    /// c.micro_average(#{ skip: ["O"] }).recall //=> 0.5
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn micro_average(c: &mut Confusion, options: Map) -> Res<Map> {
        let options = Options::read("micro_average", AVERAGE, options)?;
        Ok(map(c.micro_average(&labels(&options.get("skip").into_array().unwrap_or_default()))))
    }

    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn confusion_to_string(c: &mut Confusion) -> String {
        format!("confusion, {} labels, {} items, accuracy {:.4}", c.labels().len(), c.total(), c.accuracy())
    }

    /// Computes chrF of a text against a reference, 0 to 100: the F score of its character n-grams (Popović 2015).
    ///
    /// Same as sacreBLEU: n up to 6, recall weighs twice, whitespace is ignored.
    ///
    /// also: sacrebleu, bleu, corpus_chrf, sentence_chrf
    ///
    /// ```rhai
    /// chrf("the same", "the same")             //=> 100.0
    /// chrf("abc", "xyz")                       //=> 0.0
    /// ```
    #[rhai_fn(return_raw)]
    pub fn chrf(candidate: &str, reference: &str) -> Res<FLOAT> {
        Ok(crate::cancel::stoppable(|| crate::measure::chrf(candidate, reference))?)
    }

    /// Averages chrF over answers and expected texts.
    ///
    /// ```rhai
    /// chrf(["the cat", "abc"], ["the cat", "xyz"]) //=> 50.0
    /// chrf(["the cat"], [])                    //=> error: chrf: 1 answers for 0 expected
    /// ```
    #[rhai_fn(name = "chrf", return_raw)]
    pub fn chrf_of_lists(candidates: List, references: List) -> Res<FLOAT> {
        if candidates.len() != references.len() || candidates.is_empty() {
            bail!("chrf", "{} answers for {} expected", candidates.len(), references.len());
        }
        let pairs = labels(&candidates).into_iter().zip(labels(&references));
        let score = |(ours, theirs): (String, String)| crate::measure::chrf(&ours, &theirs);
        let scores: Vec<f64> = crate::cancel::stoppable(|| pairs.map(score).collect())?;
        Ok(scores.iter().sum::<f64>() / scores.len() as f64)
    }

    /// Computes the mean of numbers and its 95 % confidence interval by resampling: percentiles (Efron 1979), or `bca`, corrected
    /// for bias and skewness (Efron 1987).
    ///
    /// For few numbers both are too narrow: for ten normal ones the interval contains the mean in nine cases of ten.
    /// `measure::paired` uses Student's t.
    ///
    /// also: confidence interval, resample, scipy.stats.bootstrap, BCa
    ///
    /// ```rhai
    /// bootstrap([1.0, 1.0, 1.0])               //=> #{"high": 1.0, "low": 1.0, "mean": 1.0}
    /// let i = bootstrap([1.0, 2.0, 3.0, 4.0], #{ level: 0.9, seed: 7 });
    /// i.low < i.mean && i.mean < i.high        //=> true
    /// bootstrap([1.0, 2.0, 3.0, 40.0], #{ method: "bca" }).high > bootstrap([1.0, 2.0, 3.0, 40.0]).high      //=> true
    /// bootstrap([])                            //=> error: bootstrap: 0 values and 1000 samples give no interval
    /// ```
    #[rhai_fn(return_raw)]
    pub fn bootstrap(values: List, options: Map) -> Res<Map> {
        let options = Options::read("bootstrap", BOOTSTRAP, options)?;
        let numbers = values.iter().map(|value| number("bootstrap", "a value", value)).collect::<Res<Vec<f64>>>()?;
        let (samples, seed) = (options.count("samples")?, options.count("seed")? as u64);
        let method = match options.text("method")?.as_str() {
            "bca" => crate::measure::Method::Bca,
            _ => crate::measure::Method::Percentile,
        };
        let found = crate::measure::bootstrap(&numbers, samples, options.float("level")?, seed, method)?;
        let mut map = Map::new();
        map.insert("mean".into(), found.mean.into());
        map.insert("low".into(), found.low.into());
        map.insert("high".into(), found.high.into());
        Ok(map)
    }
}
