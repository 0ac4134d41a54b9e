#!/usr/bin/env bash
# Apache Kafka on this machine, to compare with: three nodes in KRaft mode, each broker and controller, from the jars that
# scripts/kafka-tools.sh installs. Needs java (17 or newer) and mvn.
#
# usage: scripts/bench/kafka-cluster.sh start DIR [SETTING=VALUE...]   prints the bootstrap servers;
#                                                                     a DIR that was stopped goes on
#        scripts/bench/kafka-cluster.sh stop DIR
#        scripts/bench/kafka-cluster.sh pids DIR
#        scripts/bench/kafka-cluster.sh hook DIR kill|start ID     SIGKILL to one node, or starts it again
#
# DIR/started holds the time of the launch, in ms since 1970.
#
# Settings go into every node's configuration; `flush.messages=1` (as log.flush.interval.messages) makes Kafka fsync
# before it answers, as our default does. DIR holds data, logs and pids; KAFKA_HEAP sets -Xms and -Xmx (default 1g, as in
# Kafka's own start script).
set -euo pipefail
cd "$(dirname "$0")/../.."

action=${1:?start, stop or pids}
dir=${2:?a directory}
shift 2
jars=$(scripts/kafka-tools.sh jars)

free_ports() {
    python3 - "$1" <<'PY'
import socket, sys
held = [socket.socket() for _ in range(int(sys.argv[1]))]
for one in held:
    one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in held))
PY
}

# configure [SETTING=VALUE...]: a configuration and a formatted directory for each node.
configure() {
    [ -e "$dir/bootstrap" ] && return
    mkdir -p "$dir"
    local ports voters cluster node
    read -r -a ports <<<"$(free_ports 6)"
    voters=1@127.0.0.1:${ports[0]},2@127.0.0.1:${ports[1]},3@127.0.0.1:${ports[2]}
    # Not one that begins with a dash, which would be taken for a switch.
    cluster=$(python3 -c 'import base64, uuid; print("x" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:])')
    cat >"$dir/log4j2.properties" <<'CONF'
rootLogger.level=WARN
rootLogger.appenderRef.out.ref=OUT
appender.out.type=Console
appender.out.name=OUT
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %m (%c)%n
CONF
    for node in 1 2 3; do
        {
            echo "process.roles=broker,controller"
            echo "node.id=$node"
            echo "controller.quorum.voters=$voters"
            echo "controller.listener.names=CONTROLLER"
            echo "listeners=PLAINTEXT://127.0.0.1:${ports[$((node + 2))]},CONTROLLER://127.0.0.1:${ports[$((node - 1))]}"
            echo "advertised.listeners=PLAINTEXT://127.0.0.1:${ports[$((node + 2))]}"
            echo "log.dirs=$dir/data-$node"
            echo "offsets.topic.replication.factor=3"
            echo "min.insync.replicas=2"
            printf '%s\n' "$@"
        } >"$dir/node-$node.properties"
        java -cp "$jars/*" "-Dlog4j2.configurationFile=$dir/log4j2.properties" kafka.tools.StorageTool format \
            --cluster-id "$cluster" --config "$dir/node-$node.properties" >"$dir/format-$node.log" 2>&1
    done
    echo "127.0.0.1:${ports[3]},127.0.0.1:${ports[4]},127.0.0.1:${ports[5]}" >"$dir/bootstrap"
}

# launch NODE: its process.
launch() {
    # The switches of Kafka's own start script.
    java "-Xms${KAFKA_HEAP:-1g}" "-Xmx${KAFKA_HEAP:-1g}" -server -XX:+UseG1GC -XX:MaxGCPauseMillis=20 \
        -XX:InitiatingHeapOccupancyPercent=35 -XX:+ExplicitGCInvokesConcurrent -Djava.awt.headless=true \
        -cp "$jars/*" "-Dlog4j2.configurationFile=$dir/log4j2.properties" kafka.Kafka "$dir/node-$1.properties" \
        >>"$dir/node-$1.log" 2>&1 &
    echo $! >"$dir/node-$1.pid"
}

start() {
    configure "$@"
    date +%s%3N >"$dir/started"
    local node bootstrap
    for node in 1 2 3; do launch "$node"; done
    IFS=, read -r -a bootstrap <"$dir/bootstrap"
    for node in 1 2 3; do
        until (exec 3<>"/dev/tcp/${bootstrap[$((node - 1))]/://}") 2>/dev/null; do
            kill -0 "$(cat "$dir/node-$node.pid")" 2>/dev/null || { cat "$dir/node-$node.log" >&2; exit 1; }
            sleep 0.05
        done
    done
    cat "$dir/bootstrap"
}

# hook kill|start NODE
hook() {
    local pid
    pid=$(cat "$dir/node-$2.pid")
    case $1 in
    kill) kill -KILL "$pid" && while kill -0 "$pid" 2>/dev/null; do sleep 0.01; done ;;
    start) launch "$2" ;;
    *) echo "kill or start, not '$1'" >&2; exit 2 ;;
    esac
}

case $action in
start) start "$@" ;;
hook) hook "$@" ;;
pids) cat "$dir"/node-*.pid ;;
stop)
    for pid in $(cat "$dir"/node-*.pid); do kill "$pid" 2>/dev/null || true; done
    for pid in $(cat "$dir"/node-*.pid); do while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done; done
    ;;
*) echo "start, stop, hook or pids, not '$action'" >&2; exit 2 ;;
esac
