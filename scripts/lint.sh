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

# For one system: all of Cargo.lock would mean downloading the crates of every
# other operating system. The fuzzers have a lock file of their own, and little of what is
# allowed.
licences_and_sources() {
    local host manifest
    host=$(rustc -vV | sed -n 's/^host: //p')
    for manifest in Cargo.toml fuzz/Cargo.toml; do
        cargo fetch --locked --quiet --target "$host" --manifest-path "$manifest" &&
            cargo deny --offline --target "$host" --manifest-path "$manifest" \
                --config deny.toml check --allow unused-wrapper \
                --allow license-not-encountered --allow license-exception-not-encountered \
                bans licenses sources || return 1
    done
}

# Whether they compile. With a library named, the fuzzer itself is not built, which would
# take a C++ compiler; nothing is linked.
fuzz_targets() {
    CUSTOM_LIBFUZZER_PATH=$ROOT/fuzz/libfuzzer.a \
        cargo check --manifest-path fuzz/Cargo.toml --locked
}

step "format" cargo fmt --all --check
step "clippy" cargo clippy --workspace --all-targets --locked -- -D warnings
step "fuzz targets" fuzz_targets
step "dependency directions" scripts/check-dependencies.sh
step "bans, licences, sources" licences_and_sources
step "files" scripts/check-files.sh
step "documents" scripts/check-documents.sh
step "systemd units" scripts/check-units.sh
if command -v shellcheck >/dev/null 2>&1; then
    step "shell scripts" shellcheck --external-sources --source-path=SCRIPTDIR \
        scripts/*.sh scripts/test-install/*.sh conf/deb/p* .ci/run
fi

if [ ${#failed[@]} -gt 0 ]; then
    fail "lint failed: $(printf '%s; ' "${failed[@]}" | sed 's/; $//')"
fi
say "lint: clean"
