#!/usr/bin/env bash
# make demo: simulated providers, the gateway and the admin app over a throw-away
# store, with endpoints and virtual models made through the admin API, until Ctrl-C.
#
# Works without any account and without a network. Nothing of it touches
# ./data/proxy.db. The development build is used: quicker to make, fast enough here.

source "$(dirname "$0")/env.sh"
source scripts/supervise.sh

scripts/needs.sh demo

say "Building the programs and the simulated providers."
cargo build --locked --package proxy --package admin --package sim --bins
bin=$CARGO_TARGET_DIR/debug

key=sk-sim
folder=data/demo
rm -rf "$folder"
mkdir -p "$folder"
export DATABASE_PATH=$folder/proxy.db API_BIND=127.0.0.1 ADMIN_BIND=127.0.0.1
export AUTH_ENABLED=false RUST_LOG=${RUST_LOG:-warn}

# Each simulated provider says `sim TYPE URL` when it listens.
start "the simulated providers" "$bin/sim" demo --key "$key" >"$folder/providers"
start_server serverless-proxy "$bin/serverless-proxy"
gateway=$address
start_server serverless-proxy-admin "$bin/serverless-proxy-admin"
admin=$address

# post PATH JSON: prints the answer; a refusal ends the demo with the reason.
post() {
    local answer
    if ! answer=$(curl --silent --show-error --fail-with-body --max-time 10 \
        --header 'content-type: application/json' --data "$2" "$admin$1" 2>&1); then
        fail "The admin app refused POST $1 $2" "$answer"
    fi
    say "$answer"
}

# endpoint TYPE: makes an endpoint for that simulated provider, prints its id.
endpoint() {
    local url i
    for ((i = 0; i < 100; i++)); do
        url=$(sed -n "s/^sim $1 //p" "$folder/providers")
        [ -z "$url" ] || break
        sleep 0.1
    done
    [ -n "$url" ] || fail "No simulated provider of type $1 is running."
    post /api/admin/endpoints \
        "{\"name\": \"demo-$1\", \"endpoint_type\": \"$1\", \"url\": \"$url\", \"api_key\": \"$key\"}" |
        sed -n 's/.*"id": *\([0-9]*\).*/\1/p'
}

# model NAME ENDPOINT_ID ACTUAL_MODEL [MORE]
model() {
    post /virtual-models \
        "{\"name\": \"$1\", \"endpoint_id\": $2, \"actual_model\": \"$3\"${4:+, $4}}" >/dev/null
}

id=$(endpoint openai)
model small "$id" gpt-4o-mini '"cost_per_1m_tokens_in": 0.15, "cost_per_1m_tokens_out": 0.6'
model pirate "$id" gpt-4o '"system_prompt": "Answer like a pirate.", "temperature": 0.9'
model instruct "$id" gpt-3.5-turbo-instruct
model embed "$id" text-embedding-3-small
id=$(endpoint ollama)
model local "$id" llama3.2:3b
id=$(endpoint vllm)
model qwen "$id" Qwen/Qwen3-8B
id=$(endpoint together)
model llama "$id" meta-llama/Llama-3.3-70B-Instruct-Turbo
id=$(endpoint deepinfra)
model llama-b "$id" meta-llama/Llama-3.3-70B-Instruct
id=$(endpoint openwebui)
model webui "$id" qwen3:8b
id=$(endpoint queue)
model queued "$id" queue-model '"disable_streaming": true'

chat="curl $gateway/v1/chat/completions -H 'content-type: application/json'"
cat <<TEXT

  gateway  $gateway/v1
  admin    $admin
  models   small pirate instruct embed local qwen llama llama-b webui queued

Try in another terminal:

  # what there is
  curl $gateway/v1/models

  # chat
  $chat \\
    -d '{"model": "small", "messages": [{"role": "user", "content": "Say hello."}]}'

  # the same as a stream, from another provider
  $chat -N \\
    -d '{"model": "local", "stream": true, "messages": [{"role": "user", "content": "Say hello."}]}'

  # a tool call
  $chat \\
    -d '{"model": "qwen", "messages": [{"role": "user", "content": "Weather in Oslo? [[sim: tools=1]]"}],
         "tools": [{"type": "function", "function": {"name": "get_weather", "parameters":
           {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]}'

  # embeddings
  curl $gateway/v1/embeddings -H 'content-type: application/json' \\
    -d '{"model": "embed", "input": "hello"}'

What stands in [[sim: ...]] tells the simulated provider how to behave: status=429,
cut=chunk, delay_ms=2000 and more (sim/src/script.rs). Ctrl-C stops everything.

TEXT
supervise
