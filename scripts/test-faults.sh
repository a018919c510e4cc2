#!/usr/bin/env bash
# make test-faults: what docs/faults.md says of networks, ten thousand connections and
# limits of memory and descriptors. Needs root.
#
# The tests run in a network namespace of their own, with wires of their own
# (scripts/test-faults/link.py), so that nothing of this machine's network is touched and
# nothing is left behind. Where no control group can be made the test of one is left out,
# and said to be.

source "$(dirname "$0")/env.sh"

[ "$(id -u)" -eq 0 ] || fail "make test-faults needs root: for namespaces, interfaces and limits."
scripts/needs.sh build
scripts/needs.sh faults
scripts/cargo-tool.sh cargo-nextest

# Control groups that limit memory, of either kind.
has_memory_groups() {
    local place=/sys/fs/cgroup/memory probe
    if grep -qsw memory /sys/fs/cgroup/cgroup.subtree_control; then
        place=/sys/fs/cgroup
    fi
    probe=$place/serverless-proxy-probe-$$
    [ -d "$place" ] && mkdir "$probe" 2>/dev/null && rmdir "$probe"
}

tests='test(/^faults::/)'
left_out=""
if ! has_memory_groups; then
    tests="$tests - test(a_limit_of_memory)"
    left_out="; the limit of memory was left out: no control group can be made here"
fi

cargo build --workspace --bins --locked
nextest=(cargo nextest run --package proxy --test it --locked)
"${nextest[@]}" --no-run
# For ten thousand callers and as many connections to endpoints.
ulimit -Hn 65536 2>/dev/null || say "No more than $(ulimit -Hn) files may be open here: of so many connections fewer are made."
said=$(mktemp)
trap 'rm -f "$said"' EXIT
status=0
# One after the other: each wants the machine for itself.
unshare --net -- sh -c 'ip link set lo up && exec "$@"' - \
    timeout 1200 "${nextest[@]}" --offline --run-ignored all --test-threads 1 \
    --filterset "$tests" --status-level all 2>&1 | tee "$said" || status=1
passed=$(grep -c '^ *PASS ' "$said" || true)
failed=$(grep -cE '^ *(FAIL|TIMEOUT|SIG[A-Z]+|LEAK-FAIL) ' "$said" || true)
say "$passed passed, $failed failed$left_out"
[ "$status" -eq 0 ] && [ "$passed" -gt 0 ]
