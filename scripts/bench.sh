#!/usr/bin/env bash
# make bench: what a call costs with the gateway, beside doing nothing, nginx when it
# is installed, and a bare Pingora pass-through. Prints the table of
# docs/benchmarks.md. Arguments go to the bench program: scripts/bench.sh --help

source "$(dirname "$0")/env.sh"
scripts/needs.sh build
source scripts/release.sh

say "Building with full optimisation (the first build takes some minutes)." >&2
cargo build --release --locked --package proxy --package admin --package sim --bins --examples

if ! command -v nginx >/dev/null 2>&1; then
    say "nginx is not installed; its column is left out (apt-get install nginx)." >&2
fi

exec "$CARGO_TARGET_DIR/release/bench" "$@"
