#!/usr/bin/env bash
# Runs other people's clients against a cluster of ours: see README.md beside this.
#
# usage: scripts/clients/run.sh [CLIENT...]     kcat librdkafka kafka-python aiokafka java console-tools
#                                      kafkajs franz-go; all without a name
#
# BOOTSTRAP=HOST:PORT[,...] uses a cluster that runs already; its brokers are not killed. Needs python3 with venv, and per
# client: kcat (installed with apt-get as root), java and mvn, node and npm, go.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=$PWD/scripts/clients
made=$PWD/target/clients
clients=("$@")
[ $# -gt 0 ] || clients=(kcat librdkafka kafka-python aiokafka java console-tools kafkajs franz-go)
mkdir -p "$made"

# venv NAME PACKAGE...: a Python environment with exactly these.
venv() {
    local dir=$made/$1
    shift
    [ -e "$dir/complete" ] && return
    python3 -m venv "$dir"
    "$dir/bin/pip" install --quiet --disable-pip-version-check "$@"
    touch "$dir/complete"
}

install_kcat() {
    command -v kcat >/dev/null || { apt-get update -qq && apt-get install -qq --yes kcat; } >/dev/null
}
run_kcat() { "$here/kcat.sh" "$@"; }

install_librdkafka() { venv librdkafka confluent-kafka==2.16.1; }
run_librdkafka() { "$made/librdkafka/bin/python" "$here/librdkafka.py" "$@"; }

install_kafka-python() { venv kafka-python kafka-python==3.0.12 lz4==4.4.5 python-snappy==0.7.3 zstandard==0.25.0; }
run_kafka-python() { "$made/kafka-python/bin/python" "$here/kafka_python.py" "$@"; }

install_aiokafka() { venv aiokafka "aiokafka[lz4,snappy,zstd]==0.14.0"; }
run_aiokafka() { "$made/aiokafka/bin/python" "$here/aiokafka_client.py" "$@"; }

install_java() {
    [ -e "$made/java/complete" ] && return
    mkdir -p "$made/java"
    cat >"$made/java/pom.xml" <<'XML'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion><groupId>clients</groupId><artifactId>java</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-clients</artifactId><version>4.1.1</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-nop</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
XML
    mvn --quiet --batch-mode --file "$made/java/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
        "-DoutputDirectory=$made/java"
    touch "$made/java/complete"
}
run_java() { java -cp "$made/java/*" "$here/JavaClient.java" "$@"; }

install_console-tools() { "$here/../kafka-tools.sh" jars >/dev/null; }
run_console-tools() { "$here/console-tools.sh" "$@"; }

install_kafkajs() { [ -e "$made/kafkajs/node_modules/kafkajs" ] || npm install --silent --prefix "$made/kafkajs" kafkajs@2.2.4; }
run_kafkajs() { NODE_PATH=$made/kafkajs/node_modules KAFKAJS_NO_PARTITIONER_WARNING=1 node "$here/kafkajs.js" "$@"; }

install_franz-go() { (cd "$here/franz-go" && go build -o "$made/franz-go" .); }
run_franz-go() { "$made/franz-go" "$@"; }

# needs COMMAND...: whether they are all there.
needs() {
    local command
    for command in "$@"; do
        command -v "$command" >/dev/null || { missing=$command; return 1; }
    done
}
needs_kcat() { needs kcat || [ "$(id -u)" = 0 ]; }
needs_librdkafka() { needs python3; }
needs_kafka-python() { needs python3; }
needs_aiokafka() { needs python3; }
needs_java() { needs java mvn; }
needs_console-tools() { needs java mvn; }
needs_kafkajs() { needs node npm; }
needs_franz-go() { needs go; }

passed=0 failed=0 skipped=0
ready=()
for client in "${clients[@]}"; do
    if "needs_$client"; then
        "install_$client"
        ready+=("$client")
    else
        echo "test client $client ... skipped: $missing is not installed"
        skipped=$((skipped + 1))
    fi
done
if [ -z "${BOOTSTRAP:-}" ]; then
    [ -n "${DMQ:-}" ] || { cargo build --quiet && export DMQ=target/debug/dmq; }
    dir=$(mktemp -d)
    # Groups begin at once instead of waiting for more members, as test suites want it, and members are heard more often.
    export DMQ_SET=${DMQ_SET:-group.initial.rebalance.delay.ms=0,group.consumer.heartbeat.interval.ms=200}
    BOOTSTRAP=$(scripts/bench/our-cluster.sh start "$dir")
    finish() {
        scripts/bench/our-cluster.sh stop "$dir"
        if [ "$failed" = 0 ]; then rm -rf "$dir"; else echo "the cluster was in $dir" >&2; fi
    }
    trap finish EXIT
    # How a client has the leader killed of the partition that it produces to.
    export KILL_LEADER=$here/kill-leader.py CLUSTER_DIR=$dir/data
else
    unset KILL_LEADER
    echo "the cluster at $BOOTSTRAP is somebody's: no leader is killed in the middle"
fi
for client in "${ready[@]}"; do
    begun=$(date +%s%N)
    if "run_$client" "$BOOTSTRAP" "check-$client-$begun" >"$made/$client.log" 2>&1; then
        echo "test client $client ... ok, $((($(date +%s%N) - begun) / 1000000)) ms"
        passed=$((passed + 1))
    else
        echo "test client $client ... FAILED"
        sed 's/^/    /' "$made/$client.log"
        failed=$((failed + 1))
    fi
done
# As the test runner of cargo writes it, which is what sums both up.
[ "$failed" = 0 ] && word=ok || word=FAILED
echo "test result: $word. $passed passed; $failed failed; $skipped ignored"
[ "$failed" = 0 ]
