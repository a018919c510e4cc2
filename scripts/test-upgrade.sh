#!/usr/bin/env bash
# make test-upgrade: ten upgrades under load, with not one failed or cut call.

source "$(dirname "$0")/env.sh"
scripts/needs.sh build
scripts/cargo-tool.sh cargo-nextest

cargo build --workspace --bins --locked
cargo nextest run --package proxy --test it --locked --run-ignored only \
    hundreds_of_streams_go_on_through_ten_upgrades
