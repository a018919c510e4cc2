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

# from NPM_OR_PIP NAME VERSION REQUIREMENT
from() {
    local place=$folder/$2
    if [ "$(cat "$place/version" 2>/dev/null)" = "$3" ]; then
        return 0
    fi
    say "Installing $4, once, into $place" >&2
    rm -rf "$place"
    mkdir -p "$place"
    if ! "$1" "$place" "$4" >&2; then
        rm -rf "$place"
        say "$4 could not be installed; it is left out." >&2
        return 0
    fi
    say "$3" >"$place/version"
}

pip() {
    python3 -m venv "$1" &&
        "$1/bin/pip" install --quiet --disable-pip-version-check --no-input "$2"
}

npm_package() {
    npm install --prefix "$1" --silent --no-audit --no-fund "$2"
}

from pip litellm 1.106.12 "litellm[proxy]==1.106.12"
from npm_package portkey 1.15.2 "@portkey-ai/gateway@1.15.2"
from pip sglang 0.3.2 "sglang-router==0.3.2"
from pip vllm 0.1.17 "vllm-router==0.1.17"
