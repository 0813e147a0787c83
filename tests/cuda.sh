#!/usr/bin/env bash
# tests/cuda.sh [FOLDER]: that levain compiles for CUDA, where there is neither a GPU nor NVIDIA's toolkit: `cargo check --features cuda`.
# The compiler comes from PyPI (308 MB, kept in FOLDER, by default target/cuda). Not part of every run: candle's kernels are compiled
# first, which takes ten minutes on two cores. Nothing is linked and nothing runs: what computes is tried by tests/foreign/run.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
folder=${1:-$target/cuda}
home=$folder/nvidia/cu13
# 13.2 and no later: the newest that cudarc 0.19.10 knows is 13.4, and PyPI's newest compiler 13.5
if [ ! -x "$home/bin/nvcc" ]; then
    python3 -m pip install --quiet --no-deps --target "$folder" nvidia-cuda-nvcc==13.2.78 nvidia-cuda-crt==13.2.78 \
        nvidia-nvvm==13.2.78 nvidia-cuda-runtime==13.2.75 nvidia-cuda-cccl==13.2.86
fi
export PATH=$home/bin:$PATH CUDA_HOME=$home CUDA_PATH=$home CUDA_ROOT=$home
# in the place of nvidia-smi, which is asked where this is not set
export CUDA_COMPUTE_CAP=${CUDA_COMPUTE_CAP:-80}
cargo check --locked --release --lib --bins --features cuda --target-dir "$target"
