#!/usr/bin/env bash
# Tests of ours that drive kafkajs.
#
# usage: scripts/suites/kafkajs.sh [--short] [TEST...]
#
# kafkajs's own specs are in no registry: of its releases on npm only 0.1.0 carries specs, and that one knows Produce 0 to 2 alone,
# which no current broker serves. So these are our own, in kafkajs/, and say less than a peer's would.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
needs node npm
version=2.2.4
[ -e "$made/node_modules/kafkajs" ] || npm install --silent --prefix "$made" "kafkajs@$version"
# Tests are chosen by their names, after the `test::` that results have before them.
chosen=()
while IFS= read -r name; do
    chosen+=("--test-name-pattern=^${name#test::}\$")
done < <(wanted kafkajs true)
cluster num.partitions=4
BOOTSTRAP=$bootstrap NODE_PATH=$made/node_modules KAFKAJS_NO_PARTITIONER_WARNING=1 \
    timeout 600 node --test "${chosen[@]}" --test-reporter=junit --test-reporter-destination="$out/kafkajs.xml" "$here/kafkajs/kafkajs.test.js" \
    >"$out/kafkajs.log" 2>&1 || true
judge kafkajs "kafkajs $version (npm), tests of ours" junit "$out/kafkajs.xml"
finish
