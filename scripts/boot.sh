# shellcheck shell=bash
# Sourced after env.sh. Boots a Debian root (scripts/root.sh) with its own systemd, in
# namespaces of its own: `boot FOLDER`, then `inside COMMAND...`, then `power_off`. Needs
# root, unshare and the kernel's cgroup2. The machine's own services and ports are out of it.

BOOTED=

# What is done in the new namespaces before systemd is.
begin() {
    local root=$1 device
    mount --make-rprivate /
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount -t sysfs sysfs "$root/sys"
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    mount -t tmpfs -o mode=755 tmpfs "$root/dev"
    mkdir "$root/dev/pts" "$root/dev/shm"
    for device in null zero full random urandom tty; do
        touch "$root/dev/$device"
        mount --bind "/dev/$device" "$root/dev/$device"
    done
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
    ln -s pts/ptmx "$root/dev/ptmx"
    ln -s /proc/self/fd "$root/dev/fd"
    mount -t tmpfs tmpfs "$root/dev/shm"
    mount -t tmpfs tmpfs "$root/run"
    mount -t tmpfs tmpfs "$root/tmp"
    ip link set lo up
    # Not chroot: services get file systems of their own, which are made of the root mount.
    cd "$root"
    pivot_root . mnt
    # shellcheck disable=SC2016
    exec /usr/bin/env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /bin/sh -c \
        'umount -l /mnt && exec /lib/systemd/systemd --system --log-target=journal' <>/dev/null
}

if [ "${1:-}" = begin ]; then
    set -eu
    begin "$2"
fi

boot() {
    local root=$1 i shell
    # shellcheck disable=SC2153 # of env.sh
    unshare --mount --pid --net --ipc --uts --cgroup --fork \
        bash "$ROOT/scripts/boot.sh" begin "$root" 2>/dev/null &
    shell=$!
    for ((i = 0; i < 600; i++)); do
        kill -0 "$shell" 2>/dev/null || fail "the root has not booted"
        BOOTED=$(pgrep -P "$shell" || true)
        if [ -n "$BOOTED" ] &&
            inside systemctl is-system-running 2>/dev/null | grep -qxE 'running|degraded'; then
            return 0
        fi
        sleep 0.1
    done
    fail "the root has not booted within a minute"
}

inside() {
    nsenter --target "$BOOTED" --mount --pid --net --ipc --uts --cgroup --root -- \
        /usr/bin/env -i --chdir=/ PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"
}

power_off() {
    [ -z "$BOOTED" ] || kill -KILL "$BOOTED" 2>/dev/null || true
    BOOTED=
}
