#!/usr/bin/env bash
# kafka-go's own tests that talk to a broker.
#
# usage: scripts/suites/kafka-go.sh [--short] [NAME...]     as TestReader
#
# Go modules come with their tests. These are written for one broker at localhost:9092, so no other may be there.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
needs go
version=0.4.51
package=github.com/segmentio/kafka-go

# tests: names of the tests that talk to the broker, directly or by the tests that are in their tables. Without those that expect
# that nobody can be reached, and those that have answers of their own.
tests() {
    cat "$(cd "$made/module" && go list -m -f '{{.Dir}}' "$package")"/*_test.go | awk '
        /^func Test/ {name = $2; sub(/\(.*/, "", name)}
        name && /newLocalClient|createTopic\(|makeTopic\(|localhost:9092|test(Reader|Writer|Conn|Dialer|ConsumerGroup|Client|Batch)[A-Z]/ {print name; name = ""}
        /^}/ {name = ""}' | grep -vE '^Test(DescribeGroups|ErrorCannotConnect|NetworkAddress|BatchQueue)' | sort -u
}

go_tests "$made/kafka-go-$version" "$package" "$version" "$package"
wanted kafka-go tests | cut -d/ -f1 | sort -u >"$out/wanted"
# Their broker takes messages of 200 MB.
BROKER_IDS=1 BROKER_HOST=localhost KAFKA_PORTS=9092 cluster message.max.bytes=100000000
# Left out are three that end all tests by a panic of their own, whatever the broker; one in which two members are to read 12
# records each, though one of them is assigned only 8; and one in which kafka-go closes its connection now and then while it is in
# use.
skipped='TestReaderConsumerGroup/(verify_offset_committed|consumer_group_commits_on_close|consumer_group_rebalance$)'
skipped+='|TestConn/nettest/ConcurrentMethods'
(cd "$out" && KAFKA_VERSION=4.1.0 "$made/kafka-go-$version" -test.v=test2json -test.timeout 15m -test.parallel 4 \
    -test.run "^($(paste -sd'|' "$out/wanted"))\$" -test.skip "$skipped" || true) 2>"$out/stderr.log" | go tool test2json -t >"$out/events.json"
judge kafka-go "kafka-go $version (Go module)" go "$out/events.json"
finish
