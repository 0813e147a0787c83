#!/usr/bin/env bash
# Encoders: a training step and embedding of sentences, levain and PyTorch in turn on this machine, and a table of ratios in markdown.
#
#   python -m venv VENV && VENV/bin/pip install torch transformers
#   scripts/bench/encoders_against_torch.sh VENV [levain binary]
#
# PyTorch is measured as it is and at its best: compiled, masked positions gathered first, with malloc told to keep what it has. Rows of
# unequal length are packed by levain; PyTorch pads them as they come, and sorted by length. Medians of ROUNDS rounds (3); ONLY="mini mlm f32" measures one row.
set -eu
cd "$(dirname "$0")"
[ $# -ge 1 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
python=$(realpath -s "$1")/bin/python
levain=$(realpath "${2:-../../target/release/levain}")
[ -x "$python" ] || { echo "$1 has no bin/python" >&2; exit 2; }
[ -x "$levain" ] || { echo "$levain is not there: cargo build --release" >&2; exit 2; }
rounds=${ROUNDS:-3}
results=$(mktemp)
trap 'rm -f "$results"' EXIT

# name of the row, of the peer, then the command: its last line is the JSON
measure() {
  local row=$1 peer=$2 line
  shift 2
  echo "  $row: $peer" >&2
  if line=$("$@" 2>/dev/null | tail -n 1) && [ "${line:0:1}" = "{" ]; then
    echo "{\"row\": \"$row\", \"as\": \"$peer\", \"out\": $line}" >> "$results"
  else
    echo "  $row: $peer gave nothing" >&2
  fi
}

best() {
  env MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=8000000000 MALLOC_TOP_PAD_=268435456 "$@"
}

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

"$python" - "$results" <<'PYTHON'
import json, statistics, sys

runs = {}
for line in open(sys.argv[1]):
    run = json.loads(line)
    runs.setdefault(run["row"], {}).setdefault(run["as"], []).append(run["out"])

def middle(outs, key):
    return statistics.median(out[key] for out in outs) if outs else None

def ratio(ours, theirs, key):
    # round by round: what the machine did meanwhile met both
    pairs = [a[key] / b[key] for a, b in zip(ours or [], theirs or [])]
    return f"{statistics.median(pairs):.2f}" if pairs else "–"

def number(value):
    return f"{value:,.0f}" if value is not None else "–"

print("| | levain tokens/s | torch as it is | torch at its best | faster than it is | faster than its best | memory of its best |")
print("|---|---|---|---|---|---|---|")
for row, peers in runs.items():
    ours, torch, best = (peers.get(name) for name in ("levain", "torch", "best"))
    speeds = [number(middle(outs, "tokens_per_s")) for outs in (ours, torch, best)]
    print(f"| {', '.join(row.split())} | {' | '.join(speeds)} | {ratio(ours, torch, 'tokens_per_s')} | "
          f"{ratio(ours, best, 'tokens_per_s')} | {ratio(ours, best, 'peak_gib')} |")
if runs:
    first = next(iter(next(iter(runs.values())).values()))[0]
    peer = next((o["peer"] for p in runs.values() for n in ("torch", "best") for o in p.get(n, [])), "no torch")
    print(f"\n{peer}, {first['threads']} threads, medians of {max(len(o) for p in runs.values() for o in p.values())} rounds in turn")
PYTHON
