#!/usr/bin/env bash
# Runs the clients' own test suites against clusters of ours, and writes docs/compatibility-report.md: see README.md beside
# this.
#
# usage: scripts/suites/run.sh [--short] [SUITE...]     all without a name
#
# --short runs the tests that are marked so in allow/, and writes no report. DMQ names a binary; without it one is built. One suite
# runs after the other: some of their tests fail where they have to wait for a processor.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=$PWD/scripts/suites
export PYTHONDONTWRITEBYTECODE=1
short='' suites=()
for word in "$@"; do
    if [ "$word" = --short ]; then short=--short; else suites+=("$word"); fi
done
[ ${#suites[@]} -gt 0 ] ||
    suites=(librdkafka confluent-kafka node-rdkafka franz-go kafka-go kafka-python aiokafka kafkajs java)
if [ -z "${DMQ:-}" ]; then
    cargo build --quiet --package cli
    export DMQ=$PWD/target/debug/dmq
fi
failed=0
python3 "$here/test_judge.py" || failed=1
for name in "${suites[@]}"; do
    [ -z "$short" ] || grep --quiet --no-messages '^short ' "$here/allow/$name"*.txt || continue
    "$here/$name.sh" $short || failed=1
done
exit $failed
