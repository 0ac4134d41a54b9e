#!/usr/bin/env bash
# Apache Kafka's own tests in Java and Scala: those of its test jars that need only what a client sees of a cluster, and its
# programs that check a cluster.
#
# usage: scripts/suites/java.sh [--short] [CLASS...]     as kafka.server.JoinGroupRequestTest, or programs
#
# The jars come from Maven Central. Kafka's tests start Kafka's brokers; the three classes in java/ that stand before its own on
# the class path start ours instead, a fresh cluster for every test. java/classes.txt says which test classes are run, and
# java/programs.py runs the programs.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
needs java javac mvn
version=4.1.1

fetch() {
    [ -e "$made/lib/complete" ] && return
    rm -rf "$made/lib"
    mvn --quiet --batch-mode --file "$here/java/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
        "-DoutputDirectory=$made/lib" >&2
    touch "$made/lib/complete"
}

compile() {
    rm -rf "$made/classes"
    mkdir -p "$made/classes"
    find "$here/java" -name '*.java' -print0 |
        xargs -0 javac -nowarn -d "$made/classes" -cp "$made/lib/*" >"$out/javac.log" 2>&1 || { cat "$out/javac.log" >&2; exit 1; }
}

# junit CLASS...: runs these test classes.
junit() {
    local class arguments=()
    for class in "$@"; do arguments+=(--select-class "$class"); done
    (cd "$out" && java -Xmx1g -XX:+UseSerialGC "-Ddmq=$(realpath "$DMQ")" "-Dlog4j2.configurationFile=$here/java/log4j2.properties" \
        -cp "$made/classes:$made/lib/*" org.junit.platform.console.ConsoleLauncher execute "${arguments[@]}" \
        --include-classname '.*' --details=none --disable-banner --disable-ansi-colors --reports-dir="$out" \
        --config junit.jupiter.execution.timeout.default=120s --config junit.jupiter.extensions.autodetection.enabled=true \
        >"$out/junit.log" 2>&1) || true
}

if [ -z "${DMQ:-}" ]; then
    cargo build --quiet --package cli
    export DMQ=$PWD/target/debug/dmq
fi
fetch
compile
if [ ${#only[@]} -gt 0 ]; then
    printf '%s\n' "${only[@]}"
elif [ -n "$short" ]; then
    selection java | sed 's/::.*//' | uniq
else
    cat "$here/java/classes.txt" && echo programs
fi | grep -v '^ *#' >"$out/wanted"
mapfile -t classes < <(grep -vx programs "$out/wanted")
[ ${#classes[@]} = 0 ] || junit "${classes[@]}"
if grep -qx programs "$out/wanted"; then
    cluster num.partitions=4
    python3 "$here/java/programs.py" "$bootstrap" "$made/lib" "$out"
fi
judge java "Apache Kafka $version (Maven Central, test jars)" junit "$out"/TEST-*.xml
finish
