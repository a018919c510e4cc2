#!/usr/bin/env bash
# make test-install: what an operator does with the programs, in clean places. make install
# into a folder; the Debian package in a root that has its own systemd: installed, upgraded
# under a stream, killed, hung, removed, purged; the container image's last stage, step by
# step as the Dockerfile has it.
#
# The programs are those of BUILT, by default a build for development: how they are built
# matters to nothing here. Needs root.

source "$(dirname "$0")/env.sh"
source scripts/boot.sh

[ "$(id -u)" -eq 0 ] || fail "make test-install needs root: it boots a Debian root."
for tool in debootstrap lintian unshare nsenter ip; do
    command -v "$tool" >/dev/null 2>&1 ||
        fail "$tool is missing. On Debian and Ubuntu:" \
            "    apt-get install debootstrap lintian util-linux iproute2"
done

if [ -z "${BUILT:-}" ]; then
    scripts/needs.sh build
    cargo build --workspace --bins --locked
    BUILT=$CARGO_TARGET_DIR/debug
fi

work=$(mktemp -d)
# What the services have said, when something has gone wrong.
explain() {
    tail -n 30 "$work/said" >&2
    tail -n 20 "$work"/*.log >&2 2>/dev/null || true
    if [ -n "$BOOTED" ]; then
        inside journalctl --no-pager --output short-monotonic --lines 60 \
            --unit serverless-proxy --unit serverless-proxy-admin >&2 || true
    fi
}
finish() {
    power_off
    rm -rf --one-file-system "$work"
}
trap finish EXIT

passed=0
# check WHAT COMMAND...: the command succeeds.
check() {
    local what=$1
    shift
    if ! "$@" >"$work/said" 2>&1; then
        explain
        fail "failed: $what"
    fi
    passed=$((passed + 1))
    say "ok: $what"
}

# comes WHAT COMMAND...: the command succeeds sooner or later.
comes() {
    local what=$1 i
    shift
    for ((i = 0; i < 300; i++)); do
        if "$@" >"$work/said" 2>&1; then
            passed=$((passed + 1))
            say "ok: $what"
            return 0
        fi
        sleep 0.1
    done
    explain
    fail "never came: $what"
}

not() {
    ! "$@"
}

mkdir "$work/built"
for program in serverless-proxy serverless-proxy-admin sim; do
    strip -o "$work/built/$program" "$BUILT/$program"
done

source scripts/test-install/files.sh
source scripts/test-install/package.sh
source scripts/test-install/image.sh
say "$passed passed, 0 failed"
