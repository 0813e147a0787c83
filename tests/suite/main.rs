//! The guarantees of the product, in one binary: one module per guarantee or noun.

mod adapters;
mod archives;
mod bench;
mod candle;
mod chance;
mod chat;
mod check;
mod ci;
mod clean;
mod cli;
mod core;
mod damage;
mod documents;
mod embed;
mod encoders;
mod environment;
mod examples;
mod faults;
mod fetch;
mod format;
mod fuzz;
mod gate;
mod habits;
mod help;
#[cfg(target_os = "linux")]
mod hostile;
mod house;
mod hub;
mod layers;
mod linear;
mod output;
mod sandbox;
mod scores;
mod scripts;
mod search;
#[cfg(feature = "serve")]
mod serve;
mod session;
#[cfg(target_os = "linux")]
mod shared;
mod tensor;
mod tests;
mod token;
mod tokenizers;
mod train;
mod unigram;
mod verdict;

mod data;
mod decode;
mod devices;
#[cfg(unix)]
mod dialogs;
mod dirty;
#[cfg(feature = "jupyter")]
mod jupyter;
mod kernel;
mod kills;
mod language;
mod model;
mod parity;
mod pause;
mod pickles;
mod planted;
mod plot;
mod prompt;
mod quantize;
#[cfg(target_os = "linux")]
mod ranks;
mod rope;
#[cfg(unix)]
mod terminal;

/// As in the program. That this links is a guarantee too: the library installs no allocator of its own, and leaves the choice to
/// the host.
#[global_allocator]
static ALLOCATOR: levain::kernel::pool::PoolAllocator = levain::kernel::pool::PoolAllocator;
