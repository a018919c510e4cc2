#!/usr/bin/env bash
# make test-assistants: real coding assistants over the gateway, each editing a file with
# its own tools. Arguments go to the test runner (scripts/test-assistants.sh codex runs one).
#
# `scripts/test-assistants.sh quick` runs those that take seconds, one of each dialect: it is a
# part of make test. The rest are 2.5 GB of packages. Both are installed once by their pins into
# the cache folder. The tests run in a network namespace that has only the loopback interface,
# so that nothing is sent elsewhere.

source "$(dirname "$0")/env.sh"
scripts/needs.sh test

here=$ROOT/proxy/tests/assistants
name=assistants
if [ "${1:-}" = quick ]; then
    shift
    here=$here/quick
    name=quick-assistants
    set -- claude_code codex pi "$@"
fi
pins=("$here/package.json" "$here/package-lock.json")
[ ! -e "$here/requirements.txt" ] || pins+=("$here/requirements.txt")
installed=$CACHE/$name-$(cat "${pins[@]}" | sha256sum | cut -c 1-16)

if ! { command -v ip && command -v unshare && unshare -n true; } >/dev/null 2>&1; then
    if [ "$name" = quick-assistants ]; then
        say "Coding assistants are not run: a network namespace of their own needs unshare" \
            "(util-linux), ip (iproute2), and to be root."
        exit 0
    fi
    fail "make test-assistants runs them in a network namespace of their own: it needs" \
        "unshare (util-linux) and ip (iproute2), and to be root."
fi

# Two runs at once install once.
mkdir -p "$CACHE"
exec 9>"$CACHE/$name.lock"
flock 9
if [ ! -e "$installed/complete" ]; then
    say "Installing the assistants, once, into $installed; this takes some minutes."
    rm -rf "$CACHE/$name"-*
    mkdir -p "$installed"
    cp "$here/package.json" "$here/package-lock.json" "$installed/"
    # Not `npm ci`: it wants packages of other systems in the lock, which registries do not all have.
    (cd "$installed" && npm install --silent --ignore-scripts --no-audit --no-fund) ||
        fail "Could not install the npm packages; what npm said is above."
    if [ -e "$here/requirements.txt" ]; then
        python3 -m venv "$installed/python"
        "$installed/python/bin/pip" install --quiet --disable-pip-version-check --no-input \
            --requirement "$here/requirements.txt" ||
            fail "Could not install the Python packages; what pip said is above."
    fi
    touch "$installed/complete"
fi
exec 9>&-

scripts/cargo-tool.sh cargo-nextest
cargo build --workspace --bins --locked
cargo nextest run --locked --package proxy --test assistants --no-run
export ASSISTANTS=$installed
# shellcheck disable=SC2016
exec unshare -n -- sh -c 'ip link set lo up && exec "$@"' sh \
    cargo nextest run --offline --locked --package proxy --test assistants \
    --run-ignored only --no-fail-fast --test-threads 1 --color never "$@"
