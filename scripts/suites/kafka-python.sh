#!/usr/bin/env bash
# kafka-python's own integration tests.
#
# usage: scripts/suites/kafka-python.sh [--short] [NAME...]     as test.integration.test_admin_integration::test_create_partitions
#
# The source package on PyPI carries them, but for the module that starts Apache Kafka; kafka-python/service.py stands in its
# place. They are written for one broker with the id 0. So that id is among ours, and what counts on there being no other
# is run against one broker.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
needs python3
version=3.0.12
source=$made/$version

fetch() {
    venv venv "kafka-python==$version" pytest==8.4.2 pytest-mock==3.15.1 pytest-timeout==2.4.0 py==1.11.0 lz4==4.4.5 \
        python-snappy==0.7.3 zstandard==0.25.0
    [ -e "$source/complete" ] && return
    rm -rf "$source"
    mkdir -p "$source"
    pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: --dest "$source" "kafka-python==$version"
    tar --extract --gzip --strip-components 1 --directory "$source" --file "$source"/*.tar.gz
    rm -r "$source"/*.tar.gz "$source/kafka" # the tests use the installed one
    touch "$source/test/__init__.py" "$source/complete"
}

# run NAME ARGUMENT...: into $out/NAME.xml.
run() {
    local name=$1
    shift
    cp "$here/kafka-python/service.py" "$source/test/"
    mkdir -p "$made/no-kafka"
    (cd "$source" && KAFKA_URI=kafka://${bootstrap%%,*} KAFKA_VERSION=4.2.0 KAFKA_ROOT=$made/no-kafka \
        "$made/venv/bin/python" -m pytest -o addopts= -o log_level=WARNING --quiet --tb=short --timeout 60 \
        --junitxml "$out/$name.xml" "$@" >"$out/$name.log" 2>&1) || true
}

# What has the settings of the brokers that kafka-python's tests start otherwise.
settings=(group.min.session.timeout.ms=1000 num.partitions=4)
alone=(test/integration/test_admin_integration.py::test_{alter_replica_log_dirs,delete_records})
mapfile -t tests < <(wanted kafka-python echo test/integration)
# Names in lists are those of the results: module::test.
for at in "${!tests[@]}"; do
    name=${tests[at]}
    [[ $name == *::* ]] && tests[at]=$(tr . / <<<"${name%%::*}").py::${name#*::}
done
fetch
BROKER_IDS=0,1,2 cluster "${settings[@]}"
run cluster "${tests[@]}" "${alone[@]/#/--deselect=}"
results=("$out/cluster.xml")
if [ -z "$short" ]; then
    BROKER_IDS=0 cluster "${settings[@]}"
    run alone "${alone[@]}"
    results+=("$out/alone.xml")
fi
judge kafka-python "kafka-python $version (PyPI, source package)" junit "${results[@]}"
finish
