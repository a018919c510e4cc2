#!/usr/bin/env bash
# make test-soak: both programs under mixed calls while providers fail, and an account of
# everything at its end (docs/soak.md). TIME is in seconds, 180 by default; 1800 is the long
# form. RATE is calls a second. PROFILE=debug takes the development build, which is quicker
# to make.

source "$(dirname "$0")/env.sh"
scripts/needs.sh build

time=${TIME:-180} rate=${RATE:-60} profile=${PROFILE:-release}
case $profile in
release) build=(--release) ;;
debug) build=() ;;
*) fail "test-soak.sh: PROFILE is release or debug, not '$profile'" ;;
esac

(
    # As `make build` does it, so that the release build is made once.
    [ "$profile" = debug ] || source scripts/release.sh
    cargo build "${build[@]}" --locked --package proxy --package admin --package sim --bins
)
exec "$CARGO_TARGET_DIR/$profile/soak" --seconds "$time" --rate "$rate"
