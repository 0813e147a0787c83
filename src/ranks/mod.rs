//! Ranks: the processes that an MPI launcher (`mpirun`, `srun`) started for one run, which share its work and compute the same
//! bits as one process.
//!
//! Every rank runs the same script, and meets the others at the same points: where gradients are summed, where something is
//! written, and where a stop may have been requested. Only rank 0 prints and writes. In a process without a launcher all of this
//! does nothing: no library is opened, and questions to other ranks are answered immediately.
//!
//! MPI is opened at run time, so that levain needs no part of it to build or start (`library`). Only messages of bytes between
//! two ranks are used; sums are computed here, in an order that does not depend on the number of ranks ([`tree`]).

pub mod api;
mod divided;
mod end;
mod launcher;
mod lead;
mod library;
mod meeting;
mod spread;
mod sum;
pub mod tree;
mod watchdog;
mod world;

pub use divided::{in_order, texts_in_order, turn};
pub use end::end;
pub use launcher::{Launch, launch, neighbors};
pub use lead::{Crew, first, first_value, led, shared};
pub use meeting::{agreed, gathered, together};
pub use spread::{To, spread};
pub use sum::{Addend, sum};
pub use world::{begin, count, is_first, rank, refuse_writing, set_step, wait_for_first};
