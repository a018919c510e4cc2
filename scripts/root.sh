#!/usr/bin/env bash
# A clean Debian root to install into: scripts/root.sh FOLDER [PACKAGE...]
#
# Of the release of this machine, from the mirror that its apt uses. Made once into the
# cache folder and unpacked from there; needs root.

source "$(dirname "$0")/env.sh"

folder=${1:?folder of the new root}
shift
packages=(systemd systemd-sysv dbus procps ca-certificates curl "$@")

[ "$(id -u)" -eq 0 ] || fail "Only root can make a Debian root."
command -v debootstrap >/dev/null 2>&1 ||
    fail "debootstrap is missing. On Debian and Ubuntu: apt-get install debootstrap"

# shellcheck disable=SC1091
codename=$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")
# shellcheck disable=SC2016
mirror=$(apt-get indextargets --format '$(RELEASE) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
    awk -v release="$codename" '$1 == release && $2 == "main" { print $3; exit }')
[ -n "$mirror" ] || fail "apt's configuration names no mirror of $codename."

wanted=$(printf '%s\n' "$codename" "${packages[@]}" | sha256sum | cut -c 1-12)
image=$CACHE/root-$wanted.tar
if [ ! -f "$image" ]; then
    say "Making a root of $codename with ${packages[*]}, once."
    mkdir -p "$CACHE"
    made=$(mktemp -d)
    trap 'rm -rf "$made" "$image.new"' EXIT
    log=$CACHE/debootstrap.log
    if ! debootstrap --variant=minbase --include="$(IFS=,; printf '%s' "${packages[*]}")" \
        "$codename" "$made" "$mirror" >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        fail "debootstrap failed; all of its words are in $log."
    fi
    rm -rf "$made"/var/cache/apt/archives/*.deb "$made"/var/lib/apt/lists/*
    tar -C "$made" -cf "$image.new" .
    mv "$image.new" "$image"
fi
mkdir -p "$folder"
tar -C "$folder" -xf "$image"
# As mktemp has made it nobody but root would come in.
chmod 0755 "$folder"
