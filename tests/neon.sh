#!/usr/bin/env bash
# Compares NEON products of quantized weights, under qemu, with the portable code, to the bit, for every block type. Half a minute.
#
#   apt-get install qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross; rustup target add aarch64-unknown-linux-gnu
#   tests/neon.sh
#
# The kernel's files are compiled unchanged, in a separate crate.
set -eu
cd "$(dirname "$0")/.."
quant=$(realpath core/src/kernel/quant) math=$(realpath core/src/kernel/math.rs)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/src"
half=$(sed -n '/^name = "half"$/{n;s/version = "\(.*\)"/\1/p}' Cargo.lock)

cat > "$folder/Cargo.toml" <<TOML
[package]
name = "neon"
version = "0.0.0"
edition = "2024"
[dependencies]
half = "=$half"
[workspace]
TOML

cat > "$folder/src/main.rs" <<RUST
#![allow(dead_code, unused_macros, unused_imports)]
mod kernel {
    pub mod cpu {
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Level { Plain, Avx2, Avx512, Bf16, Amx }
        pub fn level() -> Level { Level::Plain }
    }
    #[path = "$math"]
    pub mod math;
    pub mod quant {
        #[path = "$quant/dots.rs"]
        pub mod dots;
        #[path = "$quant/kinds/mod.rs"]
        pub mod kinds;
        #[path = "$quant/neon.rs"]
        pub mod neon;
        #[path = "$quant/panel.rs"]
        pub mod panel;
        #[path = "$quant/rounded.rs"]
        pub mod rounded;
    }
}
use kernel::quant::{dots, kinds::*, neon, panel::{self, Places, ROWS}, rounded::Rounded};

const COLUMNS: usize = 768;

/// Blocks with random levels and byte scales, and small f16 numbers.
fn blocks<K: Kind>() -> Vec<u8> {
    let mut state = 7u64;
    let mut next = || { state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407); (state >> 33) as u32 };
    let mut all = Vec::new();
    for _ in 0..ROWS * COLUMNS / K::BLOCK {
        let mut block: Vec<u8> = (0..K::BYTES).map(|_| next() as u8).collect();
        let mut fields = Fields::default();
        K::read(&block, &mut fields);
        fields.scale = half::f16::from_f32(next() as f32 / 1e11 - 0.01).to_bits();
        fields.min = half::f16::from_f32(next() as f32 / 1e11).to_bits();
        K::write(&fields, &mut block);
        all.extend(block);
    }
    all
}

fn check<K: Kind, const M: usize>(name: &str) {
    let places = Places::of::<K>(COLUMNS);
    let mut own = vec![0u8; places.bytes];
    let blocks = blocks::<K>();
    let rows: Vec<&[u8]> = blocks.chunks(COLUMNS / K::BLOCK * K::BYTES).collect();
    panel::pack::<K>(&rows, COLUMNS, &mut own);
    let numbers: Vec<f32> = (0..M * COLUMNS).map(|i| ((i * 7919 + i / 16) % 1001) as f32 / 400.0 - 1.25).collect();
    let x = Rounded::of(&numbers, COLUMNS);
    let (mut plain, mut fast) = ([[0f32; ROWS]; M], [[0f32; ROWS]; M]);
    dots::plain::<K, M>(&own, places, &x, 0, &mut plain);
    unsafe { neon::products::<K, M>(&own, places, &x, 0, &mut fast) };
    assert!(plain.as_flattened().iter().all(|y| y.is_finite() && *y != 0.0), "{name}: {plain:?}");
    assert!(plain.map(|row| row.map(f32::to_bits)) == fast.map(|row| row.map(f32::to_bits)), "{name} of {M}: {plain:?} {fast:?}");
}

fn all<K: Kind>(name: &str) {
    check::<K, 1>(name);
    check::<K, 4>(name);
    check::<K, 8>(name);
    println!("{name}: the same bits");
}

fn main() {
    assert!(neon::is_available(), "this processor has no dot products");
    all::<Q4_0>("q4_0");
    all::<Q4_1>("q4_1");
    all::<Q5_0>("q5_0");
    all::<Q5_1>("q5_1");
    all::<Q8_0>("q8_0");
    all::<Q2K>("q2_k");
    all::<Q3K>("q3_k");
    all::<Q4K>("q4_k");
    all::<Q5K>("q5_k");
    all::<Q6K>("q6_k");
}
RUST

export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu"
cargo run --quiet --release --target aarch64-unknown-linux-gnu --manifest-path "$folder/Cargo.toml"
