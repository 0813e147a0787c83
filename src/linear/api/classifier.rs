//! Logistic regression.

use super::{labels, listed};
use crate::linear::{ClassWeight, Fitting, LogisticRegression, Sparse, Stopping};
use crate::script::prelude::*;
use crate::tensor::{Array, Device, Tensor, values};

const FIT: &[Opt] = &[
    opt("C", Kind::Float, "1.0", "inverse of the L2 regularization").also(&[
        "regularization",
        "weight_decay",
        "penalty",
    ]),
    opt(
        "class_weight",
        Kind::OneOf(&["none", "balanced"]),
        "\"none\"",
        "balanced: every class has the same total weight, however rare",
    ),
    opt("max_iter", Kind::Int, "1000", "maximum iterations of L-BFGS"),
    opt("start", Kind::Any, "", "model with the same labels and columns to start from: the same result, sooner")
        .also(&["warm_start", "coef_init"]),
    opt("tol", Kind::Float, "1e-6", "converged when the largest component of the gradient is at most this"),
];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.engine.register_type_with_name::<LogisticRegression>("LogisticRegression");
    host.options("logistic_regression", FIT);
}

/// Rows of numbers: a sparse matrix, or a tensor `[rows, columns]`.
fn rows(who: &str, given: &Dynamic) -> Res<Sparse> {
    if let Some(x) = given.read_lock::<Sparse>() {
        return Ok(x.clone());
    }
    let Some(x) = given.read_lock::<Tensor>() else {
        bail!(who, "rows are a sparse matrix or a tensor, not {}", type_in_words(given));
    };
    match x.shape()[..] {
        [_, columns] => Ok(Sparse::dense(who, values::values_f64(&x.value())?, columns)?),
        ref dims => bail!(who, "a tensor of shape {dims:?} is not [rows, columns]"),
    }
}

fn tensor(numbers: Vec<f64>, dims: (usize, usize)) -> Res<Tensor> {
    Ok(Array::from_vec(numbers, dims, &Device::Cpu).map_err(Error::from)?.into())
}

#[export_module]
mod verbs {
    pub type LogisticRegression = crate::linear::LogisticRegression;

    /// Fits a logistic regression with L2 regularization to rows and their labels, of two classes or more. It is scikit-learn's,
    /// by L-BFGS (Liu and Nocedal 1989). Rows are a sparse matrix of `tfidf` or a tensor, such as text embeddings.
    ///
    /// The loss is convex: with the same `C` the weights are those of scikit-learn, up to the `tol` of either. Labels are of any
    /// kind, and are returned as text.
    ///
    /// also: LogisticRegression, sklearn.linear_model, maximum entropy, softmax regression, linear classifier, text classification
    ///
    /// ```rhai
    /// let t = tfidf(["good film", "great film", "bad film", "awful film"]);
    /// let m = logistic_regression(t.transform(["good film", "great film", "bad film", "awful film"]), ["+", "+", "-", "-"]);
    /// m                                        //=> logistic_regression of 2 classes over 5 columns
    /// m.predict(t.transform(["a great one", "an awful one"]))      //=> ["+", "-"]
    /// logistic_regression(t.transform(["good", "bad"]), ["+", "+"])      //=> error: logistic_regression: the 2 items have one label `+`
    /// logistic_regression(tensor([[0.0], [1.0], [2.0]]), [0, 1], #{ start: m })      //=> error: logistic_regression: 3 rows for 2 labels
    /// logistic_regression(tensor([[0.0], [1.0], [2.0]]), [0, 1, 1], #{ C: 10.0 }).classes      //=> ["0", "1"]
    /// ```
    #[rhai_fn(name = "logistic_regression", return_raw)]
    pub fn logistic_regression(x: Dynamic, wanted: Dynamic, options: Map) -> Res<LogisticRegression> {
        const WHO: &str = "logistic_regression";
        let options = Options::read(WHO, FIT, options)?;
        let start = match options.get("start") {
            none if none.is_unit() => None,
            given => match given.clone().try_cast::<LogisticRegression>() {
                Some(model) => Some(model),
                None => bail!(WHO, "option `start` is {}, not a model of `logistic_regression`", type_in_words(&given)),
            },
        };
        let wanted = listed(WHO, "labels", &wanted)?;
        let balanced = options.text("class_weight")? == "balanced";
        let fitting = Fitting {
            c: options.float("C")?,
            class_weight: if balanced { ClassWeight::Balanced } else { ClassWeight::Equal },
            stopping: Stopping { max_iter: options.count("max_iter")?, tol: options.float("tol")?, gain: 0.0 },
        };
        Ok(LogisticRegression::fit(&rows(WHO, &x)?, &labels(&wanted), &fitting, start.as_ref())?)
    }

    /// Opens a logistic regression from a file of `save`.
    ///
    /// ```rhai
    /// logistic_regression(tensor([[0.0], [1.0]]), ["no", "yes"]).save("out/doc/logistic.safetensors");
    /// logistic_regression("out/doc/logistic.safetensors").predict(tensor([[3.0]]))      //=> ["yes"]
    /// ```
    #[rhai_fn(name = "logistic_regression", return_raw)]
    pub fn open_logistic(path: &str) -> Res<LogisticRegression> {
        Ok(LogisticRegression::open(path)?)
    }

    /// Returns the most likely class of each row, as a list.
    ///
    /// ```rhai
    /// let m = logistic_regression(tensor([[0.0], [1.0], [5.0]]), ["low", "low", "high"], #{ C: 100.0 });
    /// m.predict(tensor([[0.2], [4.0]]))        //=> ["low", "high"]
    /// m.predict(tensor([[0.2, 1.0]]))          //=> error: predict: rows of 2 numbers, and the model is of 1
    /// ```
    #[rhai_fn(name = "predict", pure, return_raw)]
    pub fn predict(m: &mut LogisticRegression, x: Dynamic) -> Res<List> {
        let x = rows("predict", &x)?;
        Ok((*m).predict(&x)?.into_iter().map(|class| class.to_string().into()).collect())
    }

    /// Returns the probability of each class: a tensor `[rows, classes]` in f64, in the order of `classes`.
    ///
    /// ```rhai
    /// let m = logistic_regression(tensor([[0.0], [1.0], [5.0]]), ["low", "low", "high"], #{ C: 100.0 });
    /// m.predict_proba(tensor([[1.0]])).argmax(1)      //=> tensor([1])
    /// ```
    #[rhai_fn(pure, return_raw)]
    pub fn predict_proba(m: &mut LogisticRegression, x: Dynamic) -> Res<Tensor> {
        let x = rows("predict_proba", &x)?;
        let found = (*m).probabilities(&x).map_err(|error| error.attributed_to("predict_proba"))?;
        tensor(found, (x.rows(), m.classes().len()))
    }

    /// Classes, in alphabetical order.
    ///
    /// ```rhai
    /// logistic_regression(tensor([[0.0], [1.0]]), ["no", "yes"]).classes      //=> ["no", "yes"]
    /// ```
    #[rhai_fn(get = "classes", pure)]
    pub fn classes(m: &mut LogisticRegression) -> List {
        m.classes().iter().map(|class| class.clone().into()).collect()
    }

    /// Returns facts: `classes`, `columns`, `iterations` of the fit, and the weights: `coef` `[classes, columns]` and `intercept`
    /// `[classes]`; for two classes a single row, that of the second.
    ///
    /// also: coef_, intercept_, feature weights
    ///
    /// ```rhai
    /// logistic_regression(tensor([[-1.0], [1.0]]), ["no", "yes"]).info().coef.item().digits(3)      //=> 0.675
    /// ```
    #[rhai_fn(name = "info", pure, return_raw)]
    pub fn info(m: &mut LogisticRegression) -> Res<Map> {
        let (weights, intercepts) = m.coefficients();
        let (columns, width) = (m.columns(), intercepts.len());
        let by_class = (0..width).flat_map(|class| weights.iter().skip(class).step_by(width)).copied().collect();
        let intercept = Array::from_vec(intercepts.to_vec(), width, &Device::Cpu).map_err(Error::from)?;
        let fields: [(&str, Dynamic); 5] = [
            ("classes", (m.classes().len() as INT).into()),
            ("columns", (columns as INT).into()),
            ("iterations", (m.iterations() as INT).into()),
            ("coef", Dynamic::from(tensor(by_class, (width, columns))?)),
            ("intercept", Dynamic::from(Tensor::from(intercept))),
        ];
        Ok(fields.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }

    /// Saves the model as `.safetensors`.
    ///
    /// effect
    ///
    /// ```rhai
    /// logistic_regression(tensor([[0.0], [1.0]]), ["no", "yes"]).save("out/doc/logistic.safetensors");
    /// ```
    #[rhai_fn(name = "save", pure, return_raw)]
    pub fn save_logistic(m: &mut LogisticRegression, path: &str) -> Res<()> {
        Ok((*m).save(path)?)
    }

    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn logistic_to_string(m: &mut LogisticRegression) -> String {
        format!("logistic_regression of {} classes over {} columns", m.classes().len(), m.columns())
    }
}
