#!/usr/bin/env bash
# make bench: what a call costs with the gateway, beside doing nothing, nginx when it
# is installed, a bare Pingora pass-through, and other gateways and routers. Prints the
# figures of docs/benchmarks.md. Arguments go to the bench program: scripts/bench.sh --help
#
# PEERS=no leaves the other gateways out; otherwise the first run installs them into the
# cache folder (scripts/peers.sh).

source "$(dirname "$0")/env.sh"
scripts/needs.sh build

say "Building with full optimisation (the first build takes some minutes)." >&2
(
    source scripts/release.sh
    cargo build --release --locked --package proxy --package admin --package sim --bins --examples
)

if ! command -v nginx >/dev/null 2>&1; then
    say "nginx is not installed; its column is left out (apt-get install nginx)." >&2
fi

if [ "${PEERS:-yes}" != no ]; then
    scripts/peers.sh "$CACHE/peers"
    set -- --peers "$CACHE/peers" "$@"
fi

# In a network of its own, where there is only the loopback interface: nothing that is
# measured sends anything elsewhere.
alone=()
if [ "$(id -u)" -eq 0 ] && command -v ip >/dev/null 2>&1 && unshare --net true 2>/dev/null; then
    # shellcheck disable=SC2016
    alone=(unshare --net -- sh -c 'ip link set lo up && exec "$@"' sh)
else
    say "Not root, or no unshare and ip: what is measured shares this machine's network." >&2
fi
exec "${alone[@]}" "$CARGO_TARGET_DIR/release/bench" "$@"
