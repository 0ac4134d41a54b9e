#!/usr/bin/env bash
# Apache Kafka's own console tools, from Maven Central, against any cluster. Needs java (17 or newer) and mvn.
#
# usage: scripts/kafka-tools.sh TOOL ARGUMENT...      as Kafka's kafka-TOOL.sh:
#
#        scripts/kafka-tools.sh topics --bootstrap-server localhost:19092 --list
#        scripts/kafka-tools.sh console-producer --bootstrap-server localhost:19092 --topic orders
#        scripts/kafka-tools.sh jars                  installs Kafka and prints where its jars are
set -euo pipefail

KAFKA=4.1.1
jars=$(cd "$(dirname "$0")/.." && pwd)/target/kafka-$KAFKA

install() {
    [ -e "$jars/complete" ] && return
    local pom
    pom=$(mktemp -d)
    cat >"$pom/pom.xml" <<XML
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion><groupId>tools</groupId><artifactId>kafka</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$KAFKA</version></dependency>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>$KAFKA</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.24.3</version></dependency>
  </dependencies>
</project>
XML
    mvn --quiet --batch-mode --file "$pom/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
        "-DoutputDirectory=$jars" >&2
    rm -rf "$pom"
    # The tools tell people their business on the standard output; only errors of the libraries belong beside it.
    cat >"$jars/log4j2.properties" <<'CONF'
rootLogger.level=ERROR
rootLogger.appenderRef.err.ref=ERR
appender.err.type=Console
appender.err.name=ERR
appender.err.target=SYSTEM_ERR
appender.err.layout.type=PatternLayout
appender.err.layout.pattern=%d %p %m (%c)%n
CONF
    touch "$jars/complete"
}

class_of() {
    case $1 in
    topics) echo org.apache.kafka.tools.TopicCommand ;;
    configs) echo kafka.admin.ConfigCommand ;;
    console-producer) echo org.apache.kafka.tools.ConsoleProducer ;;
    console-consumer) echo org.apache.kafka.tools.consumer.ConsoleConsumer ;;
    consumer-groups) echo org.apache.kafka.tools.consumer.group.ConsumerGroupCommand ;;
    get-offsets) echo org.apache.kafka.tools.GetOffsetShell ;;
    delete-records) echo org.apache.kafka.tools.DeleteRecordsCommand ;;
    leader-election) echo org.apache.kafka.tools.LeaderElectionCommand ;;
    reassign-partitions) echo org.apache.kafka.tools.reassign.ReassignPartitionsCommand ;;
    log-dirs) echo org.apache.kafka.tools.LogDirsCommand ;;
    metadata-quorum) echo org.apache.kafka.tools.MetadataQuorumCommand ;;
    features) echo org.apache.kafka.tools.FeatureCommand ;;
    broker-api-versions) echo org.apache.kafka.tools.BrokerApiVersionsCommand ;;
    cluster) echo org.apache.kafka.tools.ClusterTool ;;
    producer-perf-test) echo org.apache.kafka.tools.ProducerPerformance ;;
    consumer-perf-test) echo org.apache.kafka.tools.ConsumerPerformance ;;
    verifiable-producer) echo org.apache.kafka.tools.VerifiableProducer ;;
    verifiable-consumer) echo org.apache.kafka.tools.VerifiableConsumer ;;
    dump-log) echo org.apache.kafka.tools.DumpLogSegments ;;
    transactions) echo org.apache.kafka.tools.TransactionsCommand ;;
    *) echo "no tool '$1'; there are:" $(sed -n 's/^    \([a-z-]*\)) echo org.*\|^    \([a-z-]*\)) echo kafka.*/\1\2/p' "$0") >&2; return 2 ;;
    esac
}

[ $# -gt 0 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
tool=$1
shift
if [ "$tool" = jars ]; then
    install
    echo "$jars"
else
    class=$(class_of "$tool")
    install
    # One core and little memory are enough for a tool, and it starts faster so.
    exec java -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$jars/*" \
        "-Dlog4j2.configurationFile=$jars/log4j2.properties" "$class" "$@"
fi
