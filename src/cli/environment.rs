//! The variables that levain reads: a name that is nearly one of them is told.

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
/// What the tests of levain itself read.
const OF_TESTS: &str = "LEVAIN_TEST_";

/// Warns of names that are meant for levain and are none of its own.
pub fn tell() {
    for (name, _) in std::env::vars_os() {
        let Some((name, near)) = name.to_str().and_then(|name| Some((name, misspelt(name)?))) else { continue };
        let listed = || format!("levain reads {}", KNOWN.join(", "));
        let help = near.map_or_else(listed, |near| format!("did you mean {near}?"));
        progress::warn(name, format!("levain reads no such variable; {help}"));
    }
}

/// Whether a name is meant for levain and none of its own, with the one that was probably meant.
fn misspelt(name: &str) -> Option<Option<&'static str>> {
    // names of other programs are not looked at twice: there are many, and a start is short
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
