#!/usr/bin/env bash
# What documents name is there: files and headings that they link to, and the paths and
# modules of ARCHITECTURE.md. Prints every breach; exit 1 if there is one.

source "$(dirname "$0")/env.sh"

breaches=0
breach() {
    say "documents: $*" >&2
    breaches=$((breaches + 1))
}

# headings FILE: what its headings are called in links.
headings() {
    sed -n 's/^##* //p' "$1" | tr '[:upper:]' '[:lower:]' |
        sed -e 's/[^a-z0-9 _-]//g' -e 's/ /-/g'
}

# quoted FILE: what stands in back-ticks, one a line.
quoted() {
    # shellcheck disable=SC2016
    grep -oE '`[^`]+`' "$1" | tr -d '`' | sort -u
}

while IFS= read -r document; do
    [ -f "$document" ] || continue
    while IFS= read -r link; do
        case $link in
        http://* | https://*) continue ;;
        esac
        file=${link%%#*}
        if [ -z "$file" ]; then
            file=$document
        else
            file=$(dirname "$document")/$file
        fi
        if [ ! -e "$file" ]; then
            breach "$document links to $link, which is not there."
        elif [ "${link#*#}" != "$link" ] && ! headings "$file" | grep -qxF -e "${link#*#}"; then
            breach "$document links to $link, and there is no such heading."
        fi
    done < <(grep -oE '\]\([^) ]+\)' "$document" | sed -e 's/^](//' -e 's/)$//')
done < <(git ls-files --cached --others --exclude-standard -- '*.md')

# is_there PATH: a module of one of our crates, or something that its first module has.
is_there() {
    local root first=${1%%/*} name=${1##*/} found
    case $first in
    wire | store) grep -qrwF -e "$name" "shared/$first/src" && return 0 ;;
    esac
    for root in {proxy,admin,sim,shared/wire,shared/store}/src proxy/src/life \
        shared/wire/src/{normaliser,dialect} shared/store/src/store; do
        if [ -e "$root/$1.rs" ] || [ -d "$root/$1" ]; then
            return 0
        fi
        for found in "$root/$first.rs" "$root/$first"; do
            if [ -e "$found" ] && grep -qrwF -e "$name" "$found"; then
                return 0
            fi
        done
    done
    return 1
}

while IFS= read -r word; do
    if [[ $word =~ ^[A-Za-z0-9_.-]+/[A-Za-z0-9_./-]*$ ]]; then
        # A path of the tree, or one of somewhere else, as of a package.
        if [ -e "${word%%/*}" ] && [ ! -e "$word" ]; then
            breach "ARCHITECTURE.md names $word, which is not there."
        fi
    elif [[ $word =~ ^[a-z_]+(::[A-Za-z_]+)+$ ]]; then
        path=${word//::/\/}
        is_there "$path" || is_there "${path#*/}" || breach "ARCHITECTURE.md names $word, which no crate has."
    fi
done < <(quoted ARCHITECTURE.md)

# The first column of a table behind "... in `FOLDER/`:" has files of that folder.
while read -r folder word; do
    [ -e "$folder${word//:://}.rs" ] ||
        breach "ARCHITECTURE.md names $folder${word//:://}.rs, which is not there."
done < <(awk '
    match($0, /[Ii]n `[a-z\/]+\/`:$/) { folder = substr($0, RSTART + 4, RLENGTH - 6); next }
    /^\|/ && folder {
        split($0, cells, "|")
        count = split(cells[2], words, "`")
        for (i = 2; i <= count; i += 2) print folder, words[i]
    }
    /^[^|]/ { folder = "" }' ARCHITECTURE.md)

if [ "$breaches" -gt 0 ]; then
    fail "$breaches thing(s) to change."
fi
