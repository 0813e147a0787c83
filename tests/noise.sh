#!/usr/bin/env bash
# Measures false alarms and missed regressions of `levain bench` on this machine. Takes about 15 minutes:
#
#   tests/noise.sh [levain binary] [RUNS]
#
# With RUNS (20) runs each: the same binary against its own baseline and against itself, and two copies of it against each other, both
# ways, in time and in memory, produce no FAIL; a case that is 10 % slower
# is FAIL or INCONCLUSIVE with --against in at least 9 of 10, a case that is 20 % slower FAIL in at least 3 of 4; a changed seed
# in a loss is FAIL every time. Exits with 1 if one of these does not hold.
set -eu
cd "$(dirname "$0")/.."
levain=$(realpath "${1:-target/release/levain}")
runs=${2:-20}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

# two kinds of work: matrix products on all threads, and an interpreter loop
work() {
  cat <<RHAI
let a = randn([128, 128]);
bench::speed("products", || { for i in 0..$1 { a @ a; } });
bench::speed("interpreter", || { let s = 0; for i in 0..${1}00 { s += i; } });
RHAI
}

loss() {
  cat <<RHAI
let net = model(#{ model_type: "llama", vocab_size: 64, hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2 }, #{ seed: $1 });
let opt = adamw(net.parameters(), #{ lr: 1e-3 });
let ids = [1, 2, 3, 5, 8, 13, 21, 34, 55];
for step in 0..5 { opt.step(net.loss(#{ ids: ids }).backward().clip(1.0)); }
bench::exact("loss after 5 steps", net.loss(#{ ids: ids }).item());
RHAI
}

# a training run whose memory is measured at three points
memory() {
  cat <<RHAI
bench::memory("start");
let net = model(#{ model_type: "llama", vocab_size: 1024, hidden_size: 128, num_hidden_layers: 4, num_attention_heads: 4 }, #{ seed: 1 });
let opt = adamw(net.parameters(), #{ lr: 1e-3 });
for step in 0..2 { opt.step(net.loss(#{ ids: randint(0, 1024, [8, 128]) }).backward()); }
bench::memory("steps");
let rows = []; for i in 0..200000 { rows.push(i); }
bench::memory("list");
RHAI
}

# the binary to compare with: this one, on the script with 200 iterations
mkdir old
work 200 > old/case.rhai
cat > other <<SH
#!/bin/sh
cd "$folder/old" && exec "$levain" "\$@"
SH
chmod +x other

# counts of FAIL, INCONCLUSIVE and PASS over all cases of a command's runs: "f i p"
count() {
  local fail=0 unsure=0 pass=0 out
  for run in $(seq "$runs"); do
    # 1 is a FAIL; any other error exits
    out=$("$levain" bench case.rhai "$@") || [ $? = 1 ] || { echo "levain bench went wrong: $out" >&2; exit 2; }
    fail=$((fail + $(grep -c '^  FAIL' <<< "$out" || true)))
    unsure=$((unsure + $(grep -c '^  INCONCLUSIVE' <<< "$out" || true)))
    pass=$((pass + $(grep -c '^  PASS' <<< "$out" || true)))
    [ -z "${VERBOSE:-}" ] || echo "$out" >&2
  done
  echo "$fail $unsure $pass"
}

short=0
judge() { # name, counts, condition as text, whether it holds
  echo "$1: $2 (FAIL INCONCLUSIVE PASS); $3"
  [ "$4" = 1 ] || { echo "  does not hold"; short=1; }
}

total=$((2 * runs))
work 200 > case.rhai
"$levain" bench case.rhai --save > /dev/null
counts=$(count); set -- $counts
judge "same binary, stored baseline" "$counts" "no FAIL" $(($1 == 0))
counts=$(count --against ./other); set -- $counts
judge "same binary, --against" "$counts" "no FAIL" $(($1 == 0))
# identical files have different places in the system's cache
cp "$levain" copy && cp copy second
for pair in "$levain ./copy" "./copy $levain" "./copy ./second"; do
  first=${pair% *} second=${pair#* }
  saved=$levain levain=$first
  counts=$(count --against "$second"); set -- $counts
  judge "two copies, time ($pair)" "$counts" "no FAIL" $(($1 == 0))
  memory > case.rhai
  counts=$(count --against "$second"); set -- $counts
  judge "two copies, memory ($pair)" "$counts" "no FAIL" $(($1 == 0))
  levain=$saved
  work 200 > case.rhai
done
work 220 > case.rhai
counts=$(count --against ./other); set -- $counts
judge "10 % slower, --against" "$counts" "not PASS in 9 of 10" $((($1 + $2) * 10 >= total * 9))
work 240 > case.rhai
counts=$(count --against ./other); set -- $counts
judge "20 % slower, --against" "$counts" "FAIL in 3 of 4" $(($1 * 4 >= total * 3))

loss 0 > case.rhai
"$levain" bench case.rhai --save > /dev/null
fail=0
for seed in $(seq "$runs"); do
  loss "$seed" > case.rhai
  "$levain" bench case.rhai > out.txt && code=0 || code=$?
  grep -q '^  FAIL' out.txt && [ "$code" = 1 ] && fail=$((fail + 1))
done
judge "another seed in a loss" "$fail $((runs - fail)) 0" "FAIL every time" $((fail == runs))
exit $short
