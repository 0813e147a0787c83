#!/bin/bash
# scripts/results/workers/run.sh [LEVAIN] — a sweep and a verdict, each by one worker and by four on one folder, of which two are killed midway.
# What `levain status` said after that, and both results, are kept beside this file. Exit code 1 where the results differ.
set -u
cd "$(dirname "$0")/../../.."
levain=$(realpath "${1:-target/release/levain}")
kept=scripts/results/workers
out=${OUT:-out/workers}
failed=0
share() { # name, how many runs are done when two workers are killed, command
    local name=$1 least=$2 workers=(); shift 2
    [ -f "$out/$name-one/result.json" ] || "$levain" --threads 1 run "$@" "out=$out/$name-one" > "$out/$name-one.txt" 2>&1 || exit 2
    rm -rf "$out/$name"
    for n in 1 2 3 4; do
        "$levain" --threads 1 run "$@" "out=$out/$name" > "$out/$name-$n.txt" 2>&1 &
        workers+=($!)
    done
    while ! "$levain" status "$out/$name" 2> /dev/null |
        awk -v least="$least" '/^(runs|trials):/ && $2 >= least { done = 1 } $3 == "process" { working = 1 } END { exit !(done && working) }'; do
        kill -0 "${workers[3]}" 2> /dev/null || { echo "$name: all is done before anybody was killed"; exit 2; }
        sleep 0.2
    done
    kill -9 "${workers[0]}" "${workers[1]}"
    wait "${workers[0]}" "${workers[1]}" 2> /dev/null
    { echo "\$ levain status $out/$name     # two of four were killed just now"; "$levain" status "$out/$name"; } > "$kept/$name-status.txt" 2>&1
    wait "${workers[2]}" || failed=1
    wait "${workers[3]}" || failed=1
    { echo; echo "\$ levain status $out/$name     # at the end"; "$levain" status "$out/$name"; } >> "$kept/$name-status.txt" 2>&1
    cp "$out/$name/result.json" "$kept/$name-result.json"
    # but for the seconds, and for where the folder is
    if python3 - "$out/$name-one/result.json" "$out/$name/result.json" <<'END'
import json, sys
def bare(value):
    if isinstance(value, dict):
        return {key: each.split("/")[-2:] if key == "folder" else bare(each) for key, each in value.items() if key != "seconds"}
    return [bare(each) for each in value] if isinstance(value, list) else value
one, four = (bare(json.load(open(path))) for path in sys.argv[1:])
sys.exit(one != four)
END
    then echo "equal    $name"; else echo "DIFFERS  $name"; failed=1; fi
}
mkdir -p "$out"
share search 6 scripts/search.rhai trials=9 steps=18 text_chars=64 batch_size=2 eval_texts=16
share verdict 2 scripts/verdict.rhai arms=control,extended,base seeds=2 steps=8 format_steps=4 text_chars=48 batch_size=2 new_tokens=200 eval_texts=12 eval_questions=4 budgets=bytes
exit $failed
