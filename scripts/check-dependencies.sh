#!/usr/bin/env bash
# The dependency rules that deny.toml cannot say: it names who may use a crate,
# not what one of our crates must stay free of, and does not tell a dependency
# from a dev-dependency. Prints every breach; exit 1 if there is one.

source "$(dirname "$0")/env.sh"

breaches=0
breach() {
    say "dependency direction: $*" >&2
    breaches=$((breaches + 1))
}

# tree CRATE KINDS: every crate it is built from, itself left out, one a line.
tree() {
    cargo tree --locked --package "$1" --edges "$2" --prefix none --format '{p}' |
        awk -v self="$1" '$1 != self { print $1 }' | sort -u
}

# direct CRATE KINDS: the crates its own manifest names.
direct() {
    cargo tree --locked --package "$1" --edges "$2" --depth 1 --prefix none --format '{p}' |
        awk -v self="$1" '$1 != self { print $1 }' | sort -u
}

# must_not_hold CRATE REASON NAMES...: nowhere below CRATE.
must_not_hold() {
    local crate=$1 reason=$2 found name
    shift 2
    found=$(tree "$crate" normal,build)
    for name in "$@"; do
        if grep -qxF "$name" <<<"$found"; then
            breach "$crate is built with $name; $reason."
        fi
    done
}

ours=(wire store proxy admin sim)

# wire <- store <- {proxy, admin}; sim stands apart and is never shipped.
must_not_hold wire "wire knows no other crate of ours" store proxy admin sim
must_not_hold store "store knows only wire" proxy admin sim
must_not_hold proxy "the gateway and the admin app meet in the store, and sim is for tests" admin sim
must_not_hold admin "the gateway and the admin app meet in the store, and sim is for tests" proxy sim
must_not_hold sim "a simulated provider that shares code with the gateway proves nothing" \
    wire store proxy admin

# Pure: bytes in, bytes out. No runtime, no sockets, no database, no clock.
must_not_hold wire "wire does no I/O" tokio mio socket2 hyper hyper-util reqwest rustls \
    rusqlite r2d2 libsqlite3-sys actix-web pingora pingora-core time chrono \
    tracing-subscriber getrandom
must_not_hold store "the store is called from both programs and starts no runtime" \
    tokio hyper reqwest actix-web pingora pingora-core

# One HTTP client a program: the gateway has Pingora's, in its tests reqwest too.
if grep -qxF reqwest <<<"$(direct proxy normal,build)"; then
    breach "proxy names reqwest outside its tests; the gateway's client is Pingora's."
fi

# A new crate of ours must be given its place above.
members=$(cargo metadata --locked --no-deps --format-version 1 |
    grep -o '"name":"[^"]*","version":"[^"]*","id"' | cut -d '"' -f 4 | sort | tr '\n' ' ')
if [ "$members" != "$(printf '%s\n' "${ours[@]}" | sort | tr '\n' ' ')" ]; then
    breach "the workspace holds '$members'; scripts/check-dependencies.sh knows '${ours[*]}'."
fi

if [ "$breaches" -gt 0 ]; then
    fail "$breaches breach(es); ARCHITECTURE.md says which crate may know which."
fi
