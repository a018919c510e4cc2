#!/usr/bin/env bash
# make test-reproducible: builds what is handed on twice, of copies of the tree in two folders
# with build folders of their own, and compares. Takes as long as two first builds.

source "$(dirname "$0")/env.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# copy FOLDER: the tree as it is, with its last commit's time.
copy() {
    mkdir -p "$1"
    git ls-files -z --cached --others --exclude-standard |
        tar --create --null --files-from=- --ignore-failed-read 2>/dev/null |
        tar --extract --directory "$1"
}

SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
made=(serverless-proxy serverless-proxy-admin)
for place in one another/much/longer/place; do
    copy "$work/$place"
    CARGO_TARGET_DIR=$work/$place/built "$work/$place/scripts/build.sh" >/dev/null
    (cd "$work/$place/built/release" && sha256sum "${made[@]}") | tee "$work/${place%%/*}.sums"
    # Room for the next one.
    mkdir -p "$work/${place%%/*}.made"
    mv "${made[@]/#/$work/$place/built/release/}" "$work/${place%%/*}.made"
    rm -rf "${work:?}/$place"
done

cmp "$work/one.sums" "$work/another.sums" || fail "Two builds of one source differ."
if grep --text --fixed-strings --quiet --recursive -e "$work" -e "$HOME" "$work"/*.made; then
    fail "A program names a folder of this machine."
fi
say "Both builds are the same, byte for byte."
