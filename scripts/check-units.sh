#!/usr/bin/env bash
# The systemd units: systemd reads them without a complaint, and what systemd-analyze calls
# their exposure is at most 2.0. Says so when the tool is not here.

source "$(dirname "$0")/env.sh"

if ! command -v systemd-analyze >/dev/null 2>&1; then
    say "systemd-analyze is not here; the units are not checked."
    exit 0
fi

# The programs that the units name need not be installed.
units=$(mktemp -d)
trap 'rm -rf "$units"' EXIT
bad=0
for unit in conf/systemd/*.service; do
    sed 's|=/usr/bin/serverless-proxy[^ ]*|=/bin/true|' "$unit" >"$units/${unit##*/}"
    said=$(systemd-analyze verify --man=no "$units/${unit##*/}" 2>&1 |
        grep -F "${unit##*/}" || true)
    if [ -n "$said" ]; then
        say "$said" >&2
        bad=1
    fi
    exposure=$(systemd-analyze security --offline=true --no-pager "$unit" |
        sed -n 's/.*Overall exposure level for [^:]*: \([0-9.]*\).*/\1/p')
    say "${unit##*/}: exposure ${exposure:-unknown}"
    if ! awk -v found="${exposure:-10}" 'BEGIN { exit !(found <= 2.0) }'; then
        bad=1
    fi
done
[ "$bad" -eq 0 ] || fail "A unit is not as it should be: see above."
