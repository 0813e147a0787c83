#!/usr/bin/env bash
# Compares levain and PyTorch on one training step and on decoding, alternating on this machine; prints a markdown table of ratios.
#
#   python -m venv VENV && VENV/bin/pip install torch transformers peft safetensors
#   scripts/bench/against_torch.sh VENV [levain binary]
#
# PyTorch is measured by default and at its best: compiled, with malloc set to keep freed memory (decoding is not
# compiled by torch_step.py). Medians of ROUNDS rounds (3); ONLY="tiny full f32" measures one row.
set -eu
. "$(dirname "$0")/in_turn.sh"

row() {
  local shape=$1 mode=$2 dtype=$3
  if [ -n "${ONLY:-}" ] && [ "$ONLY" != "$shape $mode $dtype" ]; then return; fi
  local batch=4 seq=256 steps=6
  if [ "$shape" = tiny ]; then batch=8 steps=12; fi
  if [ "$mode" = decode ]; then
    batch=1 seq=64 steps=4
    measure "$*" levain "$levain" run decode.rhai "shape=$shape" "dtype=$dtype" "tokens=$seq" "steps=$steps"
    measure "$*" torch "$python" torch_step.py --shape "$shape" --mode decode --dtype "$dtype" --seq $seq --steps $steps
    measure "$*" best best "$python" torch_step.py --shape "$shape" --mode decode --dtype "$dtype" --seq $seq --steps $steps
    return
  fi
  local same="--shape $shape --mode $mode --dtype $dtype --batch $batch --seq $seq --steps $steps"
  measure "$*" levain "$levain" run train_step.rhai "shape=$shape" "mode=$mode" "dtype=$dtype" "batch=$batch" "seq=$seq" "steps=$steps"
  measure "$*" torch "$python" torch_step.py $same
  measure "$*" best best "$python" torch_step.py $same --compile
}

for round in $(seq "$rounds"); do
  echo "round $round of $rounds" >&2
  for shape in tiny smol; do
    for dtype in f32 bf16; do row $shape full $dtype; done
  done
  for mode in lora decode; do
    for dtype in f32 bf16; do row smol $mode $dtype; done
  done
done

"$python" ratios.py "$results"
