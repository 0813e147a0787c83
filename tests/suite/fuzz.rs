//! The fuzz targets on stable: every seed, and small changes of each, equal in every run.

#[path = "../../fuzz/src/lib.rs"]
mod targets;

use super::chance::next;
use std::path::Path;
use targets::TARGETS;

/// Number of changes per seed.
const CHANGES: u64 = 40;

/// Mutations of files: flipped bits, numbers at the ends of their ranges, truncations, stretches doubled or removed.
fn changed(seed: &[u8], state: &mut u64) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=next(state) % 3 {
        if bytes.is_empty() {
            return vec![next(state) as u8];
        }
        let at = next(state) % bytes.len();
        let to = (at + 1 + next(state) % 16).min(bytes.len());
        match next(state) % 6 {
            0 => bytes[at] ^= 1 << (next(state) % 8),
            1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff, b'"', b'{', b'\n'][next(state) % 8],
            2 => bytes[at..to].fill([0, 0xff][next(state) % 2]),
            3 => bytes.truncate(at),
            4 => bytes.extend_from_within(at..to),
            _ => drop(bytes.drain(at..to)),
        }
    }
    bytes
}

/// The memory limit of a target counts the whole process, so it has one to itself.
#[test]
fn no_parser_panics_on_seeds_or_on_small_changes_of_them() {
    const NAME: &str = "fuzz::no_parser_panics_on_seeds_or_on_small_changes_of_them";
    const ALONE: &str = "LEVAIN_TEST_FUZZ_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
        let told = alone.args(["--exact", NAME, "--nocapture"]).env(ALONE, "1").output().unwrap();
        let text = String::from_utf8_lossy(&told.stdout);
        assert!(told.status.success() && text.contains("1 passed"), "{text}{}", String::from_utf8_lossy(&told.stderr));
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    for target in TARGETS {
        let mut seeds: Vec<_> =
            std::fs::read_dir(root.join(target.name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        seeds.sort();
        assert!(!seeds.is_empty(), "{} has no seeds", target.name);
        for path in seeds {
            let seed = std::fs::read(&path).unwrap();
            // a seed that nothing opens would test nothing
            if let Err(fault) = targets::run(target.name, &seed) {
                panic!("{}: {fault}", path.display());
            }
            let mut state = seed.len() as u64;
            for _ in 0..CHANGES {
                let _ = targets::run(target.name, &changed(&seed, &mut state));
            }
        }
    }
}

/// The fuzz script takes the targets from their seeds, and the nightly job runs each.
#[test]
fn every_target_has_seeds_and_is_scheduled() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    let seeds = std::fs::read_dir(root.join("fuzz/seeds")).unwrap();
    let mut seeds: Vec<String> = seeds.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    seeds.sort();
    assert_eq!(seeds, names);
    let workflow = std::fs::read_to_string(root.join(".github/workflows/fuzz.yml")).unwrap();
    assert!(workflow.contains(&format!("target: [{}]", names.join(", "))), "{}", names.join(", "));
    assert!(workflow.contains("fuzz/run ${{ matrix.target }}"));
}
