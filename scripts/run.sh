#!/usr/bin/env bash
# make run: builds both programs and runs them over one store until Ctrl-C.

source "$(dirname "$0")/env.sh"
source scripts/settings.sh
source scripts/supervise.sh

scripts/build.sh

api_port=$(setting API_PORT 8002)
api=$(reachable "$(setting API_BIND 127.0.0.1)")
admin_port=$(setting ADMIN_PORT "$(setting FLASK_PORT 5001)")
admin=$(reachable "$(setting ADMIN_BIND 127.0.0.1)")
store=$(setting DATABASE_PATH ./data/proxy.db)

if ! is_set AUTH_ENABLED; then
    export AUTH_ENABLED=false
    say "AUTH_ENABLED is not set: the admin app runs with AUTH_ENABLED=false, open to" \
        "whoever can reach it. It answers on loopback only unless ADMIN_BIND says otherwise."
fi

must_be_free API_PORT "$api_port" "$api"
must_be_free ADMIN_PORT "$admin_port" "$admin"

# One after the other: the first creates the store, the second finds it.
start serverless-proxy "$CARGO_TARGET_DIR/release/serverless-proxy"
wait_for serverless-proxy "$api_port" "$api"
start serverless-proxy-admin "$CARGO_TARGET_DIR/release/serverless-proxy-admin"
wait_for serverless-proxy-admin "$admin_port" "$admin"

cat <<TEXT

  gateway  http://$api:$api_port/v1
  admin    http://$admin:$admin_port
  store    $store

Next, in another terminal: name a backend, give one of its models a name, call it.
(endpoint_id is the id that the first command answers.)

  curl http://$admin:$admin_port/api/admin/endpoints -H 'content-type: application/json' \\
    -d '{"name": "openai", "endpoint_type": "openai", "url": "https://api.openai.com", "api_key": "sk-..."}'
  curl http://$admin:$admin_port/virtual-models -H 'content-type: application/json' \\
    -d '{"name": "small", "endpoint_id": 1, "actual_model": "gpt-4o-mini"}'
  curl http://$api:$api_port/v1/chat/completions -H 'content-type: application/json' \\
    -d '{"model": "small", "messages": [{"role": "user", "content": "Say hello."}]}'

No account at hand: make demo. Ctrl-C stops both programs.

TEXT
supervise
