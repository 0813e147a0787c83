//! The class of machine of a baseline.

use crate::kernel::{self, cpu};
use serde::{Deserialize, Serialize};

/// The properties that decide which numbers can be compared bit for bit, and which times at all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    /// The features of the processor that the system lets this process use and that select different kernels.
    pub features: Vec<String>,
    /// The kernels used: those of the last feature, unless limited by `LEVAIN_CPU` and `LEVAIN_KERNELS`.
    #[serde(default)]
    pub kernels: String,
}

/// The features by the kernel level that needs them, in ascending order.
const FEATURES: [(cpu::Level, &str); 4] = [
    (cpu::Level::Avx2, "avx2"),
    (cpu::Level::Avx512, "avx512"),
    (cpu::Level::Bf16, "avx512bf16"),
    (cpu::Level::Amx, "amx"),
];

impl Machine {
    /// The machine of this process, with the number of cores it uses.
    pub fn here() -> Machine {
        let has = cpu::detected();
        let known = FEATURES.iter().filter(|(level, _)| *level <= has).map(|(_, name)| name.to_string());
        let neon = cfg!(target_arch = "aarch64").then(|| "neon".to_string());
        let kernels = if kernel::are_on() { cpu::level().name() } else { "reference" };
        Machine {
            cpu: model(),
            cores: rayon::current_num_threads(),
            features: known.chain(neon).collect(),
            kernels: kernels.to_string(),
        }
    }

    /// The kernels, if they differ from those of the features.
    fn limited(&self) -> Option<&str> {
        let promised = FEATURES.iter().rev().find(|(_, name)| self.features.iter().any(|feature| feature == name));
        let promised = promised.map_or(cpu::Level::Plain, |(level, _)| *level).name();
        (self.kernels != promised && !self.kernels.is_empty()).then_some(self.kernels.as_str())
    }

    /// A file name for its class.
    pub fn file_name(&self) -> String {
        let mut name = String::new();
        let kernels = self.limited().map(|kernels| format!(" kernels {kernels}")).unwrap_or_default();
        let class = format!("{} {} cores {}{kernels}", self.cpu, self.cores, self.features.join(" "));
        for c in class.to_lowercase().chars() {
            match c {
                c if c.is_ascii_alphanumeric() => name.push(c),
                _ if !name.ends_with('-') => name.push('-'),
                _ => {}
            }
        }
        format!("{}.json", name.trim_matches('-'))
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let s = if self.cores == 1 { "" } else { "s" };
        write!(f, "{}, {} core{s}", self.cpu, self.cores)?;
        if !self.features.is_empty() {
            write!(f, ", {}", self.features.join(" "))?;
        }
        self.limited().map_or(Ok(()), |kernels| write!(f, ", kernels {kernels}"))
    }
}

/// The system's name for the processor.
fn model() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = info.lines().find(|line| line.split(':').next().is_some_and(|key| key.trim() == name))?;
        Some(line.split_once(':')?.1.trim().to_string())
    };
    match (field("model name"), field("cpu family"), field("model")) {
        // clouds hide the name, but not the numbers
        (Some(name), Some(family), Some(model)) => format!("{name} (family {family} model {model})"),
        (Some(name), ..) => name,
        _ => format!("{} {}", std::env::consts::ARCH, std::env::consts::OS),
    }
}
