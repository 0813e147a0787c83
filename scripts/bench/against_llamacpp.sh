#!/usr/bin/env bash
# Compares levain and llama.cpp on GGUF files of one model in every kind, alternating on this machine; prints a markdown table of ratios.
#
#   npm pack @node-llama-cpp/linux-x64 && tar xzf *.tgz      # llama.cpp, with a library for each CPU type
#   python -m venv VENV && VENV/bin/pip install numpy
#   scripts/bench/against_llamacpp.sh LIBRARIES VENV FILE.gguf [levain binary]
#
# The file is opened and saved in each kind of KINDS. Medians of ROUNDS rounds (5); THREADS (2).
set -eu
cd "$(dirname "$0")"
[ $# -ge 3 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
libraries=$(realpath "$1") python=$(realpath -s "$2")/bin/python base=$(realpath "$3")
levain=$(realpath "${4:-../../target/release/levain}")
rounds=${ROUNDS:-5} threads=${THREADS:-2}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat > "$work/save.rhai" <<'RHAI'
let cfg = options(#{ base: "", kind: "" }, args());
let net = model(cfg.base);
net.save(`${cfg.kind}.gguf`, #{ tok: tokenizer(cfg.base), kind: cfg.kind });
RHAI
for kind in ${KINDS:-f32 bf16 q8_0 q4_0 q4_1 q4_k q6_k}; do
  echo "$kind" >&2
  (cd "$work" && "$levain" run save.rhai "base=$base" "kind=$kind" >&2)
  for round in $(seq "$rounds"); do
    ours=$("$levain" run gguf.rhai "model=$work/$kind.gguf" "threads=$threads" rounds=3 2>/dev/null | tail -n 1)
    theirs=$(LD_LIBRARY_PATH=$libraries "$python" llamacpp.py "$libraries" "$work/$kind.gguf" "$threads" 3 2>/dev/null | tail -n 1)
    echo "{\"kind\": \"$kind\", \"ours\": $ours, \"theirs\": $theirs}" >> "$work/results"
  done
  rm "$work/$kind.gguf"
done

"$python" - "$work/results" <<'PYTHON'
import json, statistics, sys

runs = {}
for line in open(sys.argv[1]):
    run = json.loads(line)
    runs.setdefault(run["kind"], []).append(run)

def cell(pairs, key):
    middle = [statistics.median(run[who][key] for run in pairs) for who in ("ours", "theirs")]
    # round by round, so that other load on the machine affects both
    ratio = statistics.median(run["ours"][key] / run["theirs"][key] for run in pairs)
    digits = 0 if middle[0] > 10 else 2
    return f"{middle[0]:,.{digits}f} / {middle[1]:,.{digits}f} = **{ratio:.2f}**"

print("| kind | prompt of 512, tokens/s | decode, tokens/s | 8 together, tokens/s | to the first token, s | peak, GiB |")
print("|---|---|---|---|---|---|")
for kind, pairs in runs.items():
    print(f"| {kind} | " + " | ".join(cell(pairs, key) for key in ("prompt", "decode", "together", "to_first", "peak_gib")) + " |")
PYTHON
