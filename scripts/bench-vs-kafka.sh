#!/usr/bin/env bash
# Ours against Apache Kafka: the same machine, topics, client (librdkafka) and settings, in alternating runs, each on a fresh
# cluster of three brokers. Prints every figure of both and their ratios.
#
# usage: scripts/bench-vs-kafka.sh [RUNS]        RUNS of each per durability, 3 by default
#
# Durability `fsync`: an answer to acks=all means fsynced on the in-sync replicas. That is our default; Kafka gets
# flush.messages=1 on the topics. Durability `page-cache`: Kafka's default; ours gets flush.policy=os.
#
# RECORDS (200000), SIZE (1024 bytes) and WAYS ("fsync page-cache") may be set. Needs java 17, mvn, python3 with venv; Kafka
# comes from Maven Central, the client from PyPI. Results stay in target/bench-vs-kafka/.
set -euo pipefail
cd "$(dirname "$0")/.."

runs=${1:-3}
records=${RECORDS:-200000}
size=${SIZE:-1024}
ways=${WAYS:-fsync page-cache}
out=$PWD/target/bench-vs-kafka
rm -rf "$out"
mkdir -p "$out"

python=$PWD/target/bench-venv/bin/python
if ! "$python" -c "import confluent_kafka" 2>/dev/null; then
    python3 -m venv target/bench-venv
    target/bench-venv/bin/pip install --quiet --disable-pip-version-check confluent-kafka==2.16.1
fi
cargo build --quiet --release

# measure SYSTEM WAY RUN BOOTSTRAP PIDS TOPIC_SETTING: all figures of one fresh cluster.
measure() {
    local system=$1 way=$2 run=$3 bootstrap=$4 pids=$5 setting=$6
    load() {
        local figure=$1
        shift
        "$python" scripts/bench/load.py "$bootstrap" "$@" 2>>"$out/client.log" |
            sed "s/^{/{\"system\": \"$system\", \"way\": \"$way\", \"run\": $run, \"figure\": \"$figure\", /" |
            tee -a "$out/results.jsonl"
    }
    load create create replicated 6 3 min.insync.replicas=2 $setting
    load create create single 6 1 min.insync.replicas=1 $setting
    # What a JIT compiler has not seen yet is not what we compare.
    load warm-up produce replicated "$((records / 4))" --size "$size"
    load produce-rf3 produce replicated "$records" --size "$size" --pids "$pids"
    load produce-rf1 produce single "$records" --size "$size" --pids "$pids"
    load latency-rf3 produce replicated 10000 --size "$size" --rate 2000 --linger 0 --pids "$pids"
    load end-to-end end-to-end replicated 5000 --size "$size" --rate 1000
    load consume consume replicated "$records" --pids "$pids"
}

for run in $(seq "$runs"); do
    for way in $ways; do
        dir=$(mktemp -d)
        setting=
        [ "$way" = fsync ] && setting=flush.messages=1
        bootstrap=$(scripts/bench/kafka-cluster.sh start "$dir")
        trap 'scripts/bench/kafka-cluster.sh stop "$dir"' EXIT
        measure kafka "$way" "$run" "$bootstrap" "$(scripts/bench/kafka-cluster.sh pids "$dir" | paste -sd,)" "$setting"
        scripts/bench/kafka-cluster.sh stop "$dir"
        trap - EXIT
        rm -rf "$dir"

        dir=$(mktemp -d)
        setting=
        [ "$way" = page-cache ] && setting=flush.policy=os
        scripts/bench/our-cluster.sh start "$dir" >"$dir/bootstrap"
        trap 'scripts/bench/our-cluster.sh stop "$dir"' EXIT
        measure dmq "$way" "$run" "$(cat "$dir/bootstrap")" "$(scripts/bench/our-cluster.sh pids "$dir" | paste -sd,)" "$setting"
        scripts/bench/our-cluster.sh stop "$dir"
        trap - EXIT
        rm -rf "$dir"
    done
done
"$python" scripts/bench/compare.py "$out/results.jsonl"
