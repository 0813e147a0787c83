//! What the product promises, in one binary: one module a promise or a noun.

mod bench;
mod check;
mod cli;
mod core;
mod embed;
mod examples;
mod faults;
mod habits;
mod help;
mod house;
mod sandbox;
mod scripts;
mod tensor;
mod tests;
mod token;
mod train;
mod verdict;

mod data;
mod decode;
#[cfg(feature = "jupyter")]
mod jupyter;
mod kernel;
mod model;
mod parity;
mod pause;
mod plot;
mod prompt;
mod reference;
