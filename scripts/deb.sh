#!/usr/bin/env bash
# make deb: a Debian package of both programs. Prints where it is.
#
# scripts/deb.sh BUILT FOLDER packs the programs of the folder BUILT instead of building them.

source "$(dirname "$0")/env.sh"
# What the first run says of it is no part of the answer.
scripts/cargo-tool.sh cargo-deb >&2
source scripts/release.sh

if [ $# -eq 0 ]; then
    scripts/build.sh
    built=$CARGO_TARGET_DIR/release
    folder=$CARGO_TARGET_DIR/debian
    packing=()
else
    built=$1
    folder=$2
    packing=(--fast)
fi

# cargo-deb takes programs from the target folder alone.
staged=$(mktemp -d)
trap 'rm -rf "$staged"' EXIT
mkdir -p "$staged/release" "$folder"
for program in serverless-proxy serverless-proxy-admin; do
    install -m 0755 "$built/$program" "$staged/release/$program"
done
scripts/sbom.sh "$staged/release" >/dev/null
CARGO_TARGET_DIR=$staged cargo deb --quiet --package proxy --no-build --strip --locked \
    "${packing[@]}" --output "$folder" >/dev/null
ls "$folder"/serverless-proxy_*.deb
