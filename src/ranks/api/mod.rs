//! Script verbs for ranks.

use super::tree;
use crate::script::prelude::*;

pub fn register(host: &mut Host) {
    host.module(exported_module!(verbs));
}

#[export_module]
mod verbs {
    /// Returns the rank of this process in an MPI run, from 0; 0 without MPI.
    ///
    /// Scripts rarely need it: under `mpirun -n 4 levain run x.rhai` all ranks run the same script, `train::run` divides its
    /// micro-batches among them, and only rank 0 prints and writes. What is trained, saved or printed must not depend on it.
    ///
    /// ```rhai
    /// rank()                                   //=> 0
    /// ```
    ///
    /// also: local_rank, get_rank, torch.distributed, MPI_Comm_rank, process index, DistributedDataParallel, is_main_process
    pub fn rank() -> INT {
        crate::ranks::rank() as INT
    }

    /// Returns the number of processes in this MPI run; 1 without MPI.
    ///
    /// `batch_size × grad_accum` of `train::run` is the number of rows per step over all ranks, so nothing has to be divided or
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

    /// Returns this rank's share of `count` micro-batches: the first, and their number.
    #[rhai_fn(name = "_share", return_raw)]
    pub fn share(count: INT) -> Res<List> {
        let count = usize::try_from(count).unwrap_or(0);
        let own = tree::share(crate::ranks::rank(), crate::ranks::count(), count)?;
        Ok(vec![(own.start as INT).into(), (own.len() as INT).into()])
    }
}
