#!/usr/bin/env bash
# What both programs take before they serve anybody: the size of each file, the time from its
# start until it says that it listens, and its memory then. The times are the least of several
# starts over a store that is there.
#
# scripts/footprint.sh [FOLDER] takes the programs of FOLDER, by default those of make build.

source "$(dirname "$0")/env.sh"

folder=${1:-$CARGO_TARGET_DIR/release}
starts=15
work=$(mktemp -d)
running=
finish() {
    [ -z "$running" ] || kill "$running" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
export DATABASE_PATH=$work/proxy.db API_PORT=0 ADMIN_PORT=0 METRICS_PORT=0 RUST_LOG=error

for program in serverless-proxy serverless-proxy-admin; do
    least=
    for ((n = 0; n < starts; n++)); do
        mkfifo "$work/said"
        begun=${EPOCHREALTIME/[.,]/}
        "$folder/$program" >"$work/said" &
        running=$!
        while read -r line; do
            case $line in *listening*) break ;; esac
        done <"$work/said"
        took=$((${EPOCHREALTIME/[.,]/} - begun))
        memory=$(awk '/^VmRSS/ { print $2 }' "/proc/$running/status")
        kill "$running"
        wait "$running" 2>/dev/null || true
        running=
        rm "$work/said"
        # The first start makes the store.
        if [ "$n" -gt 0 ] && { [ -z "$least" ] || [ "$took" -lt "$least" ]; }; then
            least=$took
        fi
    done
    say "$program: $(stat --format=%s "$folder/$program" | numfmt --to=iec) bytes," \
        "listens after $((least / 1000)) ms, $((memory / 1024)) MiB"
done
