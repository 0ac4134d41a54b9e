# What the suites share. Sourced, not run: see README.md beside this.
#
# A suite's script is called with [--short] [TEST...]. It fetches the client's own tests, starts a cluster with `cluster`,
# runs the tests and hands what came out to `judge`:
#
#   short        1 where only the short selection is to be run
#   only         the tests that were asked for; these are run whatever the lists say, and shown instead of judged
#   made         where fetched sources and builds stay: target/suites/SUITE
#   out          an empty directory for what the tests write, and the clusters log: target/suites/SUITE/out
#   DMQ          the binary; without one it is built
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
here=$PWD/scripts/suites
suite=$(basename "$0" .sh)
export PYTHONDONTWRITEBYTECODE=1
made=$PWD/target/suites/$suite
out=$made/out
short='' only=()
for word in "$@"; do
    if [ "$word" = --short ]; then short=1; else only+=("$word"); fi
done
rm -rf "$out"
mkdir -p "$made" "$out"
failed=''
if [ -z "${DMQ:-}" ]; then
    cargo build --quiet --package cli
    export DMQ=$PWD/target/debug/dmq
fi

# needs COMMAND...: ends the suite where one is missing; the short selection as skipped.
needs() {
    local command
    for command in "$@"; do
        command -v "$command" >/dev/null && continue
        [ -n "$short" ] || { echo "test suite $suite ... FAILED: $command is not installed"; exit 1; }
        echo "test suite $suite ... skipped: $command is not installed"
        echo "test result: ok. 0 passed; 0 failed; 1 ignored"
        exit 0
    done
}

# gave_up LOG: ends the suite, with what a command wrote that failed.
gave_up() {
    tail -30 "$1" >&2
    exit 1
}

# debian PACKAGE...: installs what is missing, which takes root.
debian() {
    local missing=() package
    for package in "$@"; do
        [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} = 0 ] && return
    { apt-get update -qq && apt-get install -qq --yes "${missing[@]}"; } >"$made/apt.log" 2>&1 && return
    echo "$suite needs these packages: ${missing[*]}" >&2
    gave_up "$made/apt.log"
}

# venv NAME PACKAGE...: a Python environment with exactly these, at $made/NAME.
venv() {
    local dir=$made/$1
    shift
    [ -e "$dir/complete" ] && return
    python3 -m venv "$dir"
    "$dir/bin/pip" install --quiet --disable-pip-version-check "$@"
    touch "$dir/complete"
}

# go_tests PROGRAM MODULE VERSION PACKAGE: a program that runs the tests of a package of a Go module, which come with the module.
go_tests() {
    [ -e "$1" ] && return
    rm -rf "$made/module"
    mkdir -p "$made/module"
    (cd "$made/module" && go mod init suite && go get "$2@v$3" && go get -t "$4" && go test -c -o "$1" "$4") \
        >"$made/build.log" 2>&1 || gave_up "$made/build.log"
}

cluster_dir='' clusters=0
stop_cluster() {
    [ -n "$cluster_dir" ] || return 0
    local logs=$out/cluster-$((++clusters))
    "$here/../bench/our-cluster.sh" stop "$cluster_dir"
    mkdir "$logs"
    mv "$cluster_dir/up.log" "$cluster_dir"/data/logs/*.log "$logs" || true
    rm -rf "$cluster_dir"
    cluster_dir=''
    # Whatever the tests saw of it.
    if grep -hE 'event="panic"|the cluster goes on without it|has to be killed' "$logs"/*.log; then
        echo "test suite $suite ... FAILED: the cluster did not run in good order to its end; its logs are in $logs"
        failed=1
    fi
}
trap 'stop_cluster' EXIT

# cluster [SETTING=VALUE...]: a fresh cluster of three brokers; sets `bootstrap` to its servers. One that runs is stopped.
# KAFKA_PORTS=PORT,PORT,PORT makes the brokers listen there.
cluster() {
    stop_cluster
    # Groups begin at once instead of waiting for more members, as Kafka's own test clusters have it.
    [[ " $*" == *" group.initial.rebalance.delay.ms="* ]] || set -- group.initial.rebalance.delay.ms=0 "$@"
    cluster_dir=$(mktemp -d)
    bootstrap=$(IFS=, && DMQ_SET="$*" "$here/../bench/our-cluster.sh" start "$cluster_dir")
}

# wanted LIST [COMMAND...]: the tests to run, one a line: those that were asked for, those of the short selection, or all, which the
# command prints.
wanted() {
    if [ ${#only[@]} -gt 0 ]; then
        printf '%s\n' "${only[@]}"
    elif [ -n "$short" ]; then
        python3 "$here/judge.py" short "$here/allow/$1.txt"
    else
        "${@:2}"
    fi
}

# judge LIST CLIENT FORMAT FILE...: compares results with the list. CLIENT says what was run, with its version, and where the
# tests came from; FORMAT is one of those that results.py knows.
judge() {
    local list=$1 client=$2 format=$3 verdict=0
    shift 3
    local results=$PWD/target/suites/$list.tsv
    [ -z "$short" ] && [ ${#only[@]} = 0 ] || results=$out/$list.tsv
    python3 "$here/results.py" "$format" "$@" >"$results.new"
    { echo "# $client" && cat "$results.new"; } >"$results"
    rm "$results.new"
    if [ ${#only[@]} -gt 0 ]; then
        python3 "$here/judge.py" show "$results"
    else
        python3 "$here/judge.py" check ${short:+--short} "$here/allow/$list.txt" "$results" || verdict=1
        [ -n "$short" ] || [ "$verdict" != 0 ] ||
            flock target/suites/report.lock python3 "$here/judge.py" report "$here/allow/$list.txt" "$results" docs/compatibility-report.md
    fi
    [ "$verdict" = 0 ] || failed=1
}

# finish: the last line of every suite.
finish() {
    stop_cluster
    [ -z "$failed" ]
}
