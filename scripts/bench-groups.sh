#!/usr/bin/env bash
# Consumer groups: ours beside Apache Kafka, the same members (`dmq bench groups`) on the same machine, one after the other, each on
# a fresh cluster of three brokers. Arguments go to `dmq bench groups`, for example `--parts start,join --times 10`.
#
# usage: scripts/bench-groups.sh [ARGUMENT...]
#
# DMQ may name a binary that is built already. Needs java 17 and mvn; Kafka comes from Maven Central. Both systems keep their
# defaults, except that a group which was empty waits 500 ms for more members, and not 3 s. ONLY=dmq or ONLY=kafka measures one.
# No figure takes much longer than 90 s, or what --within says, however many samples it has by then: a broker of Kafka that is
# killed is in sync again only after some 20 s. Everything together takes some 20 minutes.
set -euo pipefail
cd "$(dirname "$0")/.."

[ -n "${DMQ:-}" ] || cargo build --quiet --release
dmq=${DMQ:-target/release/dmq}
case " $* " in
*" --within"*) ;;
*) set -- --within 90 "$@" ;;
esac

if [ "${ONLY:-dmq}" = dmq ]; then
    echo "== dmq"
    "$dmq" bench groups --ephemeral "$@"
fi
if [ "${ONLY:-kafka}" = kafka ]; then
    dir=$(mktemp -d)
    trap 'scripts/bench/kafka-cluster.sh stop "$dir"; rm -rf "$dir"' EXIT
    bootstrap=$(scripts/bench/kafka-cluster.sh start "$dir" group.initial.rebalance.delay.ms=500)
    echo "== Apache Kafka"
    "$dmq" bench groups --bootstrap "$bootstrap" --hook "scripts/bench/kafka-cluster.sh hook $dir" "$@"
fi
