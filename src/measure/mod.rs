//! Measuring: the quality of a model, in comparable numbers.

pub mod api;
pub mod baseline;
pub mod bench;
pub mod bootstrap;
pub mod calibration;
pub mod chrf;
pub mod confusion;
pub mod distributions;
pub mod divergence;
pub mod entities;
pub mod exact_match;
pub mod likelihood;
pub mod machine;
pub mod multilabel;
pub mod multiple;
pub mod paired;
pub mod power;
pub mod proportion;
pub mod pseudo_likelihood;
pub mod ranking;
pub mod resampled;
pub mod retrieval;
pub mod statistics;

pub use bootstrap::{Interval, Method, bootstrap};
pub use calibration::Predictions;
pub use chrf::chrf;
pub use confusion::{Confusion, Distance, Scores};
pub use divergence::{Divergence, divergence};
pub use entities::{Count, EntityCounts, entity_counts};
pub use exact_match::Normalization;
pub use likelihood::{Likelihood, Windows, likelihood, likelihood_in_context, likelihood_of_rows};
pub use multilabel::MultiLabel;
pub use paired::Paired;
pub use pseudo_likelihood::{PseudoPlan, pseudo_likelihood};
