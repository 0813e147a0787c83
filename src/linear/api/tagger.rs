//! A CRF tagger without a network.

use super::{labels, listed};
use crate::data::tags::Scheme;
use crate::linear::{CrfTagger, Stopping, TaggerOptions};
use crate::script::prelude::*;

const TAGGER: &[Opt] = &[
    opt("window", Kind::Int, "2", "distance around a token from which features are taken"),
    opt("c2", Kind::Float, "0.1", "weight of the L2 penalty").also(&["l2", "regularization", "weight_decay"]),
    opt("min_frequency", Kind::Int, "1", "minimum occurrences of a feature").also(&["feature.minfreq"]),
    opt("max_iter", Kind::Int, "100", "maximum iterations of L-BFGS").also(&["max_iterations"]),
    opt("tol", Kind::Float, "1e-5", "converged when the largest component of the gradient, per token, is at most this"),
    opt("gain", Kind::Float, "1e-4", "stop when ten iterations improve the loss by less than this share")
        .also(&["delta", "period"]),
    opt(
        "scheme",
        Kind::OneOf(&Scheme::NAMES),
        "",
        "predict only tags that are well formed in this scheme: IOB1, IOB2 (BIO), IOE1, IOE2, IOBES, BILOU or BMES",
    ),
];

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
    host.engine.register_type_with_name::<CrfTagger>("CrfTagger");
    host.options("crf_tagger", TAGGER);
}

/// Rows of tokens: lists of words, or texts, whose characters are the tokens.
fn tokens(who: &str, rows: &List) -> Res<Vec<Vec<String>>> {
    let row = |(at, row): (usize, &Dynamic)| {
        if let Some(text) = row.read_lock::<ImmutableString>() {
            return Ok(text.chars().map(String::from).collect());
        }
        match row.read_lock::<List>() {
            Some(row) => Ok(labels(&row)),
            None => bail!(who, "row {at} is {}, neither a list of tokens nor a text", type_in_words(row)),
        }
    };
    rows.iter().enumerate().map(row).collect()
}

#[export_module]
mod verbs {
    pub type CrfTagger = crate::linear::CrfTagger;

    /// Trains a linear-chain CRF tagger (Lafferty, McCallum and Pereira 2001) on surface features of tokens and their
    /// neighbors. It is CRFsuite's, by L-BFGS, and needs no network.
    ///
    /// `rows` are lists of tokens, or texts, whose characters are the tokens; `tags` are lists of the same lengths. Features are
    /// the tokens up to `window` positions away, pairs of neighbors, character classes, and prefixes, suffixes and lower case of
    /// words; a feature has a weight for each tag that it occurs with.
    ///
    /// also: sklearn_crfsuite.CRF, pycrfsuite, named entity recognition, sequence labeling, baseline tagger
    ///
    /// ```rhai
    /// let rows = ["王明在北京", "李红在上海", "我在家"];
    /// let tags = [["B-P", "I-P", "O", "B-L", "I-L"], ["B-P", "I-P", "O", "B-L", "I-L"], ["O", "O", "O"]];
    /// let m = crf_tagger(rows, tags, #{ scheme: "IOB2" });
    /// m.predict(["王红在上海"])                //=> [["B-P", "I-P", "O", "B-L", "I-L"]]
    /// crf_tagger(["王"], [["O", "O"]])         //=> error: crf_tagger: row 0: 1 tokens for 2 tags
    /// ```
    #[rhai_fn(name = "crf_tagger", return_raw)]
    pub fn crf_tagger(rows: Dynamic, tags: Dynamic, options: Map) -> Res<CrfTagger> {
        const WHO: &str = "crf_tagger";
        let options = Options::read(WHO, TAGGER, options)?;
        let how = TaggerOptions {
            window: options.count("window")?,
            c2: options.float("c2")?,
            min_frequency: options.count("min_frequency")?,
            stopping: Stopping {
                max_iter: options.count("max_iter")?,
                tol: options.float("tol")?,
                gain: options.float("gain")?,
            },
            scheme: match options.maybe("scheme", Options::text)? {
                Some(name) => Some(Scheme::named(WHO, &name)?),
                None => None,
            },
        };
        let (rows, tags) = (listed(WHO, "rows", &rows)?, listed(WHO, "tags", &tags)?);
        let tags: Vec<Vec<String>> = tags
            .iter()
            .enumerate()
            .map(|(at, row)| match row.read_lock::<List>() {
                Some(row) => Ok(labels(&row)),
                None => bail!(WHO, "row {at} of the tags is {}, not a list", type_in_words(row)),
            })
            .collect::<Res<_>>()?;
        Ok(CrfTagger::fit(&tokens(WHO, &rows)?, &tags, &how)?)
    }

    /// Opens a tagger from a file of `save`.
    ///
    /// ```rhai
    /// crf_tagger(["ab", "ba"], [["A", "B"], ["B", "A"]]).save("out/doc/tagger.safetensors");
    /// crf_tagger("out/doc/tagger.safetensors").predict(["ab"])      //=> [["A", "B"]]
    /// ```
    #[rhai_fn(name = "crf_tagger", return_raw)]
    pub fn open_tagger(path: &str) -> Res<CrfTagger> {
        Ok(CrfTagger::open(path)?)
    }

    /// Predicts the best tags of rows of tokens (or of texts, by character): a list of lists.
    ///
    /// ```rhai
    /// let m = crf_tagger(["ab", "ba"], [["A", "B"], ["B", "A"]]);
    /// m.predict(["ab", ""])                    //=> [["A", "B"], []]
    /// ```
    #[rhai_fn(name = "predict", pure, return_raw)]
    pub fn predict_tags(m: &mut CrfTagger, rows: Dynamic) -> Res<List> {
        let rows = listed("predict", "rows", &rows)?;
        let found = (*m).predict(&tokens("predict", &rows)?)?;
        Ok(found.into_iter().map(|tags| tags.into_iter().map(Dynamic::from).collect::<List>().into()).collect())
    }

    /// Returns facts: `labels`, the number of `features` and of `weights`, and `iterations` of the training.
    ///
    /// ```rhai
    /// crf_tagger(["ab", "ba"], [["A", "B"], ["B", "A"]]).info().labels      //=> ["A", "B"]
    /// ```
    #[rhai_fn(name = "info", pure)]
    pub fn tagger_info(m: &mut CrfTagger) -> Map {
        let (features, weights) = m.size();
        let names: List = m.labels().iter().map(|label| label.clone().into()).collect();
        let fields: [(&str, Dynamic); 4] = [
            ("labels", names.into()),
            ("features", (features as INT).into()),
            ("weights", (weights as INT).into()),
            ("iterations", (m.iterations() as INT).into()),
        ];
        fields.into_iter().map(|(name, value)| (name.into(), value)).collect()
    }

    /// Saves the tagger as `.safetensors`.
    ///
    /// effect
    ///
    /// ```rhai
    /// crf_tagger(["ab", "ba"], [["A", "B"], ["B", "A"]]).save("out/doc/tagger.safetensors");
    /// ```
    #[rhai_fn(name = "save", pure, return_raw)]
    pub fn save_tagger(m: &mut CrfTagger, path: &str) -> Res<()> {
        Ok((*m).save(path)?)
    }

    #[rhai_fn(name = "to_string", name = "to_debug", pure)]
    pub fn tagger_to_string(m: &mut CrfTagger) -> String {
        format!("crf_tagger of {} tags, {}", m.labels().len(), crate::text::counted(m.size().0, "feature"))
    }
}
