//! Ranks: the processes that a launcher of MPI (`mpirun`, `srun`) started for one run, which share its work and come to the bits of
//! one process.
//!
//! Every rank runs the same script, and meets the others at the same places: where gradients are summed, where something is written,
//! and where a stop may have been asked for. Rank 0 alone prints and writes. In a process that no launcher started all of this is
//! nothing: no library is opened, and what is asked of the others is answered at once.
//!
//! MPI is opened at run time, so that levain needs nothing of it to be built or started (`library`). All that is used of it are
//! messages of bytes between two ranks; sums are made here, in an order that does not depend on the number of ranks ([`tree`]).

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
