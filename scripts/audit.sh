#!/usr/bin/env bash
# make audit: known vulnerabilities and withdrawn releases among the dependencies.
# Apart from make lint because it reads the advisory database over the network.

source "$(dirname "$0")/env.sh"
scripts/needs.sh build
scripts/cargo-tool.sh cargo-deny

failed=()
for manifest in Cargo.toml fuzz/Cargo.toml; do
    say "== $manifest"
    cargo deny --manifest-path "$manifest" --config deny.toml check advisories ||
        failed+=("$manifest")
done
[ ${#failed[@]} -eq 0 ] || fail "audit failed: ${failed[*]}"
