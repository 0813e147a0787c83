#!/bin/bash
# scripts/bench/ranks_memory.sh [LEVAIN] — peak memory of a rank, beside the number computed in docs/ranks.md: AdamW on a model of many
# parameters and short rows, one micro-batch per rank, in 1, 2 and 4 ranks, with whole and sharded moments.
set -eu
levain=$(realpath "${1:-target/release/levain}")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_btl_vader_single_copy_mechanism=none
# not through shared memory: Open MPI's buffers would count in every rank
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_btl=${OMPI_MCA_btl:-tcp,self} OMPI_MCA_btl_tcp_if_include=lo
cat > train.rhai <<'END'
let cfg = options(#{ steps: 3, shard: false, hidden: 384, accum: 1 }, args());
let tok = tokenizer(["to be"], #{ vocab_size: 260 });
let net = model(#{ model_type: "llama", vocab_size: tok.len(), hidden_size: cfg.hidden, num_hidden_layers: 8, num_attention_heads: 8 }, #{ seed: 1 });
let rows = dataset(["one", "two", "three", "four"]).encode(tok);
train::run(net, rows, (), #{ steps: cfg.steps, batch_size: 1, grad_accum: cfg.accum, shard_moments: cfg.shard, quiet: true });
print(net.parameters().map(|w| w.shape.reduce(|a, b| a * b, 1)).reduce(|a, b| a + b, 0));
END
cat > peak.py <<'END'
import resource, subprocess, sys
subprocess.run(sys.argv[2:], check=True)
open(sys.argv[1], "a").write(f"{resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.1f}\n")
END
peak() { # ranks, words: the largest of all ranks, in MB
    local count=$1; shift
    rm -f peaks
    mpirun -n "$count" python3 peak.py "$PWD/peaks" "$levain" --threads 1 run train.rhai "$@" > parameters
    sort -n peaks | tail -n 1
}
for count in 1 2 4; do
    # memory of a rank beside the model's numbers: measured on a model of few parameters, whose messages are small
    small=$(peak $count hidden=16 accum=$count)
    for shard in false true; do
        [ $count = 1 ] && $shard && continue
        got=$(peak $count shard=$shard accum=$count)
        awk -v n=$count -v shard=$shard -v p="$(cat parameters)" -v small="$small" -v got="$got" 'BEGIN {
            want = small + (8 + 8 / (shard == "true" ? n : 1)) * p / 1048576 + (n > 1 ? 12 * n : 0)
            printf "%d ranks, shard_moments %-5s: computed %6.1f MB, measured %6.1f MB, %+.1f %%; of which beside the model %.1f MB\n", n, shard, want, got, 100 * (got / want - 1), small
        }'
    done
done
