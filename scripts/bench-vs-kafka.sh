#!/usr/bin/env bash
# Ours against Apache Kafka: the same machine, topics, clients (librdkafka, and `dmq bench`) and settings, in alternating
# runs, each on a fresh cluster of three brokers. Prints every figure of both and their ratios.
#
# usage: scripts/bench-vs-kafka.sh [RUNS]        RUNS of each per durability, 3 by default
#
# Durability `fsync`: an answer to acks=all means fsynced on the in-sync replicas. That is our default; Kafka gets
# flush.messages=1 on the topics. Durability `page-cache`: Kafka's default; ours gets flush.policy=os.
#
# RECORDS (200000), SIZE (1024 bytes) and WAYS ("fsync page-cache") may be set, SKIP to figures that are left out (any from
# latency-rf3 on; what they write is then not there for those behind them), and DMQ to a binary that is built already.
# Needs java 17, mvn, python3 with venv; Kafka comes from Maven Central, the client from PyPI. Results stay in
# target/bench-vs-kafka/.
set -euo pipefail
cd "$(dirname "$0")/.."

runs=${1:-3}
records=${RECORDS:-200000}
size=${SIZE:-1024}
ways=${WAYS:-fsync page-cache}
skip=${SKIP:-}
out=$PWD/target/bench-vs-kafka
rm -rf "$out"
mkdir -p "$out"

python=$PWD/target/bench-venv/bin/python
if ! "$python" -c "import confluent_kafka" 2>/dev/null; then
    python3 -m venv target/bench-venv
    target/bench-venv/bin/pip install --quiet --disable-pip-version-check confluent-kafka==2.16.1
fi
[ -n "${DMQ:-}" ] || cargo build --quiet --release

# skipped FIGURE
skipped() { [[ " $skip " == *" $1 "* ]]; }

# load FIGURE LOAD_ARGUMENTS...: one figure of the running system, as a line of the results.
load() {
    local figure=$1
    shift
    skipped "$figure" && return 0
    "$python" scripts/bench/load.py "$@" 2>>"$out/client.log" |
        sed "s/^{/{\"system\": \"$system\", \"way\": \"$way\", \"run\": $run, \"figure\": \"$figure\", /" |
        tee -a "$out/results.jsonl"
}

# field NAME: of the last line of the results.
field() {
    tail -1 "$out/results.jsonl" | "$python" -c 'import json, sys; print(json.loads(input())[sys.argv[1]])' "$1"
}

# own FIGURE ACTION TOPIC RECORDS [ARGUMENT...]: the same with our own load tool, which takes less processor time than Python.
own() {
    local figure=$1 action=$2 topic=$3 count=$4
    shift 4
    skipped "$figure" && return 0
    "${DMQ:-target/release/dmq}" bench "$action" --bootstrap "$bootstrap" --topic "$topic" --records "$count" "$@" -o json 2>>"$out/client.log" |
        "$python" -c "import json, sys
seen = json.load(sys.stdin)
print(json.dumps({'system': '$system', 'way': '$way', 'run': $run, 'figure': '$figure',
                  'recordsPerSecond': round(seen['recordsPerSecond']), **seen.get('latency', {})}))" |
        tee -a "$out/results.jsonl"
}

# measure SETTING: all figures of one fresh cluster of $system with durability $way.
measure() {
    local setting=$1 bootstrap pids
    load ready - ready 3 0 "$dir/started" "$cluster" start "$dir"
    bootstrap=$(field bootstrap)
    pids=$("$cluster" pids "$dir" | paste -sd,)
    load create "$bootstrap" create replicated 6 3 min.insync.replicas=2 $setting
    load create "$bootstrap" create single 6 1 min.insync.replicas=1 $setting
    # What a JIT compiler has not seen yet is not what we compare.
    load warm-up "$bootstrap" produce replicated "$((records / 4))" --size "$size"
    load produce-rf3 "$bootstrap" produce replicated "$records" --size "$size" --pids "$pids"
    # Half of Kafka's maximum, as its first run with this durability had it, for both systems and all runs.
    [ -e "$out/rate-$way" ] || echo $(($(field recordsPerSecond) / 2)) >"$out/rate-$way"
    load produce-rf1 "$bootstrap" produce single "$records" --size "$size" --pids "$pids"
    load latency-rf3 "$bootstrap" produce replicated "$((records / 4))" --size "$size" --rate "$(cat "$out/rate-$way")" --linger 0
    own own-latency-rf3 produce replicated "$((records / 4))" --rate "$(cat "$out/rate-$way")"
    own own-rf3 produce replicated "$records"
    own own-rf1 produce single "$records"
    load end-to-end "$bootstrap" end-to-end replicated 5000 --size "$size" --rate 1000
    load history "$bootstrap" consume replicated "$records" --pids "$pids"
    own own-history consume replicated "$records"
    load tail "$bootstrap" tail replicated "$records" --size "$size" --pids "$pids"
    # Once is enough for what no durability changes.
    [ "$way" = "${ways##* }" ] && ! skipped restart-1000 || return 0
    for number in $(seq 10); do load create "$bootstrap" create "many-$number" 100 3; done
    "$cluster" stop "$dir"
    load restart-1000 - ready 3 1000 "$dir/started" "$cluster" start "$dir"
}

# run_system SYSTEM SETTING
run_system() {
    system=$1 dir=$(mktemp -d)
    case $system in kafka) cluster=scripts/bench/kafka-cluster.sh ;; dmq) cluster=scripts/bench/our-cluster.sh ;; esac
    trap '"$cluster" stop "$dir"' EXIT
    measure "$2"
    trap - EXIT
    "$cluster" stop "$dir"
    rm -rf "$dir"
}

for run in $(seq "$runs"); do
    for way in $ways; do
        case $way in
        fsync) run_system kafka flush.messages=1; run_system dmq "" ;;
        page-cache) run_system kafka ""; run_system dmq flush.policy=os ;;
        *) echo "WAYS has $way, which is neither fsync nor page-cache" >&2; exit 2 ;;
        esac
    done
done
"$python" scripts/bench/compare.py "$out/results.jsonl"
