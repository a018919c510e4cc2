#!/usr/bin/env bash
# make test-openapi: schemathesis makes up requests from both OpenAPI documents and sends
# them to the programs over simulated providers; an answer of 5xx is a failure. Arguments go
# to schemathesis. EXAMPLES is how many requests an operation gets (default 30).
#
# Nothing leaves the loopback interface, and nothing of it touches ./data/proxy.db. The first
# run installs schemathesis into the cache folder.

source "$(dirname "$0")/env.sh"
source scripts/supervise.sh

scripts/needs.sh demo
version=4.32.5
examples=${EXAMPLES:-30}

venv=$CACHE/schemathesis-$version
if [ ! -e "$venv/complete" ]; then
    say "Installing schemathesis $version, once, into $venv"
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-input \
        "schemathesis==$version" ||
        fail "Could not install schemathesis; what pip said is above."
    touch "$venv/complete"
fi

say "Building the programs and the simulated providers."
cargo build --locked --package proxy --package admin --package sim --bins
bin=$CARGO_TARGET_DIR/debug

folder=$(mktemp -d)
trap 'stop_all; rm -rf "$folder"' EXIT
key=sk-sim
export DATABASE_PATH=$folder/proxy.db API_BIND=127.0.0.1 ADMIN_BIND=127.0.0.1
export API_PORT=0 ADMIN_PORT=0 AUTH_ENABLED=false RUST_LOG=${RUST_LOG:-error}
export CONNECT_TIMEOUT=2 TIMEOUT=10

start "the simulated providers" "$bin/sim" demo --key "$key" >"$folder/providers"
start_server serverless-proxy "$bin/serverless-proxy"
gateway=$address
start_server serverless-proxy-admin "$bin/serverless-proxy-admin"
admin=$address

# post PATH JSON
post() {
    curl --silent --show-error --fail-with-body --max-time 10 \
        --header 'content-type: application/json' --data "$2" "$admin$1" >/dev/null ||
        fail "The admin app refused POST $1"
}

number=0
for type in openai anthropic ollama vllm; do
    for ((i = 0; i < 100; i++)); do
        url=$(sed -n "s/^sim $type //p" "$folder/providers")
        [ -z "$url" ] || break
        sleep 0.1
    done
    [ -n "$url" ] || fail "No simulated provider of type $type is running."
    number=$((number + 1))
    post /api/admin/endpoints \
        "{\"name\": \"$type\", \"endpoint_type\": \"$type\", \"url\": \"$url\", \"api_key\": \"$key\"}"
    post /virtual-models \
        "{\"name\": \"$type\", \"endpoint_id\": $number, \"actual_model\": \"sim-model\"}"
done

# Made-up names of models would all be refused at the door: here each is one that is there.
python3 - docs/openapi/gateway.json "$folder/gateway.json" <<'PYTHON'
import json, sys

document = json.load(open(sys.argv[1]))
for schema in document["components"]["schemas"].values():
    properties = schema.get("properties", {})
    if "model" in properties and "object" not in properties:
        properties["model"] = {"enum": ["openai", "anthropic", "ollama", "vllm"]}
json.dump(document, open(sys.argv[2], "w"))
PYTHON
cp docs/openapi/admin.json "$folder/admin.json"

# What a backend answers goes on to the caller: a simulated one that is asked for nonsense
# refuses with 4xx, which is no failure. What schemathesis keeps between runs goes with the
# folder.
fuzz() {
    say "schemathesis: the $1 at $2"
    (cd "$folder" && "$venv/bin/schemathesis" run "$1.json" --url "$2" \
        --checks not_a_server_error --max-examples "$examples" \
        --phases examples,coverage,fuzzing --workers 2 --request-timeout 20 --seed 4711 \
        "${@:3}") ||
        fail "The $1 answered with 5xx, or schemathesis could not run; what it says is above."
}

fuzz gateway "$gateway" "$@"
fuzz admin "$admin" "$@"
say "No answer was a 5xx."
