# What the curl scripts share. Sourced, not run. Needs bash, curl, grep and sed.

# Base URLs of the metadata nodes; DMQ_METADATA=URL[,URL] names others.
IFS=',' read -r -a nodes <<<"${DMQ_METADATA:-http://localhost:9091,http://localhost:9092,http://localhost:9093}"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

die() {
    echo "FAILED: $*" >&2
    [ -s "$work/head" ] && sed 's/^/    /' "$work/head" >&2
    [ -s "$work/body" ] && sed 's/^/    /' "$work/body" >&2
    exit 1
}

# call METHOD URL [curl arguments]: makes a request, shows it, and leaves its status, head and body behind.
call() {
    local method=$1 url=$2
    shift 2
    echo
    echo "\$ curl -X $method $url $*"
    status=$(curl --silent --show-error --max-time 10 -X "$method" "$url" "$@" \
        --dump-header "$work/head" --output "$work/body" --write-out '%{http_code}') || die "no answer from $url"
    [ -e "$work/body" ] || : >"$work/body"
    echo "$status $(head -c 400 "$work/body")"
}

# header NAME: its value in the last answer; empty if it is not there.
header() {
    sed -n "s/^$1: *//Ip" "$work/head" | tr -d '\r' | tail -n 1
}

# field NAME: a string or number of the last answer's JSON, the first of that name.
field() {
    grep -o "\"$1\":\(\"[^\"]*\"\|[0-9]*\)" "$work/body" | head -n 1 | sed 's/^[^:]*://; s/^"//; s/"$//'
}

# expect WHAT GOT WANTED
expect() {
    [ "$2" = "$3" ] || die "$1 is '$2', not '$3'"
    echo "  ok: $1 is $2"
}

# Asks the nodes who leads: sets controller_id, controller_url and controller_term.
find_controller() {
    local node
    for node in "${nodes[@]}"; do
        if curl --silent --max-time 5 --output "$work/body" "$node/api/v1/metadata/controller" &&
            [ -n "$(field controllerUrl)" ]; then
            controller_id=$(field controllerId)
            controller_url=$(field controllerUrl)
            controller_term=$(field controllerTerm)
            return
        fi
    done
    die "no metadata node names a controller: asked ${nodes[*]}"
}
