#!/usr/bin/env bash
# Rules about files that no linter has: length and names, what lies in the root, and
# that every conformance case has its test. Prints every breach; exit 1 if there is one.

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

# The root holds what a newcomer is to see first, and nothing that a tool has left.
root='.cargo .ci .config .dockerignore .env.example .gitignore ARCHITECTURE.md CHANGELOG.md
Cargo.lock Cargo.toml Dockerfile LICENSE Makefile README.md admin clippy.toml compose.yaml conf
deny.toml docs fuzz proxy rustfmt.toml scripts shared sim templates'
while IFS= read -r entry; do
    case " ${root//$'\n'/ } " in
    *" $entry "*) ;;
    *) breach "$entry: does not belong in the root; if it does, name it in scripts/check-files.sh." ;;
    esac
done < <(git ls-files --cached --others --exclude-standard | cut -d / -f 1 | sort -u)

# Each of the 32 conformance cases of the wire formats has a test that begins with its
# number, such as b07_; one test may show several.
shown=$(git grep --untracked -hoE 'fn (b[0-9]{2}_)+' -- '*.rs' | grep -oE 'b[0-9]{2}_' | sort -u)
for number in $(seq -w 1 32); do
    case $shown in
    *"b${number}_"*) ;;
    *) breach "no test shows conformance case $number: name it 'fn b${number}_...'." ;;
    esac
done

# What is built into the programs is not kept out of the image's context. (Guides are read
# by tests alone.)
while IFS=: read -r source call; do
    file=$(realpath --relative-to=. "$(dirname "$source")/$(cut -d '"' -f 2 <<<"$call")")
    case $file in
    *.md) continue ;;
    esac
    if git -c core.excludesFile="$ROOT/.dockerignore" check-ignore --quiet --no-index "$file"; then
        breach "$source is built with $file, which .dockerignore keeps out of the image."
    fi
done < <(git grep --untracked -oE 'include_(str|bytes)!\("\.\./[^"]+"' -- '*/src/*.rs')

if [ "$breaches" -gt 0 ]; then
    fail "$breaches thing(s) to change."
fi
