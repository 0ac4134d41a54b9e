#!/usr/bin/env bash
# franz-go's own tests: those of its package kgo that talk to a broker.
#
# usage: scripts/suites/franz-go.sh [--short] [NAME...]     as TestGroupETL
#
# Go modules come with their tests.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
needs go
version=1.22.2
package=github.com/twmb/franz-go

fetch() {
    [ -e "$made/kgo-$version" ] && return
    rm -rf "$made/module"
    mkdir -p "$made/module"
    (cd "$made/module" && go mod init suite && go get "$package@v$version" && go get -t "$package/pkg/kgo" &&
        go test -c -o "$made/kgo-$version" "$package/pkg/kgo") >"$made/build.log" 2>&1 || { cat "$made/build.log" >&2; exit 1; }
}

# tests: names of the tests that make a client of the broker, directly or by a topic for them. Without TestTxnEtl, which never
# ends where there are no transactions.
tests() {
    cat "$(cd "$made/module" && go list -m -f '{{.Dir}}' "$package")"/pkg/kgo/*_test.go |
        awk '/^func Test/ {name = $2; sub(/\(.*/, "", name)} name && /newTestClient\(|testClientOpts\(|tmpTopic|getSeedBrokers|adm\(\)|saslScram/ {print name; name = ""} /^}/ {name = ""}' |
        grep -vx TestTxnEtl | sort -u
}

fetch
if [ ${#only[@]} -gt 0 ]; then
    printf '%s\n' "${only[@]}"
elif [ -n "$short" ]; then
    selection franz-go | cut -d/ -f1 | sort -u
else
    tests
fi >"$out/wanted"
cluster
# Each test that moves records through a chain of topics moves so many.
export KGO_SEEDS=$bootstrap KGO_TEST_RECORDS=10000 KGO_LOG_LEVEL=none
[ -n "$short" ] || KGO_TEST_RECORDS=100000
(cd "$out" && "$made/kgo-$version" -test.v=test2json -test.timeout 20m -test.parallel 6 -test.run "^($(paste -sd'|' "$out/wanted"))\$" || true) \
    2>"$out/stderr.log" | go tool test2json -t >"$out/events.json"
judge franz-go "franz-go $version (Go module), package kgo" go "$out/events.json"
finish
