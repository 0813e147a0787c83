//! The class of machine that a baseline is for.

use serde::{Deserialize, Serialize};

/// What decides which numbers can be compared bit for bit, and which times at all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    /// Those that change which kernels run.
    pub features: Vec<String>,
}

impl Machine {
    /// The machine that this process runs on, with as many cores as it uses.
    pub fn here() -> Machine {
        Machine { cpu: cpu(), cores: rayon::current_num_threads(), features: features() }
    }

    /// Its class as the name of a file.
    pub fn file_name(&self) -> String {
        let mut name = String::new();
        for c in format!("{} {} cores {}", self.cpu, self.cores, self.features.join(" ")).to_lowercase().chars() {
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
        if self.features.is_empty() { Ok(()) } else { write!(f, ", {}", self.features.join(" ")) }
    }
}

fn cpu() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = info.lines().find(|line| line.split(':').next().is_some_and(|key| key.trim() == name))?;
        Some(line.split_once(':')?.1.trim().to_string())
    };
    match (field("model name"), field("cpu family"), field("model")) {
        // clouds hide the name, not the numbers
        (Some(name), Some(family), Some(model)) => format!("{name} (family {family} model {model})"),
        (Some(name), ..) => name,
        _ => format!("{} {}", std::env::consts::ARCH, std::env::consts::OS),
    }
}

fn features() -> Vec<String> {
    let mut found: Vec<&str> = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        if std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma") {
            found.push("avx2");
        }
        if std::is_x86_feature_detected!("avx512f") {
            found.push("avx512");
        }
        if std::is_x86_feature_detected!("avx512bf16") {
            found.push("avx512bf16");
        }
    }
    #[cfg(target_arch = "aarch64")]
    found.push("neon");
    found.into_iter().map(str::to_string).collect()
}
