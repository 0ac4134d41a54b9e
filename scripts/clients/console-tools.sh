#!/usr/bin/env bash
# Apache Kafka's own console tools, one after the other, as an administrator types them. usage: console-tools.sh BOOTSTRAP TOPIC
set -euo pipefail
bootstrap=$1 topic=$2
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
at=(--bootstrap-server "$bootstrap")

# tool NAME ARGUMENT...: what it says, which is also kept.
tool() { timeout 120 "$here/../kafka-tools.sh" "$@" 2>&1 | tee "$work/said"; }

# says PATTERN: whether the last tool said so.
says() { grep -Eq -- "$1" "$work/said" || { echo "nothing in it is like '$1'" >&2; return 1; }; }

tool topics "${at[@]}" --create --topic "$topic" --partitions 3 --replication-factor 3 --config retention.ms=86400000
says "^Created topic $topic"
tool topics "${at[@]}" --alter --topic "$topic" --partitions 4
tool topics "${at[@]}" --describe --topic "$topic"
says "PartitionCount: 4.ReplicationFactor: 3.Configs: .*retention.ms=86400000"
tool topics "${at[@]}" --list
says "^$topic$"

for number in $(seq 100); do echo "key-$number:value $number"; done >"$work/sent"
tool console-producer "${at[@]}" --topic "$topic" --property parse.key=true --property key.separator=: <"$work/sent"
tool console-consumer "${at[@]}" --topic "$topic" --group "$topic" --from-beginning --max-messages 100 --timeout-ms 60000 \
    --property print.key=true --property key.separator=: | grep '^key-' | sort | cmp - <(sort "$work/sent")
tool get-offsets "${at[@]}" --topic "$topic"
[ "$(awk -F: '{ sum += $3 } END { print sum }' "$work/said")" = 100 ]
tool consumer-groups "${at[@]}" --describe --group "$topic"
says "^$topic +$topic +0 +[0-9]+ +[0-9]+ +0 "
tool consumer-groups "${at[@]}" --group "$topic" --reset-offsets --to-earliest --topic "$topic" --execute
says "^$topic +$topic +0 +0"
tool consumer-groups "${at[@]}" --delete --group "$topic"
says "Deletion of requested consumer groups .* was successful"

tool configs "${at[@]}" --alter --entity-type topics --entity-name "$topic" --add-config max.message.bytes=2000000
tool configs "${at[@]}" --describe --entity-type topics --entity-name "$topic"
says "max.message.bytes=2000000 .*DYNAMIC_TOPIC_CONFIG"
group=(--entity-type groups --entity-name "$topic")
tool configs "${at[@]}" --alter "${group[@]}" --add-config consumer.session.timeout.ms=50000
tool configs "${at[@]}" --describe "${group[@]}"
says "consumer.session.timeout.ms=50000 .*DYNAMIC_GROUP_CONFIG"
tool configs "${at[@]}" --alter "${group[@]}" --add-config consumer.session.timeout.ms=1 || true
says "at least 45000, which is .group.consumer.min.session.timeout.ms"
tool configs "${at[@]}" --alter "${group[@]}" --delete-config consumer.session.timeout.ms
tool producer-perf-test --topic "$topic" --num-records 5000 --record-size 200 --throughput -1 \
    --producer-props "bootstrap.servers=$bootstrap" acks=all
says "^5000 records sent"
tool verifiable-producer "${at[@]}" --topic "$topic" --max-messages 5
says '"sent":5,"acked":5'

tool get-offsets "${at[@]}" --topic-partitions "$topic:0"
end=$(cut -d: -f3 "$work/said")
echo "{\"version\": 1, \"partitions\": [{\"topic\": \"$topic\", \"partition\": 0, \"offset\": $end}]}" >"$work/delete"
tool delete-records "${at[@]}" --offset-json-file "$work/delete"
says "$topic-0.*low_watermark: $end"
tool log-dirs "${at[@]}" --describe --topic-list "$topic"
says "\"partition\":\"$topic-0\""

# The last replica goes; which one leads does not matter.
tool topics "${at[@]}" --describe --topic "$topic"
fewer=$(sed -n 's/.*Partition: 0\t.*Replicas: \([0-9]*,[0-9]*\),.*/\1/p' "$work/said")
echo "{\"version\": 1, \"partitions\": [{\"topic\": \"$topic\", \"partition\": 0, \"replicas\": [$fewer]}]}" >"$work/move"
tool reassign-partitions "${at[@]}" --reassignment-json-file "$work/move" --execute
says "Successfully started partition reassignment for $topic-0"
deadline=$((SECONDS + 60))
until tool reassign-partitions "${at[@]}" --reassignment-json-file "$work/move" --verify && says "$topic-0 is completed"; do
    [ "$SECONDS" -lt "$deadline" ]
done
tool leader-election "${at[@]}" --election-type preferred --all-topic-partitions
says "[Ee]lection" || [ ! -s "$work/said" ]

tool metadata-quorum "${at[@]}" describe --status
says "^LeaderId: +[0-9]"
tool metadata-quorum "${at[@]}" describe --replication
says "Observer"
tool features "${at[@]}" describe
tool broker-api-versions "${at[@]}"
says "Produce\(0\): 0 to"
tool cluster cluster-id "${at[@]}"
says "^Cluster ID:"
tool topics "${at[@]}" --delete --topic "$topic"
echo ok
