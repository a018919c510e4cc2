#!/usr/bin/env bash
# make build: both programs, optimised. Prints where they are.

source "$(dirname "$0")/env.sh"
scripts/needs.sh build
source scripts/release.sh

say "Building both programs (the first build takes some minutes)."
cargo build --release --locked --package proxy --package admin --bins
say "$CARGO_TARGET_DIR/release/serverless-proxy"
say "$CARGO_TARGET_DIR/release/serverless-proxy-admin"
