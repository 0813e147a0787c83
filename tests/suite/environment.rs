//! The environment of the program: misspelled variables cause a warning.

use std::process::Command;

struct Told {
    code: Option<i32>,
    out: String,
    err: String,
}

fn told(command: &mut Command) -> Told {
    let output = command.output().unwrap();
    Told {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// `print(1);` with a variable.
fn one(name: &str, value: &str) -> Told {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.rhai"), "print(1);").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_levain"));
    told(command.args(["run", "a.rhai"]).current_dir(folder.path()).env(name, value))
}

#[test]
fn values_that_are_misspelt() {
    for (name, value, what) in [
        ("LEVAIN_CPU", "avx22", "`avx22` is not one of plain, avx2, avx512, bf16, amx\nhelp: did you mean `avx2`?\n"),
        ("LEVAIN_CPU", "sse", "`sse` is not one of plain, avx2, avx512, bf16, amx\n"),
        ("LEVAIN_KERNELS", "of", "`of` is neither `on` nor `off`\n"),
        ("LEVAIN_DEVICE", "gpu", "there is no device `gpu`\n"),
        (
            "LEVAIN_DEVICE",
            "metal",
            "this levain was built without metal\nhelp: build it with `cargo build --release --features metal`\n",
        ),
        ("LEVAIN_DEVICE", "cpu:1", "there is no device `cpu:1`\n"),
        ("LEVAIN_KERNELS", "0", "`0` is neither `on` nor `off`\n"),
        ("RAYON_NUM_THREADS", "100000", "`100000` is not a number of threads from 1 to 1024\n"),
        ("CANDLE_NUM_THREADS", "5000", "`5000` is not a number of threads from 1 to 1024\n"),
    ] {
        let told = one(name, value);
        assert_eq!(told.code, Some(2), "{name}={value}: {}", told.err);
        assert!(told.err.starts_with(&format!("error: {name}: {what}")), "{name}={value}: {}", told.err);
    }
}

#[test]
fn names_that_are_misspelt() {
    for (name, help) in [
        ("LEVAIN_THREAD", "did you mean LEVAIN_THREADS?"),
        ("LEVAIN_KERNEL", "did you mean LEVAIN_KERNELS?"),
        ("LEVAIN_CPUS", "did you mean LEVAIN_CPU?"),
        ("LEVIAN_CPU", "did you mean LEVAIN_CPU?"),
        ("levain_threads", "did you mean LEVAIN_THREADS?"),
        (
            "LEVAIN_PRECISION",
            "levain reads LEVAIN_THREADS, LEVAIN_DEVICE, LEVAIN_KERNELS, LEVAIN_CPU, LEVAIN_MPI, LEVAIN_RANKS, LEVAIN_RANKS_TIMEOUT",
        ),
    ] {
        let told = one(name, "1");
        assert_eq!((told.code, told.out.as_str()), (Some(0), "1\n"), "{name}");
        assert_eq!(told.err, format!("warning: {name}: levain reads no such variable; {help}\n"));
    }
    for (name, value) in [
        ("LEVAIN_CPU", "plain"),
        ("LEVAIN_CPU", ""),
        ("LEVAIN_KERNELS", "off"),
        ("LEVAIN_KERNELS", "on"),
        ("LEVAIN_THREADS", "2"),
        ("LEVAIN_TEST_ANYTHING", "1"),
        ("RAYON_NUM_THREADS", "2"),
        ("RAYON_NUM_THREADS", "0"),
        ("LANGUAGE", "de"),
        ("LESS", "-R"),
    ] {
        let told = one(name, value);
        assert_eq!((told.code, told.out.as_str(), told.err.as_str()), (Some(0), "1\n", ""), "{name}={value}");
    }
}
