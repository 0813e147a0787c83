#!/usr/bin/env bash
# Compares levain and PyTorch encoders on a training step and sentence embedding, alternating on this machine; prints a markdown table of ratios.
#
#   python -m venv VENV && VENV/bin/pip install torch transformers
#   scripts/bench/encoders_against_torch.sh VENV [levain binary]
#
# PyTorch is measured by default and at its best: compiled, masked positions gathered first, with malloc set to keep freed memory. Rows of
# unequal length are packed by levain; PyTorch pads them in the given order, and sorted by length. Medians of ROUNDS rounds (3); ONLY="mini mlm f32" measures one row.
set -eu
. "$(dirname "$0")/in_turn.sh"

row() {
  local shape=$1 task=$2 dtype=$3 rows=${4:-even}
  if [ -n "${ONLY:-}" ] && [ "$ONLY" != "$*" ]; then return; fi
  local batch=16 seq=128 steps=8 more="" ragged=""
  if [ "$shape" = base ]; then batch=8 steps=5; fi
  if [ "$task" = embed ]; then batch=32 seq=64 steps=12; fi
  if [ "$task" = mlm ]; then more=--mlm-gather; fi
  local same="--shape $shape --task $task --dtype $dtype --batch $batch --seq $seq --steps $steps"
  if [ "$rows" = ragged ]; then ragged=ragged=true same="$same --ragged"; fi
  measure "$*" levain "$levain" run encoder.rhai "shape=$shape" "task=$task" "dtype=$dtype" "batch=$batch" "seq=$seq" "steps=$steps" $ragged
  measure "$*" torch "$python" torch_encoder.py $same
  if [ "$rows" = ragged ]; then
    measure "$*" best best "$python" torch_encoder.py $same $more --bucketed
  else
    measure "$*" best best "$python" torch_encoder.py $same $more --compile
  fi
}

for round in $(seq "$rounds"); do
  echo "round $round of $rounds" >&2
  for shape in mini base; do
    for task in mlm classify; do
      for dtype in f32 bf16; do row $shape $task $dtype; done
    done
  done
  for dtype in f32 bf16; do
    row mini mlm $dtype ragged
    row mini embed $dtype
    row mini embed $dtype ragged
  done
done

"$python" ratios.py "$results"
