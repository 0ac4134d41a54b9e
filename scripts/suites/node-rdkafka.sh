#!/usr/bin/env bash
# node-rdkafka's own end-to-end tests.
#
# usage: scripts/suites/node-rdkafka.sh [--short] [NAME...]     as "Admin createTopic::should create topic sucessfully"
#
# Its package on npm carries them, and the source of librdkafka, which it builds.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
needs node npm c++ make
version=3.6.1 mocha=10.8.2
package=$made/node_modules/node-rdkafka

fetch() {
    [ -e "$made/complete" ] && return
    debian libssl-dev zlib1g-dev libzstd-dev
    npm install --silent --prefix "$made" "node-rdkafka@$version" "mocha@$mocha" >"$made/build.log" 2>&1 ||
        gave_up "$made/build.log"
    touch "$made/complete"
}

# either NAME...: a pattern of exactly these tests, by their titles as mocha joins them.
either() {
    local name
    for name in "$@"; do printf '%s\n' "${name/::/ }"; done | sed 's/[][\.*^$()+?{}|/]/\\&/g; s/.*/^&$/' | paste -sd'|'
}

# chosen: the pattern of the wanted tests; of all but those that the list says to skip where none are named.
chosen() {
    local names
    mapfile -t names < <(wanted node-rdkafka true)
    if [ ${#names[@]} -gt 0 ]; then
        either "${names[@]}"
    else
        mapfile -t names < <(python3 "$here/judge.py" skipped "$here/allow/node-rdkafka.txt")
        echo "^(?!($(either "${names[@]}")))"
    fi
}

fetch
cluster
for topic in test test2 test3 test4 test5 test6; do
    "$DMQ" topic create "$topic" --services "$cluster_dir/services.json" --partitions 1 >"$out/topics.log" 2>&1 || gave_up "$out/topics.log"
done
grep=$(chosen)
(cd "$package" && KAFKA_HOST=$bootstrap timeout 900 "$made/node_modules/.bin/mocha" --exit --timeout 120000 --ui bdd \
    --grep "$grep" --reporter xunit --reporter-option "output=$out/mocha.xml" e2e/*.spec.js >"$out/mocha.log" 2>&1) || true
judge node-rdkafka "node-rdkafka $version (npm), its end-to-end tests" junit "$out/mocha.xml"
finish
