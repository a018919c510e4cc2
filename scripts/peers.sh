#!/usr/bin/env bash
# Installs what `make bench` compares the gateway with, each by its pin, into a folder of its
# own. Usage: scripts/peers.sh FOLDER
#
# One whose interpreter is not on this machine, or that cannot be installed, is left out with
# a word on standard error: the comparison goes on without it. About 1 GB.

source "$(dirname "$0")/env.sh"

folder=${1:?folder to install into}
mkdir -p "$folder"

# Two runs at once install once.
exec 9>"$folder/lock"
flock 9

# install HOW NAME VERSION REQUIREMENT...: the first one is the peer's own.
install() {
    local how=$1 place=$folder/$2 version=$3
    shift 3
    if [ "$(cat "$place/version" 2>/dev/null)" = "$version" ]; then
        return 0
    fi
    say "Installing $1, once, into $place" >&2
    rm -rf "$place"
    mkdir -p "$place"
    if ! "$how" "$place" "$@" >&2; then
        rm -rf "$place"
        say "$1 could not be installed; it is left out." >&2
        return 0
    fi
    say "$version" >"$place/version"
}

from_pypi() {
    local place=$1
    shift
    python3 -m venv "$place" &&
        "$place/bin/pip" install --quiet --disable-pip-version-check --no-input "$@"
}

# portkey FOLDER PACKAGE. From @hono/node-server 1.14.2 on it answers every stream with
# "TypeError: immutable" (Portkey-AI/gateway, issue 1389).
portkey() {
    printf '{"private": true, "overrides": {"@hono/node-server": "1.14.1"}}\n' >"$1/package.json"
    npm install --prefix "$1" --silent --no-audit --no-fund "$2"
}

# uvicorn reads requests with httptools where it finds it, which costs less.
install from_pypi litellm 1.106.12 "litellm[proxy]==1.106.12" httptools==0.9.0
install portkey portkey 1.15.2 @portkey-ai/gateway@1.15.2
install from_pypi sglang 0.3.2 sglang-router==0.3.2
install from_pypi vllm 0.1.17 vllm-router==0.1.17
