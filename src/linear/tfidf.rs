//! TF-IDF vectors of texts, as in scikit-learn's TfidfVectorizer.

use super::ngrams::{Analyzer, NgramRange, ngrams, spread};
use super::sparse::Sparse;
use crate::token::words::FastMap;
use crate::{Error, Result, bail, cancel};
use rayon::prelude::*;

/// Options of the vectors; the defaults are scikit-learn's.
#[derive(Clone, Debug, PartialEq)]
pub struct TfIdfOptions {
    pub analyzer: Analyzer,
    pub range: NgramRange,
    pub lowercase: bool,
    /// Minimum number of texts that contain an n-gram.
    pub min_df: usize,
    /// Maximum share of texts that contain it.
    pub max_df: f64,
    /// Maximum number of n-grams, the most frequent ones.
    pub max_features: Option<usize>,
    /// Whether a count becomes 1 + its logarithm.
    pub sublinear_tf: bool,
}

/// The n-grams and their inverse document frequencies. A value.
#[derive(Clone, Debug)]
pub struct TfIdf {
    pub(super) options: TfIdfOptions,
    /// In alphabetical order, the order of columns.
    pub(super) terms: Vec<String>,
    pub(super) idf: Vec<f64>,
    index: FastMap<String, u32>,
}

/// Number of texts between two checks of the cancel flag.
const PART: usize = 1024;

impl TfIdf {
    /// Learns the n-grams of texts.
    pub fn fit(texts: &[String], options: TfIdfOptions) -> Result<TfIdf> {
        const WHO: &str = "tfidf";
        if texts.is_empty() {
            bail!(WHO, "there are no texts");
        }
        if !(options.max_df > 0.0 && options.max_df <= 1.0) {
            bail!(WHO, "option `max_df` is {}, not above 0 and at most 1", options.max_df);
        }
        // the number of texts that contain each, and its total count
        let mut found: FastMap<String, (usize, u64)> = FastMap::default();
        for part in texts.chunks(PART) {
            cancel::check()?;
            let spread: Vec<String> = part.par_iter().map(|text| options.spread(text)).collect();
            let counted: Vec<FastMap<&str, u64>> = spread.par_iter().map(|text| options.counts(text)).collect();
            for (term, count) in counted.into_iter().flatten() {
                match found.get_mut(term) {
                    Some((texts, all)) => (*texts, *all) = (*texts + 1, *all + count),
                    None => drop(found.insert(term.to_string(), (1, count))),
                }
            }
        }
        let most = (options.max_df * texts.len() as f64).floor() as usize;
        let mut terms: Vec<(String, usize, u64)> = found
            .into_iter()
            .filter(|(_, (texts, _))| *texts >= options.min_df && *texts <= most)
            .map(|(term, (texts, count))| (term, texts, count))
            .collect();
        if let Some(limit) = options.max_features {
            terms.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| a.0.cmp(&b.0)));
            terms.truncate(limit);
        }
        if terms.is_empty() {
            return Err(Error::new(WHO, format!("no n-gram is left of {} texts", texts.len()))
                .help("words have two letters or more; `analyzer: \"char\"` is for texts without spaces, `min_df` and `max_df` leave n-grams out"));
        }
        terms.par_sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let all = (1 + texts.len()) as f64;
        let idf = terms.iter().map(|(_, texts, _)| (all / (1 + texts) as f64).ln() + 1.0).collect();
        Ok(TfIdf::of(options, terms.into_iter().map(|(term, ..)| term).collect(), idf))
    }

    /// From n-grams in alphabetical order, and their weights.
    pub(super) fn of(options: TfIdfOptions, terms: Vec<String>, idf: Vec<f64>) -> TfIdf {
        let index = terms.iter().enumerate().map(|(at, term)| (term.clone(), at as u32)).collect();
        TfIdf { options, terms, idf, index }
    }

    pub fn terms(&self) -> &[String] {
        &self.terms
    }

    pub fn options(&self) -> &TfIdfOptions {
        &self.options
    }

    /// Vectors of texts: counts times inverse document frequency, scaled to length 1. A text without a known n-gram is all zeros.
    pub fn transform(&self, texts: &[String]) -> Result<Sparse> {
        let mut vectors = Sparse::new(self.terms.len());
        for part in texts.chunks(PART) {
            cancel::check()?;
            let rows: Vec<Vec<(u32, f64)>> = part.par_iter().map(|text| self.vector(text)).collect();
            rows.iter().for_each(|row| vectors.push(row));
        }
        Ok(vectors)
    }

    fn vector(&self, text: &str) -> Vec<(u32, f64)> {
        let (text, mut places) = (self.options.spread(text), Vec::new());
        self.options.each(&text, &mut |term| places.extend(self.index.get(term)));
        places.sort_unstable();
        let mut row: Vec<(u32, f64)> =
            places.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as f64)).collect();
        for (place, number) in &mut row {
            let count = if self.options.sublinear_tf { 1.0 + number.ln() } else { *number };
            *number = count * self.idf[*place as usize];
        }
        let length = row.iter().map(|(_, number)| number * number).sum::<f64>().sqrt();
        row.iter_mut().for_each(|(_, number)| *number /= length);
        row
    }
}

impl TfIdfOptions {
    /// The text that n-grams are slices of.
    fn spread(&self, text: &str) -> String {
        if self.lowercase { spread(&text.to_lowercase(), self.analyzer) } else { spread(text, self.analyzer) }
    }

    fn each<'t>(&self, spread: &'t str, take: &mut dyn FnMut(&'t str)) {
        ngrams(spread, self.analyzer, self.range, take);
    }

    fn counts<'t>(&self, spread: &'t str) -> FastMap<&'t str, u64> {
        let mut counts = FastMap::default();
        self.each(spread, &mut |term| *counts.entry(term).or_default() += 1);
        counts
    }
}
