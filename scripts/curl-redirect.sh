#!/usr/bin/env bash
# What a node that is not the controller says to a write, header by header: 503 with the controller's id and URL, or
# with ?redirect=true a 307 that `curl -L` follows.
#
#   scripts/curl-redirect.sh                   # localhost:9091-9093
set -euo pipefail
source "$(dirname "$0")/lib.sh"

topic="redirect-$$-$(date +%s)"
json=(-H 'content-type: application/json')
body="{\"topicName\":\"$topic\",\"numPartitions\":1,\"replicationFactor\":1}"

find_controller
follower=
for node in "${nodes[@]}"; do
    [ "$node" = "$controller_url" ] || follower=$node
done
[ -n "$follower" ] || die "the controller is the only node there is"
echo "controller: node $controller_id at $controller_url; asking $follower"

expect_refusal() {
    expect "status" "$status" 503
    expect "content-type" "$(header content-type)" application/problem+json
    expect "X-Controller-Leader" "$(header x-controller-leader)" "$controller_id"
    expect "X-Controller-Url" "$(header x-controller-url)" "$controller_url"
    expect "Location" "$(header location)" ""
    expect "code" "$(field code)" NOT_CONTROLLER
}

call POST "$follower/api/v1/metadata/topics" "${json[@]}" -d "$body"
expect_refusal

call POST "$follower/api/v1/metadata/heartbeat/101"
expect_refusal

call DELETE "$follower/api/v1/metadata/topics/$topic"
expect_refusal

call POST "$follower/api/v1/metadata/topics?redirect=true" "${json[@]}" -d "$body"
expect "status" "$status" 307
location=$(header location)
expect "Location without its query" "${location%%\?*}" "$controller_url/api/v1/metadata/topics"

call POST "$follower/api/v1/metadata/topics?redirect=true" -L "${json[@]}" -d "$body"
expect "status after following the redirect" "$status" 201
expect "topic" "$(field topicName)" "$topic"

call GET "$follower/api/v1/metadata/topics/$topic?consistency=linearizable"
expect "status of a read at the follower" "$status" 200

call DELETE "$follower/api/v1/metadata/topics/$topic?redirect=true" -L
expect "status of a deletion by redirect" "$status" 204

echo
echo "redirect passed"
