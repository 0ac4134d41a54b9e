#!/usr/bin/env bash
# confluent-kafka-python's tests, as far as a registry has them.
#
# usage: scripts/suites/confluent-kafka.sh [--short] [NAME...]
#
# Its integration tests (tests/integration in its repository) are in none: the archive at PyPI leaves them out. What the package
# does carry are the drivers for Kafka's system tests, which confluent_kafka_test.py drives. The protocol itself is librdkafka's,
# whose own tests librdkafka.sh runs.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
needs python3
version=2.16.1

venv env confluent-kafka==$version pytest==9.0.1
cluster
mapfile -t tests < <(wanted confluent-kafka echo "$here/confluent_kafka_test.py")
BOOTSTRAP=$bootstrap "$made/env/bin/python" -m pytest --quiet --rootdir="$here" -p no:cacheprovider --basetemp="$out/tmp" --junitxml="$out/junit.xml" \
    "${tests[@]/#confluent_kafka_test::/$here/confluent_kafka_test.py::}" >"$out/pytest.log" 2>&1 || true
judge confluent-kafka "confluent-kafka $version (PyPI), drivers of Kafka's system tests" junit "$out/junit.xml"
finish
