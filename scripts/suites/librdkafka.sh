#!/usr/bin/env bash
# librdkafka's own tests: its test-runner, once with each of the two group protocols, or those that PROTOCOLS names.
#
# usage: scripts/suites/librdkafka.sh [--short] [NAME...]     as 0012_produce_consume, 0081_admin/do_test_ListOffsets
#
# The crate rdkafka-sys carries the whole source, tests included. Every test has a process of its own, as the runner kills
# itself when one takes too long. Without -Q, which leaves out the sub-tests that take time; without those that need no
# broker, or have librdkafka's imitation of one. Some tests stop in the middle, at what is not served yet, so that their parts are
# run by themselves too: a part is named by its function, or by the words that it says of itself.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
needs cargo cc c++ make java mvn
crate=4.10.0 version=2.12.1
source=$made/$version
measuring=' 0055\| 0127'

fetch() {
    [ -e "$source/complete" ] && return
    debian libssl-dev zlib1g-dev libzstd-dev rapidjson-dev
    rm -rf "$source" "$made/fetch"
    mkdir -p "$made/fetch/src"
    printf '[package]\nname = "fetch"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n[dependencies.rdkafka-sys]\n' \
        >"$made/fetch/Cargo.toml"
    printf 'version = "=%s"\ndefault-features = false\n' "$crate" >>"$made/fetch/Cargo.toml"
    touch "$made/fetch/src/lib.rs"
    (cd "$made/fetch" && cargo vendor --quiet vendor >/dev/null)
    mv "$made/fetch/vendor/rdkafka-sys/librdkafka" "$source"
    rm -rf "$made/fetch"
    (cd "$source" && ./configure --disable-gssapi --disable-curl && make -j2 libs && make -j2 -C tests build) \
        >"$made/build.log" 2>&1 || gave_up "$made/build.log"
    touch "$source/complete"
}

# tests: names of the tests that need a broker, with the scenario they are for.
tests() {
    tr -s '\n ' ' ' <"$source/tests/test.c" | grep -oE '_TEST\([0-9]{4}_[a-z0-9_]+, [^;]*' | sed 's/ _TEST(/\n_TEST(/g' |
        grep -vE '_TEST\([0-9a-z_]+, (TEST_F_LOCAL|TEST_F_MANUAL)|_TEST\([0-9a-z_]+_mock,' |
        sed -E 's/_TEST\(([0-9a-z_]+),.*\.scenario = "([a-z]+)".*/\1 \2/; s/_TEST\(([0-9a-z_]+),.*/\1 default/'
    parts | sed 's/$/ default/'
}

# all: the names without the scenarios.
all() { tests | cut -d' ' -f1; }

# parts: names of the parts of those tests that are run by parts too, as 0081_admin/do_test_ListOffsets.
parts() {
    local name
    for name in 0081_admin 0137_barrier_batch_consume; do
        awk -v name="$name" 'match($0, /^(static void )?do_test_[A-Za-z_]+\(/) {part = $0; sub(/\(.*/, "", part); sub(/.* /, "", part)}
            part && /SUB_TEST/ {print name "/" part; part = ""}' "$source/tests/${name/_/-}.c"
    done
    awk '/struct latconf latconfs\[\]/ {table = 1} /\{NULL\}\};/ {table = 0}
        table && /^            \{"/ {part = $0; sub(/^ *\{"/, "", part); sub(/ *[(<].*|".*/, "", part); gsub(/ /, "_", part)
            print "0055_producer_latency/" part}' "$source/tests/0055-producer_latency.c"
    printf '0061_consumer_lag/Test_consumer_lag_%s_transactions\n' with without
}

# one PROTOCOL SCENARIO UNIT: runs a test by its number, or a part of it, as 0081/do_test_ListOffsets.
one() {
    # From the tests' directory, as the runner cuts paths of reports off after 127 bytes.
    local file=../../out/$1-$2/${3/\//-} number=${3%%/*} part=${3:5}
    # What the runner looks for in `FUNCTION:LINE: WORDS`.
    case $part in do_test_*) part=$part: ;; ?*) part=": ${part//_/ }" ;; esac
    cd "$source/tests"
    export TEST_CONSUMER_GROUP_PROTOCOL=$1 TESTS=$number SUBTESTS=$part TEST_REPORT=$file.json LD_LIBRARY_PATH=../src:../src-cpp
    # The runner multiplies its patience when it runs more than one test at a time: -p4 is for that. One that fails aborts.
    { ./test-runner -p4 -L -s "$2" >"$file.log" 2>&1 || true; } 2>/dev/null
}
export -f one
export source

# units PROTOCOL SCENARIO: which units of the wanted tests are for this scenario, as arguments of `one`, the slowest first.
units() {
    local dir=$out/$1-$2 unit
    mkdir -p "$dir"
    tests | awk -v scenario="$2" '$2 == scenario {print $1}' | grep -xFf "$out/wanted-$1" >"$dir/names" || return 0
    sed -E 's/^(....)[^\/]*/\1/' "$dir/names" | sort -u | while read -r unit; do
        case $unit in
        */*) grep "^${unit%%/*}.*/${unit#*/}\$" "$dir/names" ;;
        *) grep "^${unit}_[^/]*\$" "$dir/names" ;;
        esac >"$dir/${unit/\//-}.tests"
        case $unit in 0113 | 0089 | 0091) echo "0 $1 $2 $unit" ;; *) echo "1 $1 $2 $unit" ;; esac
    done
}

# run PROTOCOL SCENARIO: on a cluster of its own, as some tests read whatever topics match.
run() {
    units "$1" "$2" | sort | cut -d' ' -f2- >"$out/units"
    [ -s "$out/units" ] || return 0
    # Tests with two members count on both being in the group's first generation.
    local settings=(num.partitions=4 group.initial.rebalance.delay.ms=500)
    [ "$2" = default ] || settings+=(auto.create.topics.enable=false)
    # 0101 reads from the replica in its rack.
    RACKS=RACK cluster "${settings[@]}"
    printf 'bootstrap.servers=%s\n' "$bootstrap" >"$out/test.conf"
    export RDKAFKA_TEST_CONF=$out/test.conf TEST_KAFKA_VERSION=4.1.0 BROKERS=$bootstrap KAFKA_PATH=$made/kafka
    { grep -v "$measuring" "$out/units" || true; } | xargs -r -P 8 -L 1 bash -c 'one "$@"' one
    # Those that measure how long things take have the machine for themselves.
    { grep "$measuring" "$out/units" || true; } | xargs -r -L 1 bash -c 'one "$@"' one
}

# Where the tests look for kafka-topics.sh of a Kafka distribution.
kafka_path() {
    mkdir -p "$made/kafka/bin"
    printf '#!/bin/sh\nexec "%s/../kafka-tools.sh" topics "$@"\n' "$here" >"$made/kafka/bin/kafka-topics.sh"
    chmod +x "$made/kafka/bin/kafka-topics.sh"
    "$here/../kafka-tools.sh" jars >/dev/null
}

fetch
kafka_path
for protocol in ${PROTOCOLS:-classic consumer}; do
    wanted "librdkafka-$protocol" all >"$out/wanted-$protocol"
    run "$protocol" noautocreate
    run "$protocol" default
    judge "librdkafka-$protocol" "librdkafka $version (crates.io rdkafka-sys $crate), group.protocol=$protocol" librdkafka "$out/$protocol"-*/*.tests
done
finish
