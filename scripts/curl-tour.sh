#!/usr/bin/env bash
# A tour of the control plane in curl: who leads, create a topic, look at it from every node, change it, read its
# history, delete it. Works on any running cluster and leaves it as it was.
#
#   scripts/curl-tour.sh                       # localhost:9091-9093
#   DMQ_METADATA=http://host:9091 scripts/curl-tour.sh
set -euo pipefail
source "$(dirname "$0")/lib.sh"

topic="tour-$$-$(date +%s)"
json=(-H 'content-type: application/json')

find_controller
echo "controller: node $controller_id at $controller_url in term $controller_term"
topics="$controller_url/api/v1/metadata/topics"

call GET "$controller_url/api/v1/metadata/brokers"
expect "status of brokers" "$status" 200
brokers=$(grep -o '"status":"ONLINE"' "$work/body" | wc -l)
[ "$brokers" -gt 0 ] || die "no broker is ONLINE"
replicas=$((brokers < 3 ? brokers : 3))

call POST "$topics" "${json[@]}" -d "{\"topicName\":\"$topic\",\"numPartitions\":3,\"replicationFactor\":$replicas}"
expect "status of a creation" "$status" 201
expect "its name" "$(field topicName)" "$topic"
id=$(field topicId)

call POST "$topics" "${json[@]}" -d "{\"topicName\":\"$topic\",\"numPartitions\":3,\"replicationFactor\":1}"
expect "status of a second creation" "$status" 409
expect "its code" "$(field code)" TOPIC_ALREADY_EXISTS

# The same key twice is one write.
key=$(cat /proc/sys/kernel/random/uuid 2>/dev/null || uuidgen)
for attempt in first second; do
    call PATCH "$topics/$topic" "${json[@]}" -H "Idempotency-Key: $key" -d '{"configs":{"retention.ms":"60000"}}'
    expect "status of the $attempt change under one key" "$status" 200
done

# Every node answers reads. ?consistency=linearizable makes it current, or fails.
for node in "${nodes[@]}"; do
    call GET "$node/api/v1/metadata/topics/$topic?consistency=linearizable"
    expect "status at $node" "$status" 200
    expect "the id it knows" "$(field topicId)" "$id"
    grep -q '"retention.ms":"60000"' "$work/body" || die "$node does not know the setting"
done

call GET "$topics/$topic/partitions/0/leader"
expect "status of a partition's leader" "$status" 200

call POST "$topics" "${json[@]}" -d '{"topicName":"no spaces!","numPartitions":1,"replicationFactor":1}'
expect "status of a bad name" "$status" 400
expect "its code" "$(field code)" INVALID_TOPIC_NAME

call GET "$controller_url/api/v1/metadata/history?topic=$topic"
expect "status of the history" "$status" 200
grep -q '"kind":"TOPIC_CREATED"' "$work/body" || die "the history does not know of the creation"

call GET "$controller_url/api/v1/raft/status"
expect "status of the quorum" "$status" 200
expect "state of the controller" "$(field state)" LEADER

call DELETE "$topics/$topic"
expect "status of a deletion" "$status" 204
call GET "$topics/$topic"
expect "status of a topic that is gone" "$status" 404
expect "its code" "$(field code)" UNKNOWN_TOPIC

echo
echo "tour passed"
