//! What scripts see of ranks.

use super::tree;
use crate::script::prelude::*;

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

#[export_module]
mod verbs {
    /// Returns the number of this process among those that a launcher of MPI started for one run, from 0; 0 where it runs alone.
    ///
    /// A script needs it seldom: under `mpirun -n 4 levain run x.rhai` all ranks run the same script, `train::run` shares its
    /// micro-batches among them, and rank 0 alone prints and writes. It must not decide what is trained, saved or printed.
    ///
    /// ```rhai
    /// rank()                                   //=> 0
    /// ```
    ///
    /// also: local_rank, get_rank, torch.distributed, MPI_Comm_rank, process index, DistributedDataParallel, is_main_process
    pub fn rank() -> INT {
        crate::ranks::rank() as INT
    }

    /// Returns how many processes a launcher of MPI started for this run; 1 where it runs alone.
    ///
    /// `batch_size × grad_accum` of `train::run` are the rows of a step of all of them together, so that nothing has to be divided or
    /// multiplied by this number.
    ///
    /// ```rhai
    /// world_size()                             //=> 1
    /// ```
    ///
    /// also: get_world_size, num_processes, n_gpu, MPI_Comm_size, mpirun, mpiexec, srun, torchrun, accelerate launch, DistributedDataParallel, DDP, deepspeed, horovod, data parallel
    pub fn world_size() -> INT {
        crate::ranks::count() as INT
    }

    /// The micro-batches of `count` that are this rank's: the first, and how many.
    #[rhai_fn(name = "_share", return_raw)]
    pub fn share(count: INT) -> Res<List> {
        let count = usize::try_from(count).unwrap_or(0);
        let own = tree::share(crate::ranks::rank(), crate::ranks::count(), count)?;
        Ok(vec![(own.start as INT).into(), (own.len() as INT).into()])
    }
}
