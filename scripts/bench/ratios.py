"""Prints a markdown table of alternating measurements: one JSON line per run with `row`, `as` (levain, torch, best) and `out`."""

import json, statistics, sys

runs = {}
for line in open(sys.argv[1]):
    run = json.loads(line)
    runs.setdefault(run["row"], {}).setdefault(run["as"], []).append(run["out"])

def middle(outs, key):
    return statistics.median(out[key] for out in outs) if outs else None

def ratio(ours, theirs, key):
    # round by round, so that other load on the machine affects both
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
