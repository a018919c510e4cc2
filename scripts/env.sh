# shellcheck shell=bash
# Sourced by every script: where the tree is, where build output and tools go.
# Nothing here installs or builds.

set -euo pipefail

# The tree, whatever folder the script was called from.
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"

# Outside the clone, so that a fresh clone builds warm and `git clean` costs nothing.
CACHE="${XDG_CACHE_HOME:-$HOME/.cache}/serverless-proxy"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$CACHE/target}"
TOOLS="$CACHE/tools"

# rustup's folder is not on the path of a shell that was opened before it was made.
if [ -d "$HOME/.cargo/bin" ]; then
    PATH="$PATH:$HOME/.cargo/bin"
fi
export PATH="$PATH:$TOOLS/bin"

say() {
    printf '%s\n' "$*"
}

# fail LINE...: each argument a line on standard error, then exit 1.
fail() {
    printf '%s\n' "$@" >&2
    exit 1
}
