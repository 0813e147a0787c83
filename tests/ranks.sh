#!/bin/bash
# tests/ranks.sh [LEVAIN] — the long campaign of ranks: weights and logs of 1, 2 and 4 ranks and 1 and 2 threads, with every
# installed launcher; two hosts; a rank killed at twenty random steps; 4 ranks resumed with 4, 2 and 1. Requires an optimized levain and an mpirun.
set -u
levain=$(realpath "${1:-target/release/levain}")
page=$(realpath "$(dirname "$0")/../docs/ranks.md")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 2
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_btl_vader_single_copy_mechanism=none LEVAIN_RANKS_TIMEOUT=120
cat > train.rhai <<'EOF'
let cfg = options(#{ out: "", steps: 60, lora: false, precision: "f32", shard: false }, args());
let tok = tokenizer(["to be"], #{ vocab_size: 260 });
let net = model(#{ model_type: "llama", vocab_size: tok.len(), hidden_size: 64, num_hidden_layers: 3, num_attention_heads: 4 }, #{ seed: 1 });
net.precision = cfg.precision;
if cfg.lora { net.attach_lora(#{ rank: 4, dropout: 0.1 }); }
let rows = [];
for n in 0..101 { rows.push(`row ${n} of some text that is learned, with ${n * n} words in it`); }
let data = dataset(rows).split(0.8);
train::run(net, data.train.encode(tok), data.test.encode(tok), #{
    steps: cfg.steps, batch_size: 2, grad_accum: 4, lr: 1e-3, seed: 3, eval_every: 20, save_every: 7, shard_moments: cfg.shard, out: cfg.out, quiet: true
});
net.save(cfg.out + "/model");
EOF
failed=0
same() { # name, two folders: compares logs and all weights
    local one=$2 other=$3
    if diff -r "$one" "$other" > /dev/null; then echo "equal    $1"; else echo "DIFFERS  $1"; failed=1; fi
}
launchers=()
for name in mpirun.openmpi mpirun.mpich; do command -v $name > /dev/null && launchers+=("$name"); done
[ ${#launchers[@]} = 0 ] && command -v mpirun > /dev/null && launchers=(mpirun)
[ ${#launchers[@]} = 0 ] && { echo "no mpirun here"; exit 2; }
start() { # launcher, ranks, words
    local launcher=$1 count=$2 more=(--oversubscribe); shift 2
    [[ $launcher == *mpich ]] && more=()
    "$launcher" "${more[@]}" -n "$count" "$levain" --threads 1 run train.rhai "$@"
}
for kind in "lora=false precision=f32" "lora=false precision=bf16" "lora=true precision=f32" "lora=true precision=bf16"; do
    rm -rf one two
    "$levain" --threads 1 run train.rhai out=one $kind || exit 2
    "$levain" --threads 2 run train.rhai out=two $kind || exit 2
    same "$kind: 2 threads" one two
    for launcher in "${launchers[@]}"; do
        for count in 2 4; do
            for shard in false true; do
                rm -rf many
                start "$launcher" $count out=many shard=$shard $kind || failed=1
                same "$kind: $count ranks of $launcher, shard=$shard" one many
            done
        done
    done
done
# two network namespaces as hosts: the commands of docs/ranks.md, in the shell that the page starts
blocks() { sed -n '/^### Two hosts/,/^## /p' "$page" | sed -n '/^```sh/,/^```/p' | grep -v '^```'; }
shell=$(blocks | head -n 1)
if mpirun --version 2> /dev/null | grep -q "Open MPI" && $shell -c "mount -t tmpfs none /run && mkdir /run/netns && ip netns add one" 2> /dev/null; then
    mkdir -p bin
    ln -sf "$levain" bin/levain
    rm -rf one hosts
    "$levain" run train.rhai out=one
    PATH=$PWD/bin:$PATH $shell -ec "$(blocks | tail -n +2)" || failed=1
    same "4 ranks on two hosts" one hosts
else
    echo "skipped  two hosts: there is no Open MPI, or no network namespaces"
fi
# kills a random rank of 4 at twenty random steps; a run that ends before is started again
rm -rf one killed
"$levain" run train.rhai out=one steps=100
launcher=${launchers[0]}
steps() { cat killed/log.jsonl 2> /dev/null | grep -c '"step"'; }
killed=0
until [ $killed = 20 ]; do
    start "$launcher" 4 "out=$folder/killed" steps=100 2> /dev/null &
    job=$!
    target=$(($(steps) + RANDOM % 25))
    while kill -0 $job 2> /dev/null && [ "$(steps)" -le $target ]; do sleep 0.02; done
    victim=$(pgrep -x -f "$levain --threads 1 run train.rhai out=$folder/killed steps=100" | shuf -n 1)
    if [ -n "$victim" ] && kill -9 "$victim" 2> /dev/null; then
        killed=$((killed + 1))
        wait $job && echo "FAILED   a run has ended well of which a rank was killed behind step $(steps)" && failed=1
    else
        wait $job || failed=1
        same "done after $killed kills" one killed
        rm -rf killed
    fi
done
echo "a rank was killed $killed times, the last time behind step $(steps)"
for count in 4 2 1; do
    rm -rf resumed
    cp -r killed resumed
    if [ $count = 1 ]; then "$levain" run train.rhai out=resumed steps=100; else start "$launcher" $count out=resumed steps=100; fi || failed=1
    same "resumed with $count" one resumed
done
exit $failed
