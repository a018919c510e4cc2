#!/usr/bin/env bash
# Makes one of cargo's subcommands available. Usage: scripts/cargo-tool.sh NAME
#
# One that is already on the path is used as it is; otherwise the version below
# is built once into the cache folder, which env.sh puts on the path. Built
# without optimisation: these tools wait for the compiler, not for themselves,
# and the build takes a third of the time.

source "$(dirname "$0")/env.sh"

case ${1:?name of the tool} in
cargo-nextest) version=0.9.143 extra=(--no-default-features --features default-no-update) ;;
cargo-deb) version=3.8.0 extra=() ;;
cargo-deny) version=0.20.2 extra=() ;;
cargo-cyclonedx) version=0.5.9 extra=() ;;
*) fail "cargo-tool.sh: no version is set for '$1'" ;;
esac

if command -v "$1" >/dev/null 2>&1; then
    exit 0
fi
say "Building $1 $version, once, into $TOOLS"
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT
if ! CARGO_TARGET_DIR="$build" CARGO_PROFILE_DEV_DEBUG=false \
    cargo install "$1" --version "$version" --locked --quiet --debug \
    "${extra[@]}" --root "$TOOLS"; then
    fail "Could not build $1 $version." \
        "Install it by hand (cargo install $1 --locked), then run this again."
fi
