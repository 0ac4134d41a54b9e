#!/usr/bin/env bash
# franz-go's own tests: those of its package kgo that talk to a broker, and those that its authors made of Kafka's integration
# tests for their imitation of a cluster.
#
# usage: scripts/suites/franz-go.sh [--short] [NAME...]     as TestGroupETL
#
# Go modules come with their tests. In place of the imitation stands franz-go/kfake.go.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
needs go
version=1.22.2 kadm=1.19.0 kfake=v0.0.0-20260918054303-01f206a7e32c
package=github.com/twmb/franz-go

# The tests stay as they are; only the package that they import is another.
fetch_of_kafka() {
    local module=$made/of-kafka imitation
    [ "$made/kgo-of-kafka-$kfake" -nt "$here/franz-go/kfake.go" ] && return
    rm -rf "$module"
    mkdir -p "$module/kfake" "$module/tests"
    cp "$here/franz-go/kfake.go" "$module/kfake/"
    (
        cd "$module/kfake" && go mod init "$package/pkg/kfake"
        cd "$module" && go mod init suite
        imitation=$(go mod download -json "$package/pkg/kfake@$kfake" | sed -nE 's/^\s*"Dir": "(.*)".*/\1/p')
        cp "$imitation"/kafka_tests/*_test.go tests/
        chmod -R u+w tests
        go mod edit -replace "$package/pkg/kfake=./kfake"
        go get "$package@v$version" "$package/pkg/kadm@v$kadm" && go mod tidy
        go test -c -o "$made/kgo-of-kafka-$kfake" ./tests
    ) >"$made/build-of-kafka.log" 2>&1 || gave_up "$made/build-of-kafka.log"
}

# tests: names of the tests that make a client of the broker, directly or by a topic for them. Without TestTxnEtl, which waits
# for ever for what its transactions were to write, although it is told at once that there are none.
tests() {
    cat "$(cd "$made/module" && go list -m -f '{{.Dir}}' "$package")"/pkg/kgo/*_test.go |
        awk '/^func Test/ {name = $2; sub(/\(.*/, "", name)} name && /newTestClient\(|testClientOpts\(|tmpTopic|getSeedBrokers|adm\(\)|saslScram/ {print name; name = ""} /^}/ {name = ""}' |
        grep -vx TestTxnEtl | sort -u
}

# tests_of_kafka: names of those that have no broker told what to answer. Without one that waits for each of two members in turn to
# have something, which is good only where one broker leads all partitions.
tests_of_kafka() {
    cat "$made"/of-kafka/tests/*_test.go |
        awk '/^func Test/ {name = $2; sub(/\(.*/, "", name)} /ControlKey\(|Fault\(|fetchGate\(/ {name = ""} /^}/ && name {print name; name = ""}' |
        grep -vx Test848ConsumerLeaveReassigns | sort
}

# run LIST TESTS CLIENT PROGRAM [FLAG...]: the wanted tests of a list, of those whose names the command TESTS prints, by a program that
# `go test -c` made.
run() {
    local list=$1 client=$3 program=$4 names
    names=$(wanted "$1" "$2" | cut -d/ -f1 | sort -u | { grep -xFf <("$2") || true; } | paste -sd'|')
    [ -n "$names" ] || return 0
    shift 4
    (cd "$out" && "$program" -test.v=test2json -test.run "^($names)\$" "$@" || true) 2>"$out/$list.log" |
        go tool test2json -t >"$out/$list.json"
    judge "$list" "$client" go "$out/$list.json"
}

go_tests "$made/kgo-$version" "$package" "$version" "$package/pkg/kgo"
fetch_of_kafka
cluster
# Each test that moves records through a chain of topics moves so many.
export KGO_SEEDS=$bootstrap KGO_TEST_RECORDS=10000 KGO_LOG_LEVEL=none
[ -n "$short" ] || KGO_TEST_RECORDS=100000
run franz-go tests "franz-go $version (Go module), package kgo" "$made/kgo-$version" -test.timeout 20m -test.parallel 6
# They count on the ids 0 to 2.
BROKER_IDS=0,1,2 cluster
export BOOTSTRAP=$bootstrap
run franz-go-of-kafka tests_of_kafka "franz-go $version (Go module), its tests made of Kafka's" "$made/kgo-of-kafka-$kfake" \
    -test.timeout 10m -test.parallel 1
finish
