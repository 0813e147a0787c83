//! Environment variables that levain reads: warns of misspelled names.

use crate::{nearest, progress};

const KNOWN: [&str; 7] = [
    "LEVAIN_THREADS",
    "LEVAIN_DEVICE",
    "LEVAIN_KERNELS",
    "LEVAIN_CPU",
    "LEVAIN_MPI",
    "LEVAIN_RANKS",
    "LEVAIN_RANKS_TIMEOUT",
];
/// Prefix of the variables that levain's own tests read.
const OF_TESTS: &str = "LEVAIN_TEST_";

/// Warns of names that look like levain's but are unknown.
pub fn tell() {
    for (name, _) in std::env::vars_os() {
        let Some((name, near)) = name.to_str().and_then(|name| Some((name, misspelt(name)?))) else { continue };
        let listed = || format!("levain reads {}", KNOWN.join(", "));
        let help = near.map_or_else(listed, |near| format!("did you mean {near}?"));
        progress::warn(name, format!("levain reads no such variable; {help}"));
    }
}

/// Whether a name looks like levain's but is unknown, and the nearest known name.
fn misspelt(name: &str) -> Option<Option<&'static str>> {
    // skips other programs' names quickly: there are many, and startup must be fast
    if !name.starts_with(['L', 'l']) || KNOWN.contains(&name) || name.starts_with(OF_TESTS) {
        return None;
    }
    let upper = name.to_uppercase();
    let near = KNOWN.into_iter().map(|known| (strsim::damerau_levenshtein(&upper, known), known)).min();
    let near = near.filter(|(distance, _)| *distance <= 2).map(|(_, known)| known);
    match near {
        None if !upper.starts_with("LEVAIN_") => None,
        None => Some(nearest(name, KNOWN)),
        near => Some(near),
    }
}
