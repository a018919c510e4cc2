#!/usr/bin/env bash
# make test: all tests, with the real clients, then the totals as the last line.
#
# The programs are built first: the end-to-end tests start them as they are.

source "$(dirname "$0")/env.sh"
scripts/needs.sh test
scripts/cargo-tool.sh cargo-nextest

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0

cargo build --workspace --bins --locked
cargo nextest run --workspace --locked --no-fail-fast --color never 2>&1 | tee "$log" || status=$?
cargo test --doc --workspace --locked 2>&1 | tee -a "$log" || status=$?
scripts/test-assistants.sh quick 2>&1 | tee -a "$log" || status=$?

# One line a runner: nextest's summary, and a `test result` for each crate with
# doc tests. A test that timed out or could not be started has failed.
sum() {
    sed -n -e 's/^ *Summary \[[^]]*\] *//p' -e 's/^test result: //p' "$log" |
        { grep -oE "[0-9]+ ($1)" || true; } | awk '{ total += $1 } END { print total + 0 }'
}
passed=$(sum 'passed')
failed=$(sum 'failed|timed out|exec failed')
skipped=$(sum 'skipped|ignored')

if [ "$((passed + failed))" -eq 0 ]; then
    fail "No test ran; what is above says why."
fi
if [ "$status" -eq 0 ] && [ "$failed" -gt 0 ]; then
    status=1
fi
say "$passed passed, $failed failed, $skipped skipped"
exit "$status"
