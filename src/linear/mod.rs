//! Linear models without a neural network: TF-IDF, logistic regression, and a conditional random field over features. Their
//! results are the baseline for a neural network.

pub mod api;
mod features;
mod file;
mod lbfgs;
mod logistic;
mod ngrams;
mod sparse;
mod tagger;
mod tfidf;

pub use lbfgs::{Minimum, Stopping, minimize};
pub use logistic::{ClassWeight, Fitting, LogisticRegression};
pub use ngrams::{Analyzer, NgramRange};
pub use sparse::Sparse;
pub use tagger::{CrfTagger, TaggerOptions};
pub use tfidf::{TfIdf, TfIdfOptions};
