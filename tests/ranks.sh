#!/bin/bash
# tests/ranks.sh [LEVAIN] — the long campaign of ranks: weights and logs of 1, 2 and 4 ranks and 1 and 2 threads, under every
# launcher here; a rank killed at twenty random moments; 4 ranks resumed with 2 and with one process. Needs an optimized levain and an mpirun.
set -u
levain=$(realpath "${1:-target/release/levain}")
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
if cfg.lora { net.save_adapter(cfg.out + "/adapter"); } else { net.save(cfg.out + "/model"); }
EOF
failed=0
same() { # name, one folder, another: logs, and all weights
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
# two namespaces of the network as hosts, as docs/ranks.md has it
hosts() {
    for n in 1 2; do ip netns del levain$n; done 2> /dev/null
    [ "$1" = end ] && return
    for n in 1 2; do ip netns add levain$n || return 1; done
    ip link add lv1 type veth peer name lv2 || return 1
    for n in 1 2; do
        ip link set lv$n netns levain$n && ip netns exec levain$n ip addr add 10.77.0.$n/24 dev lv$n || return 1
        ip netns exec levain$n ip link set lo up
        ip netns exec levain$n ip link set lv$n up
    done
}
if [[ ${launchers[0]} != *mpich ]] && hosts begin 2> /dev/null; then
    printf '#!/bin/bash\nhost=$1; shift; exec ip netns exec levain${host##*.} bash -c "$*"\n' > agent.sh
    chmod +x agent.sh
    rm -rf one many
    "$levain" run train.rhai out=one
    ip netns exec levain1 "${launchers[0]}" --mca plm_rsh_agent "$PWD/agent.sh" --mca btl tcp,self --mca btl_tcp_if_include 10.77.0.0/24 \
        --mca oob_tcp_if_include 10.77.0.0/24 --oversubscribe --wdir "$PWD" -n 4 -H 10.77.0.1:2,10.77.0.2:2 \
        "$levain" --threads 1 run train.rhai out=many || failed=1
    same "4 ranks on two hosts" one many
    hosts end
else
    echo "skipped  two hosts: network namespaces need root, and Open MPI"
fi
rm -rf one killed
"$levain" run train.rhai out=one steps=600
launcher=${launchers[0]}
killed=0
for round in $(seq 20); do
    start "$launcher" 4 out=killed steps=600 2> /dev/null &
    job=$!
    sleep "$(awk -v seed=$RANDOM 'BEGIN { srand(seed); print 0.5 + rand() }')"
    victim=$(pgrep -x levain --parent "$job" | shuf -n 1)
    [ -n "$victim" ] && kill -9 "$victim" 2> /dev/null && killed=$((killed + 1))
    wait "$job" && break
done
echo "a rank was killed $killed times"
for count in 2 1; do
    rm -rf resumed
    cp -r killed resumed
    if [ $count = 1 ]; then "$levain" run train.rhai out=resumed steps=600; else start "$launcher" $count out=resumed steps=600; fi || failed=1
    same "resumed with $count" one resumed
done
exit $failed
