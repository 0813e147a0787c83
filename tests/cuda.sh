#!/usr/bin/env bash
# tests/cuda.sh [FOLDER]: checks that levain compiles for CUDA, without a GPU or NVIDIA's toolkit: `cargo check --features cuda`.
# The compiler comes from PyPI (308 MB, stored in FOLDER, by default target/cuda). Not part of every run: candle's kernels are compiled
# first, which takes ten minutes on two cores. Nothing is linked or run: tests/foreign/run tests the computation.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-$PWD/target}
folder=${1:-$target/cuda}
home=$folder/nvidia/cu13
# not later than 13.2: cudarc 0.19.10 supports at most 13.4, and PyPI's newest compiler is 13.5
if [ ! -x "$home/bin/nvcc" ]; then
    python3 -m pip install --quiet --no-deps --target "$folder" nvidia-cuda-nvcc==13.2.78 nvidia-cuda-crt==13.2.78 \
        nvidia-nvvm==13.2.78 nvidia-cuda-runtime==13.2.75 nvidia-cuda-cccl==13.2.86
fi
export PATH=$home/bin:$PATH CUDA_HOME=$home CUDA_PATH=$home CUDA_ROOT=$home
# replaces nvidia-smi, which is called if this is not set
export CUDA_COMPUTE_CAP=${CUDA_COMPUTE_CAP:-80}
cargo check --locked --release --lib --bins --features cuda --target-dir "$target"
