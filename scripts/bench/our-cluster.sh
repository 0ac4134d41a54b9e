#!/usr/bin/env bash
# Our cluster on this machine, as scripts/bench/kafka-cluster.sh starts Kafka's: three metadata nodes and three brokers on
# free ports. Expects target/release/dmq, or what DMQ names.
#
# usage: scripts/bench/our-cluster.sh start DIR     prints the bootstrap servers; a DIR that was stopped goes on
#        scripts/bench/our-cluster.sh stop DIR
#        scripts/bench/our-cluster.sh pids DIR      of brokers and metadata nodes
#
# KAFKA_PORTS=PORT,PORT,PORT makes the brokers listen for Kafka clients there; BROKER_IDS=0 or another list makes a new cluster
# have these brokers, BROKER_HOST=localhost gives them another name than 127.0.0.1, and RACKS=TEXT puts each into a rack of its own,
# which is called TEXT and its id. DIR/started holds the time of the launch, in ms since 1970.
set -euo pipefail
cd "$(dirname "$0")/../.."

dmq=${DMQ:-target/release/dmq}
action=${1:?start, stop or pids}
dir=${2:?a directory}

configure() {
    [ -e "$dir/services.json" ] && return
    mkdir -p "$dir"
    python3 - "$dir/services.json" <<'PY'
import json, os, socket, sys

ids = [int(id) for id in os.environ.get("BROKER_IDS", "101,102,103").split(",")]
held = [socket.socket() for _ in range(3 + 2 * len(ids))]
for one in held:
    one.bind(("127.0.0.1", 0))
ports = [one.getsockname()[1] for one in held]
if wanted := os.environ.get("KAFKA_PORTS"):
    ports[3 + len(ids):] = map(int, wanted.split(","))
host = os.environ.get("BROKER_HOST", "127.0.0.1")
url = lambda port: f"http://127.0.0.1:{port}"
metadata = [
    {"id": n + 1, "host": "127.0.0.1", "port": ports[n], "url": url(ports[n]), "database": f"sqlite:metadata-{n + 1}/raft.db"}
    for n in range(3)
]
storage = [
    {"id": id, "host": host, "port": rest, "url": f"http://{host}:{rest}", "kafkaPort": kafka, "dataDir": f"broker-{id}"}
    for id, rest, kafka in zip(ids, ports[3:], ports[3 + len(ids):])
]
if rack := os.environ.get("RACKS"):
    for broker in storage:
        broker["rack"] = f"{rack}{broker['id']}"
with open(sys.argv[1], "w") as file:
    json.dump({"clusterId": "bench", "services": {"metadata-services": metadata, "storage-services": storage}}, file)
PY
}

start() {
    configure
    date +%s%3N >"$dir/started"
    "$dmq" up --services "$dir/services.json" --data-dir "$dir" --quiet >"$dir/up.log" 2>&1 &
    echo $! >"$dir/up.pid"
    local port
    for port in $(python3 -c 'import json, sys; print(*(s["kafkaPort"] for s in json.load(open(sys.argv[1]))["services"]["storage-services"]))' "$dir/services.json"); do
        until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
            kill -0 "$(cat "$dir/up.pid")" 2>/dev/null || { cat "$dir/up.log" >&2; exit 1; }
            sleep 0.02
        done
        echo "127.0.0.1:$port"
    done | paste -sd,
}

case $action in
start) start ;;
pids) pgrep --parent "$(cat "$dir/up.pid")" --full ' (broker|metadata-node) ' ;;
stop)
    pid=$(cat "$dir/up.pid")
    kill -INT "$pid" 2>/dev/null || true
    while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
    ;;
*) echo "start, stop or pids, not '$action'" >&2; exit 2 ;;
esac
