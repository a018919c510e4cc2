#!/usr/bin/env bash
# make run: builds both programs and runs them over one store until Ctrl-C.

source "$(dirname "$0")/env.sh"
source scripts/settings.sh
source scripts/supervise.sh

scripts/build.sh

if ! is_set AUTH_ENABLED; then
    export AUTH_ENABLED=false
    say "AUTH_ENABLED is not set: the admin app runs without a login, with" \
        "AUTH_ENABLED=false, open to everyone on this machine. It refuses to start on any" \
        "other address unless ADMIN_ALLOW_OPEN=true."
fi

# One after the other: the first creates the store, the second finds it.
start_server serverless-proxy "$CARGO_TARGET_DIR/release/serverless-proxy"
gateway=$address
start_server serverless-proxy-admin "$CARGO_TARGET_DIR/release/serverless-proxy-admin"
admin=$address

cat <<TEXT

  gateway  $gateway/v1
  admin    $admin
  store    $(setting DATABASE_PATH ./data/proxy.db)

Next, in another terminal: name a backend, give one of its models a name, call it.
(endpoint_id is the id that the first command answers.)

  curl $admin/api/admin/endpoints -H 'content-type: application/json' \\
    -d '{"name": "openai", "endpoint_type": "openai", "url": "https://api.openai.com", "api_key": "sk-..."}'
  curl $admin/virtual-models -H 'content-type: application/json' \\
    -d '{"name": "small", "endpoint_id": 1, "actual_model": "gpt-4o-mini"}'
  curl $gateway/v1/chat/completions -H 'content-type: application/json' \\
    -d '{"model": "small", "messages": [{"role": "user", "content": "Say hello."}]}'

No account at hand: make demo. Ctrl-C stops both programs.

TEXT
supervise
