#!/usr/bin/env bash
# Tests of ours that drive aiokafka.
#
# usage: scripts/suites/aiokafka.sh [--short] [TEST...]
#
# aiokafka's own tests are in no registry: none of its source packages on PyPI carries them, and Debian has no package of it. So
# these are our own, in aiokafka/, and say less than a peer's would.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
needs python3
version=0.14.0
venv venv "aiokafka[lz4,snappy,zstd]==$version" pytest==8.4.2 pytest-timeout==2.4.0
mapfile -t tests < <(wanted aiokafka echo "$here/aiokafka")
tests=("${tests[@]/#test_aiokafka::/$here/aiokafka/test_aiokafka.py::}")
cluster num.partitions=4
BOOTSTRAP=$bootstrap "$made/venv/bin/python" -m pytest --rootdir "$here/aiokafka" -p no:cacheprovider --quiet --tb=short --timeout 90 \
    --junitxml "$out/aiokafka.xml" "${tests[@]}" >"$out/aiokafka.log" 2>&1 || true
judge aiokafka "aiokafka $version (PyPI), tests of ours" junit "$out/aiokafka.xml"
finish
