//! Linear models as safetensors files: numbers as tensors, names as bytes with end offsets, settings in the header.

use super::logistic::LogisticRegression;
use super::ngrams::{Analyzer, NgramRange};
use super::tagger::CrfTagger;
use super::tfidf::{TfIdf, TfIdfOptions};
use crate::data::tags::Scheme;
use crate::format::safetensors::{self, Safetensors};
use crate::tensor::{Array, Device};
use crate::{Error, Result, bail};
use serde_json::{Value, json};

/// The key of the settings in a file's header.
const SETTINGS: &str = "levain";

/// Numbers as an array.
macro_rules! array {
    ($numbers:expr) => {{
        let numbers = $numbers;
        let count = numbers.len();
        Array::from_vec(numbers, count, &Device::Cpu)
    }};
}

/// The numbers of a tensor of a file.
macro_rules! numbers {
    ($file:expr, $t:ty, $name:expr) => {{
        let (file, name): (&Opened, &str) = (&$file, $name);
        let flat = file.array(name)?.to_vec1::<$t>();
        flat.map_err(|error| file.wrong(format!("`{name}`: {error}")))
    }};
}

/// Names as two tensors: bytes and end offsets.
fn packed(names: &[String]) -> Result<[Array; 2]> {
    let mut end = 0;
    let ends = names.iter().map(|name| {
        end += name.len() as i64;
        end
    });
    let ends: Vec<i64> = ends.collect();
    Ok([array!(names.concat().into_bytes())?, array!(ends)?])
}

fn write(path: &str, kind: &str, mut settings: Value, tensors: &[(&str, Array)]) -> Result<()> {
    settings["kind"] = json!(kind);
    let text = settings.to_string();
    safetensors::save(path, tensors.iter().map(|(name, array)| (*name, array)), &[(SETTINGS, text.as_str())])
}

/// An opened file of one kind.
struct Opened<'a> {
    who: &'a str,
    file: Safetensors,
    settings: Value,
}

impl<'a> Opened<'a> {
    fn of(who: &'a str, path: &str, kind: &str) -> Result<Opened<'a>> {
        let file = Safetensors::open(path).map_err(|error| error.attributed_to(who))?;
        let settings: Value =
            file.metadata(SETTINGS).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        if settings["kind"] != kind {
            let holds = settings["kind"].as_str().unwrap_or("something else");
            return Err(Error::new(who, format!("{path} holds no {kind} but {holds}"))
                .help("`save` of the same kind of model writes it"));
        }
        Ok(Opened { who, file, settings })
    }

    fn wrong(&self, what: impl std::fmt::Display) -> Error {
        Error::new(self.who, what.to_string()).at(self.file.path().display())
    }

    /// Numbers of a one-dimensional tensor.
    fn array(&self, name: &str) -> Result<Array> {
        Ok(self.file.read(name).map_err(|error| error.attributed_to(self.who))?.flatten_all()?)
    }

    fn names(&self, name: &str) -> Result<Vec<String>> {
        let bytes = numbers!(*self, u8, &format!("{name}.bytes"))?;
        let ends = numbers!(*self, i64, &format!("{name}.ends"))?;
        let mut start = 0;
        let mut names = Vec::with_capacity(ends.len());
        for end in ends {
            let part = usize::try_from(end).ok().and_then(|end| bytes.get(start..end));
            match part.map(std::str::from_utf8) {
                Some(Ok(part)) => names.push(part.to_string()),
                _ => return Err(self.wrong(format!("`{name}` is damaged at entry {}", names.len()))),
            }
            start = end as usize;
        }
        Ok(names)
    }

    fn count(&self, key: &str) -> Result<usize> {
        match self.settings[key].as_u64() {
            Some(count) => Ok(count as usize),
            None => Err(self.wrong(format!("`{key}` is {}, not a whole number", self.settings[key]))),
        }
    }

    fn same(&self, name: &str, found: usize, expected: usize) -> Result<()> {
        if found != expected {
            return Err(self.wrong(format!("`{name}` has {found} entries, not {expected}")));
        }
        Ok(())
    }
}

impl TfIdf {
    pub fn save(&self, path: &str) -> Result<()> {
        let o = &self.options;
        let settings = json!({
            "analyzer": o.analyzer.name(), "ngram_range": [o.range.least, o.range.most], "lowercase": o.lowercase,
            "min_df": o.min_df, "max_df": o.max_df, "max_features": o.max_features, "sublinear_tf": o.sublinear_tf,
        });
        let [bytes, ends] = packed(&self.terms)?;
        write(
            path,
            "tfidf",
            settings,
            &[("terms.bytes", bytes), ("terms.ends", ends), ("idf", array!(self.idf.clone())?)],
        )
    }

    pub fn open(path: &str) -> Result<TfIdf> {
        let file = Opened::of("tfidf", path, "tfidf")?;
        let (terms, idf) = (file.names("terms")?, numbers!(file, f64, "idf")?);
        file.same("idf", idf.len(), terms.len())?;
        let s = &file.settings;
        let end = |at: usize| s["ngram_range"][at].as_u64().unwrap_or(1) as usize;
        let options = TfIdfOptions {
            analyzer: Analyzer::named(s["analyzer"].as_str().unwrap_or("word")),
            range: NgramRange::new("tfidf", end(0), end(1))?,
            lowercase: s["lowercase"].as_bool().unwrap_or(true),
            min_df: file.count("min_df")?,
            max_df: s["max_df"].as_f64().unwrap_or(1.0),
            max_features: s["max_features"].as_u64().map(|count| count as usize),
            sublinear_tf: s["sublinear_tf"].as_bool().unwrap_or(false),
        };
        Ok(TfIdf::of(options, terms, idf))
    }
}

impl LogisticRegression {
    pub fn save(&self, path: &str) -> Result<()> {
        let [bytes, ends] = packed(&self.classes)?;
        let settings = json!({ "iterations": self.iterations, "converged": self.converged });
        let (weights, intercepts) = (array!(self.weights.clone())?, array!(self.intercepts.clone())?);
        let tensors =
            [("classes.bytes", bytes), ("classes.ends", ends), ("weights", weights), ("intercepts", intercepts)];
        write(path, "logistic_regression", settings, &tensors)
    }

    pub fn open(path: &str) -> Result<LogisticRegression> {
        let file = Opened::of("logistic_regression", path, "logistic_regression")?;
        let (classes, weights) = (file.names("classes")?, numbers!(file, f64, "weights")?);
        let intercepts = numbers!(file, f64, "intercepts")?;
        if classes.len() < 2 {
            return Err(file.wrong(format!("{} classes", classes.len())));
        }
        let width = if classes.len() == 2 { 1 } else { classes.len() };
        file.same("intercepts", intercepts.len(), width)?;
        file.same("weights", weights.len() % width, 0)?;
        let (iterations, converged) = (file.count("iterations")?, file.settings["converged"] == true);
        Ok(LogisticRegression { classes, weights, intercepts, iterations, converged })
    }
}

impl CrfTagger {
    pub fn save(&self, path: &str) -> Result<()> {
        let settings = json!({
            "window": self.window, "scheme": self.scheme.map(Scheme::name),
            "iterations": self.iterations, "converged": self.converged,
        });
        let ([labels, label_ends], [names, name_ends]) = (packed(&self.labels)?, packed(&self.names)?);
        let ends: Vec<i64> = self.ends.iter().map(|end| *end as i64).collect();
        let tensors = [
            ("labels.bytes", labels),
            ("labels.ends", label_ends),
            ("features.bytes", names),
            ("features.ends", name_ends),
            ("ends", array!(ends)?),
            ("states", array!(self.states.clone())?),
            ("weights", array!(self.weights.clone())?),
            ("transitions", array!(self.transitions.clone())?),
        ];
        write(path, "crf_tagger", settings, &tensors)
    }

    pub fn open(path: &str) -> Result<CrfTagger> {
        const WHO: &str = "crf_tagger";
        let file = Opened::of(WHO, path, WHO)?;
        let scheme = file.settings["scheme"].as_str().map(|name| Scheme::named(WHO, name)).transpose()?;
        let mut tagger = CrfTagger::of(file.names("labels")?, file.count("window")?, scheme, file.names("features")?);
        let n = tagger.labels.len();
        tagger.ends = numbers!(file, i64, "ends")?.into_iter().map(|end| end as usize).collect();
        tagger.states = numbers!(file, u32, "states")?;
        tagger.weights = numbers!(file, f64, "weights")?;
        tagger.transitions = numbers!(file, f64, "transitions")?;
        file.same("ends", tagger.ends.len(), tagger.names.len())?;
        file.same("weights", tagger.weights.len(), tagger.states.len())?;
        file.same("transitions", tagger.transitions.len(), n * n)?;
        let ends = &tagger.ends;
        let rising =
            ends.windows(2).all(|pair| pair[0] <= pair[1]) && ends.last().is_none_or(|end| *end <= tagger.states.len());
        if !rising || tagger.states.iter().any(|state| *state as usize >= n) {
            bail!(WHO, "{path}: its features are damaged");
        }
        (tagger.iterations, tagger.converged) = (file.count("iterations")?, file.settings["converged"] == true);
        Ok(tagger)
    }
}
