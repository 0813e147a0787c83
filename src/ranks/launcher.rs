//! Detects the launcher of this process by its environment variables.

use crate::{Error, Result};

/// Whether a process is one of several.
#[derive(Clone, Debug, PartialEq)]
pub enum Launch {
    /// Started alone.
    Alone,
    /// One of several that communicate by MPI.
    Together {
        /// The launcher, for messages and to find its library.
        by: Launcher,
        /// The number of processes, if the variables tell.
        count: Option<usize>,
    },
}

/// Launchers, identified by their environment variables.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Launcher {
    /// Open MPI's mpirun.
    OpenMpi,
    /// MPICH's and Intel's mpiexec (Hydra), and Slurm with PMI-1 or PMI-2.
    Pmi,
    /// PMIx: Slurm with `--mpi=pmix`, PRRTE.
    Pmix,
}

impl Launcher {
    pub fn name(self) -> &'static str {
        match self {
            Launcher::OpenMpi => "mpirun (Open MPI)",
            Launcher::Pmi => "mpiexec (PMI)",
            Launcher::Pmix => "a launcher with PMIx",
        }
    }
}

/// Reads the variables, through `variable`.
pub fn launch(variable: impl Fn(&str) -> Option<String>) -> Result<Launch> {
    match variable("LEVAIN_RANKS").as_deref() {
        None | Some("" | "on") => {}
        Some("off") => return Ok(Launch::Alone),
        Some(other) => {
            return Err(Error::new("LEVAIN_RANKS", format!("`{other}` is neither `on` nor `off`"))
                .help("with `off` each process of a launcher runs for itself"));
        }
    }
    let number = |name: &str| -> Result<Option<usize>> {
        let Some(text) = variable(name) else { return Ok(None) };
        match text.trim().parse() {
            Ok(number) if number > 0 => Ok(Some(number)),
            _ => Err(Error::new("ranks", format!("{name} is `{text}`, not a number of processes"))
                .help("a launcher sets it; LEVAIN_RANKS=off runs this process for itself")),
        }
    };
    let of_slurm = number("SLURM_STEP_NUM_TASKS")?;
    for (name, by) in [("OMPI_COMM_WORLD_SIZE", Launcher::OpenMpi), ("PMI_SIZE", Launcher::Pmi)] {
        match number(name)? {
            Some(1) => return Ok(Launch::Alone),
            Some(count) => return Ok(Launch::Together { by, count: Some(count) }),
            None => {}
        }
    }
    if variable("PMIX_RANK").is_some() {
        return Ok(match of_slurm {
            Some(1) => Launch::Alone,
            count => Launch::Together { by: Launcher::Pmix, count },
        });
    }
    // several processes that can't communicate would each train the same model
    let apart = |by: &str, count: usize, cure: &str| {
        Err(Error::new("ranks", format!("{by} started {count} processes without MPI: each would do all the work"))
            .help(format!("{cure}; LEVAIN_RANKS=off runs each process for itself")))
    };
    match of_slurm {
        Some(count) if count > 1 && variable("SLURM_PROCID").is_some() => {
            return apart(
                "srun",
                count,
                "`srun --mpi=pmix levain run …` joins them (`srun --mpi=list` lists what there is)",
            );
        }
        _ => {}
    }
    match number("WORLD_SIZE")? {
        Some(count) if count > 1 && variable("TORCHELASTIC_RUN_ID").is_some() => {
            apart("torchrun", count, "`mpirun -n N levain run …` starts processes that train together")
        }
        _ => Ok(Launch::Alone),
    }
}

/// The rank that the launcher gave this process.
pub fn number_told(variable: impl Fn(&str) -> Option<String>) -> usize {
    let names = ["OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", "SLURM_PROCID"];
    names.into_iter().find_map(|name| variable(name)?.trim().parse().ok()).unwrap_or(0)
}

/// Number of processes that the launcher started on this machine, if known: they share its cores.
pub fn neighbors(variable: impl Fn(&str) -> Option<String>) -> usize {
    if !matches!(launch(&variable), Ok(Launch::Together { .. })) {
        return 1;
    }
    let names = ["OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "SLURM_NTASKS_PER_NODE"];
    names.into_iter().find_map(|name| variable(name)?.trim().parse().ok()).unwrap_or(1).max(1)
}
