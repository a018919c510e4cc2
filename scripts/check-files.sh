#!/usr/bin/env bash
# Rules about files that no linter has: length and names. Prints every breach;
# exit 1 if there is one.

source "$(dirname "$0")/env.sh"

breaches=0
breach() {
    say "files: $*" >&2
    breaches=$((breaches + 1))
}

while IFS= read -r file; do
    [ -f "$file" ] || continue
    lines=$(wc -l <"$file")
    if [ "$lines" -gt 500 ]; then
        breach "$file has $lines lines; split it by meaning (aim at 300, stop at 500)."
    fi
    case ${file##*/} in
    mod.rs) breach "$file: a module's file stands beside its folder (foo.rs and foo/)." ;;
    utils.rs | helpers.rs | common.rs | manager.rs | misc.rs)
        breach "$file: name a file after what it holds." ;;
    esac
done < <(git ls-files --cached --others --exclude-standard -- '*.rs')

if [ "$breaches" -gt 0 ]; then
    fail "$breaches file(s) to change."
fi
