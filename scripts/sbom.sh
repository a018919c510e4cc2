#!/usr/bin/env bash
# make sbom: what each program is built of, as CycloneDX documents. Prints where they are.
#
# scripts/sbom.sh FOLDER puts them there instead of into the build folder.

source "$(dirname "$0")/env.sh"
scripts/cargo-tool.sh cargo-cyclonedx
source scripts/release.sh

folder=$(mkdir -p "${1:-$CARGO_TARGET_DIR/sbom}" && cd "${1:-$CARGO_TARGET_DIR/sbom}" && pwd)

# The tool writes beside each manifest: in a copy, not in the tree.
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files -z --cached --others --exclude-standard |
    tar --create --null --files-from=- --ignore-failed-read 2>/dev/null |
    tar --extract --directory "$copy"
(cd "$copy" && cargo fetch --locked --quiet && CARGO_NET_OFFLINE=true cargo cyclonedx --quiet \
    --format json --spec-version 1.5 --describe binaries --no-build-deps)
for program in proxy/serverless-proxy admin/serverless-proxy-admin; do
    document=$folder/${program#*/}.cdx.json
    sed "s|$copy|/source|g" "$copy/${program}_bin.cdx.json" >"$document"
    say "$document"
done
