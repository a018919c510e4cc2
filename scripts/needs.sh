#!/usr/bin/env bash
# Checks that what a target needs is on this machine, and installs with apt-get
# what is not. Usage: scripts/needs.sh build|demo|faults|lint|test
#
# Says nothing when nothing is missing. Rust itself is never installed here: the
# distributions' packages are too old, and a toolchain is the user's own choice.

source "$(dirname "$0")/env.sh"

purpose=${1:-build}

has() {
    command -v "$1" >/dev/null 2>&1
}

# at_least WANTED FOUND: dotted versions.
at_least() {
    [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]
}

check_rust() {
    local wanted found
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    if ! has cargo || ! has rustc; then
        fail "Rust $wanted or later is needed, and cargo is not on the path." \
            "Install it with rustup (https://rustup.rs), then run this again." \
            "The cargo that Linux distributions package is too old."
    fi
    found=$(rustc --version | awk '{ print $2 }')
    if ! at_least "$wanted" "$found"; then
        fail "Rust $wanted or later is needed; rustc here is $found ($(command -v rustc))." \
            "Update it with: rustup update stable"
    fi
}

# A compiler without the C library's headers is as good as none.
has_c_compiler() {
    local compiler=${CC:-cc} out
    has "$compiler" || return 1
    out=$(mktemp)
    if printf '#include <stdio.h>\nint main(void) { return 0; }\n' |
        "$compiler" -x c - -o "$out" >/dev/null 2>&1; then
        rm -f "$out"
        return 0
    fi
    rm -f "$out"
    return 1
}

has_venv() {
    python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 9))' \
        >/dev/null 2>&1
}

has_node() {
    has node && node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 18 ? 1 : 0)' \
        >/dev/null 2>&1
}

# need PACKAGE WHAT CHECK: remembers the package when the check fails.
packages=()
reasons=()
checks=()
need() {
    if ! "$3"; then
        packages+=("$1")
        reasons+=("$2")
        checks+=("$3")
    fi
}
has_cmake() { has cmake; }
has_curl() { has curl; }
has_npm() { has npm; }
has_python() { has python3; }
has_sqlite3() { has sqlite3; }
has_chromium() { has chromium; }
has_chromedriver() { has chromedriver; }
has_faketime() { compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null; }
has_ip() { has ip; }
has_unshare() { has unshare && has nsenter && has prlimit; }
has_kill() { type -P kill >/dev/null; }

install() {
    local as_root=() command_line
    if [ "$(id -u)" -ne 0 ]; then
        as_root=(sudo)
    fi
    command_line="${as_root[*]:+sudo }apt-get install -y ${packages[*]}"
    say "Missing: $(printf '%s; ' "${reasons[@]}" | sed 's/; $//')."
    if ! has apt-get; then
        fail "There is no apt-get here. Install them with this system's package manager" \
            "(on Debian and Ubuntu: $command_line), then run this again."
    fi
    if [ "$(id -u)" -ne 0 ] && ! has sudo; then
        fail "Not root, and sudo is not installed. As root, type:" \
            "    apt-get update && apt-get install -y ${packages[*]}"
    fi
    say "Installing: $command_line"
    "${as_root[@]}" apt-get update -qq >&2 ||
        say "apt-get update failed; going on with the package list that is here." >&2
    if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${packages[@]}" >&2; then
        fail "apt-get could not install: ${packages[*]}" "To see why, type: $command_line"
    fi
}

check_rust
need build-essential "a C compiler with its headers (SQLite, zlib and the TLS library are C)" has_c_compiler
need cmake "cmake (the gateway's compression library is built with it)" has_cmake
case $purpose in
build) ;;
demo) need curl "curl" has_curl ;;
faults)
    need python3 "python3" has_python
    need iproute2 "ip (interfaces of the networks that are cut)" has_ip
    need util-linux "unshare, nsenter and prlimit" has_unshare
    ;;
lint)
    for part in fmt clippy; do
        if ! cargo "$part" --version >/dev/null 2>&1; then
            fail "cargo $part is missing. Install it with: rustup component add rustfmt clippy"
        fi
    done
    ;;
test)
    need python3 "python3" has_python
    need python3-venv "python3 3.9 or later with venv (the OpenAI Python client)" has_venv
    need nodejs "node 18 or later (the OpenAI Node client)" has_node
    need npm "npm" has_npm
    need sqlite3 "sqlite3 (tests lock and damage stores with it)" has_sqlite3
    need chromium "chromium (a browser walks the admin app)" has_chromium
    need chromium-driver "chromedriver (it drives that browser)" has_chromedriver
    need libfaketime "libfaketime (the clock of a program jumps in a test)" has_faketime
    need procps "kill as a program (tests send signals with it)" has_kill
    ;;
*)
    fail "needs.sh: unknown purpose '$purpose'; one of build, demo, faults, lint, test"
    ;;
esac

if [ ${#packages[@]} -gt 0 ]; then
    install
    hash -r
    for i in "${!checks[@]}"; do
        if ! "${checks[$i]}"; then
            fail "Installed ${packages[$i]}, and this is still missing: ${reasons[$i]}." \
                "Install it by hand, so that it is the first on the path, and run this again."
        fi
    done
fi
