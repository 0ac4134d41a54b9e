#!/usr/bin/env bash
# Property test of the REST API: schemathesis makes requests from the OpenAPI document of a real metadata node, good and
# bad ones, and checks that no answer is a 5xx and that every answer is one that the document describes. The short form, in
# the test suite, is crates/metadata-node/src/http/tests/fuzz.rs.
#
# usage: scripts/fuzz-rest.sh [EXAMPLES]        cases per operation and phase; 25 takes about a minute, 1000 is the long form
#        scripts/fuzz-rest.sh [EXAMPLES] URL    against a node that runs already (the controller); it is written to!
#
# Needs python3 with venv. schemathesis comes from PyPI into target/fuzz-venv. SEED=<number> repeats a run.
set -euo pipefail
cd "$(dirname "$0")/.."

SCHEMATHESIS=4.32.5
examples=${1:-25}
url=${2:-}

venv=target/fuzz-venv
if ! "$venv/bin/python" -c "import schemathesis" 2>/dev/null; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$SCHEMATHESIS"
fi

if [ -z "$url" ]; then
    cargo build --quiet --package metadata-node
    dir=$(mktemp -d)
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    url=http://127.0.0.1:$port
    cat >"$dir/services.json" <<JSON
{"clusterId": "fuzz",
 "services": {"metadata-services": [{"id": 1, "host": "127.0.0.1", "port": $port, "url": "$url", "database": "sqlite:raft.db"}],
              "storage-services": [{"id": 101, "host": "127.0.0.1", "port": 1, "url": "http://127.0.0.1:1", "kafkaPort": 2, "dataDir": "broker-101"}]}}
JSON
    target/debug/metadata-node --id 1 --services "$dir/services.json" --data-dir "$dir" >"$dir/log" 2>&1 &
    node=$!
    finish() {
        code=$?
        kill "$node" 2>/dev/null || true
        wait "$node" 2>/dev/null || true
        if [ "$code" = 0 ]; then rm -rf "$dir"; else echo "the node's log is $dir/log" >&2; fi
        exit "$code"
    }
    trap finish EXIT
    for _ in $(seq 200); do
        curl -fs "$url/readyz" >/dev/null && break
        kill -0 "$node" 2>/dev/null || { cat "$dir/log" >&2; exit 1; }
        sleep 0.05
    done
fi

# A broker and a topic, so that generated requests meet something.
curl -fsS -o /dev/null -X POST "$url/api/v1/metadata/brokers" \
    -d '{"brokerId": 101, "host": "127.0.0.1", "port": 1, "incarnationId": "5b2d6c5e-6a3e-4c0e-8d8e-2f6b7f0a9c11"}'
curl -fsS -o /dev/null -X POST "$url/api/v1/metadata/topics" \
    -d '{"topicName": "orders", "numPartitions": 3, "replicationFactor": 1}' || true

# /livez?watch=true does not end, by design. What schemathesis remembers of a run stays below target/.
cd target
fuzz-venv/bin/schemathesis run "$url/openapi.json" \
    --exclude-path /livez \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance \
    --max-examples "$examples" --suppress-health-check all --warnings off --continue-on-failure \
    ${SEED:+--seed "$SEED"}

curl -fsS "$url/readyz" >/dev/null
