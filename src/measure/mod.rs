//! Measuring: what a model is worth, in numbers that can be compared.

pub mod api;
pub mod baseline;
pub mod bench;
pub mod bootstrap;
pub mod chrf;
pub mod confusion;
pub mod likelihood;
pub mod machine;
pub mod statistics;

pub use bootstrap::{Interval, bootstrap};
pub use chrf::chrf;
pub use confusion::{Confusion, Scores};
pub use likelihood::{Likelihood, Windows, likelihood, likelihood_of_rows};
