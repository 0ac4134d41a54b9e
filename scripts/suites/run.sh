#!/usr/bin/env bash
# Runs the clients' own test suites against clusters of ours, and writes docs/compatibility-report.md: see README.md beside
# this.
#
# usage: scripts/suites/run.sh [--short] [SUITE...]     all without a name: librdkafka confluent-kafka node-rdkafka franz-go
#                                                       kafka-go kafka-python aiokafka kafkajs java
#
# --short runs the tests that are marked so in allow/, and writes no report. DMQ names a binary; without it one is built.
# librdkafka's tests, which mostly wait, run beside the other suites unless --short is given.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=$PWD/scripts/suites
export PYTHONDONTWRITEBYTECODE=1
short='' suites=()
for word in "$@"; do
    if [ "$word" = --short ]; then short=--short; else suites+=("$word"); fi
done
if [ ${#suites[@]} = 0 ]; then
    for name in librdkafka confluent-kafka node-rdkafka franz-go kafka-go kafka-python aiokafka kafkajs java; do
        [ -e "$here/$name.sh" ] && suites+=("$name")
    done
fi
if [ -z "${DMQ:-}" ]; then
    cargo build --quiet --package cli
    export DMQ=$PWD/target/debug/dmq
fi
failed=0
python3 "$here/test_judge.py" || failed=1
# run SUITE...: one after another; an error if one fails.
run() {
    local name failed=0
    for name in "$@"; do
        [ -z "$short" ] || grep --quiet --no-messages '^short ' "$here/allow/$name"*.txt || continue
        "$here/$name.sh" $short || failed=1
    done
    return $failed
}

if [ -z "$short" ] && [ "${suites[0]}" = librdkafka ] && [ ${#suites[@]} -gt 1 ]; then
    # What has to be alone waits for this lock, which the others hold together: see `alone` in lib.sh.
    mkdir -p target/suites
    export SUITES_LOCK=$PWD/target/suites/lock
    exec 9>"$SUITES_LOCK"
    flock --shared 9
    run librdkafka 9>&- &
    run "${suites[@]:1}" || failed=1
    exec 9>&-
    wait $! || failed=1
else
    run "${suites[@]}" || failed=1
fi
[ "$failed" = 0 ]
