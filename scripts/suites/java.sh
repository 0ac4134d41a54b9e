#!/usr/bin/env bash
# Apache Kafka's own tests in Java and Scala: those of its test jars that need only what a client sees of a cluster, and its
# programs that check a cluster.
#
# usage: scripts/suites/java.sh [--short] [CLASS...]     as kafka.server.JoinGroupRequestTest, or programs
#
# The jars come from Maven Central. Kafka's tests start Kafka's brokers; the classes in java/ that stand before its own on
# the class path start ours instead, a fresh cluster for every test. java/classes.txt says which test classes are run, and
# java/programs.py runs the programs. Of the tools' classes, tests that ask for no cluster are left out.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
needs java javac mvn
version=4.1.1
# Many tests of clients went from the test jar of 4.0 to one that is not published; they come from there.
older=4.0.1

fetch() {
    [ -e "$made/older/complete" ] && return
    rm -rf "$made/lib" "$made/older"
    mvn --quiet --batch-mode --file "$here/java/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
        "-DoutputDirectory=$made/lib" >&2
    mvn --quiet --batch-mode --file "$here/java/pom.xml" dependency:copy \
        "-Dartifact=org.apache.kafka:kafka_2.13:$older:jar:test" "-DoutputDirectory=$made/older" >&2
    touch "$made/older/complete"
}

compile() {
    rm -rf "$made/classes"
    mkdir -p "$made/classes"
    cp -r "$here/java/META-INF" "$made/classes"
    find "$here/java" -name '*.java' -print0 |
        xargs -0 javac -nowarn -d "$made/classes" -cp "$made/lib/*" >"$out/javac.log" 2>&1 || gave_up "$out/javac.log"
}

# junit CLASS: runs a test class, in a process of its own, as some end theirs.
junit() {
    mkdir -p "$out/$1/tmp"
    (cd "$out/$1" && java -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 "-Ddmq=$(realpath "$DMQ")" "-Dslot=$SLOT" "-Dknown=$out/known" "-Djava.io.tmpdir=$out/$1/tmp" "-Dlist=$here/allow/java.txt" \
        "-Dlog4j2.configurationFile=$here/java/log4j2.properties" -Djunit.platform.reflection.search.useLegacySemantics=true -cp "$made/classes:$made/lib/*:$made/older/*" \
        org.junit.platform.console.ConsoleLauncher execute --select-class "$1" --include-classname '.*' --details=none --disable-banner \
        --disable-ansi-colors --reports-dir=. --config junit.jupiter.execution.timeout.default=120s \
        --config junit.jupiter.extensions.autodetection.enabled=true >junit.log 2>&1) || true
    # Clusters of tests that ended the process.
    rm -rf "$out/$1/tmp"
    [ -e "$out/$1/TEST-junit-jupiter.xml" ] || printf '<testsuite><testcase classname="%s" name="*"><failure message="the process ended before the tests did"/></testcase></testsuite>\n' \
        "$1" >"$out/$1/TEST-junit-jupiter.xml"
}

# all: names of the test classes that are run.
all() { grep -v '^ *#' "$here/java/classes.txt" && echo programs; }

fetch
compile
wanted java all | sed 's/::.*//' | uniq >"$out/wanted"
export DMQ out made here
export -f junit
sed '/^programs$/d' "$out/wanted" | xargs -r -P 2 --process-slot-var=SLOT -I CLASS bash -c 'junit CLASS'
if grep -qx programs "$out/wanted"; then
    cluster num.partitions=4
    python3 "$here/java/programs.py" "$bootstrap" "$made/lib" "$out"
fi
judge java "Apache Kafka $version, some tests of $older (Maven Central, test jars)" junit $(ls "$out"/*/TEST-junit-jupiter.xml "$out"/TEST-programs.xml 2>/dev/null)
finish
