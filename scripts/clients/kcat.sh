#!/usr/bin/env bash
# Debian's kcat 1.7.1 with librdkafka 2.0.2: the oldest client that people still meet. It creates no topics itself: the first
# message does, where the broker does so. It also reads as a group (-G). usage: kcat.sh BOOTSTRAP TOPIC
set -euo pipefail
bootstrap=$1 topic=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

kcat -b "$bootstrap" -L | grep -q ' broker '
number=0
for codec in none gzip snappy lz4 zstd; do
    for k in $(seq 200); do echo "key-$k:value $codec $k"; done >"$work/$codec"
    kcat -b "$bootstrap" -P -t "$topic" -p 0 -K: -z "$codec" -X acks=all -H h=1 -H h=2 "$work/$codec" -l
    cat "$work/$codec" >>"$work/all"
    number=$((number + 200))
done
kcat -b "$bootstrap" -C -t "$topic" -p 0 -o beginning -e -q -f '%k:%s\n' >"$work/read"
cmp "$work/all" "$work/read"
kcat -b "$bootstrap" -C -t "$topic" -p 0 -o 437 -e -q -f '%k:%s\n' >"$work/read"
cmp <(tail -n +438 "$work/all") "$work/read"
[ "$(kcat -b "$bootstrap" -C -t "$topic" -p 0 -o 999 -e -q -f '%o %h')" = "999 h=1,h=2" ]
kcat -b "$bootstrap" -Q -t "$topic:0:-1" | grep -q "offset $number"

# As a group: the first run reads everything and commits, the second goes on from there.
group=(kcat -b "$bootstrap" -G "$topic" -X auto.offset.reset=earliest -q -f '%k:%s\n')
timeout 60 "${group[@]}" -c 1000 "$topic" >"$work/read"
cmp "$work/all" "$work/read"
echo "key:after the commit" | kcat -b "$bootstrap" -P -t "$topic" -p 0 -K:
[ "$(timeout 60 "${group[@]}" -c 1 "$topic")" = "key:after the commit" ]

# The leader dies while records are on their way: all are there once, in order, and no more of them.
if [ -n "${KILL_LEADER:-}" ]; then
    killed=$topic-killed
    last() { kcat -b "$bootstrap" -Q -t "$killed:0:-1" | sed 's/.*offset //'; }
    echo 1 | kcat -b "$bootstrap" -P -t "$killed" -p 0
    for ((number = 2; ; number++)); do
        echo "$number"
        [ $((number % 10)) != 0 ] || sleep 0.005 # the pace of the load
        [ ! -e "$work/enough" ] || { echo "$number" >"$work/sent" && break; }
    done | kcat -b "$bootstrap" -P -t "$killed" -p 0 -X enable.idempotence=true -X linger.ms=1 &
    load=$!
    until [ "$(last)" -gt 500 ]; do sleep 0.05; done
    "$KILL_LEADER" "$killed" 0
    before=$(last)
    until [ "$(last)" -gt $((before + 500)) ]; do sleep 0.05; done
    touch "$work/enough"
    wait "$load" # its status is kcat's: everything was acknowledged
    kcat -b "$bootstrap" -C -t "$killed" -p 0 -o beginning -e -q >"$work/read"
    cmp <(seq "$(last)") "$work/read"
    [ "$(tail -n 1 "$work/read")" = "$(cat "$work/sent")" ]
fi
echo ok
