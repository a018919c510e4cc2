#!/usr/bin/env bash
# make lint: everything a machine can say about the tree without running it.
# Goes through all steps and fails at the end, so that one run shows all there is.

source "$(dirname "$0")/env.sh"
scripts/needs.sh lint
scripts/cargo-tool.sh cargo-deny

failed=()
step() {
    local name=$1
    shift
    say "== $name"
    "$@" || failed+=("$name")
}

# Only what this system builds with: the whole of Cargo.lock would download the
# crates of every other operating system.
licences_and_sources() {
    local graph status=0
    graph=$(mktemp)
    cargo metadata --locked --format-version 1 >"$graph" \
        --filter-platform "$(rustc -vV | sed -n 's/^host: //p')" || status=$?
    if [ "$status" -eq 0 ]; then
        cargo deny --offline --metadata-path "$graph" check --allow unused-wrapper \
            bans licenses sources || status=$?
    fi
    rm -f "$graph"
    return "$status"
}

step "format" cargo fmt --all --check
step "clippy" cargo clippy --workspace --all-targets --locked -- -D warnings
step "dependency directions" scripts/check-dependencies.sh
step "bans, licences, sources" licences_and_sources
step "files" scripts/check-files.sh
if command -v shellcheck >/dev/null 2>&1; then
    step "shell scripts" shellcheck --external-sources --source-path=SCRIPTDIR scripts/*.sh .ci/run
fi

if [ ${#failed[@]} -gt 0 ]; then
    fail "lint failed: $(printf '%s; ' "${failed[@]}" | sed 's/; $//')"
fi
say "lint: clean"
