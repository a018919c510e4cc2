# shellcheck shell=bash disable=SC2154 # sourced by scripts/test-install.sh
# The last stage of the Dockerfile, in a clean root: its instructions are read from the file
# and done as an engine does them, and both programs run as its user over one volume.

image=$work/image
scripts/root.sh "$image"
cp /etc/resolv.conf "$image/etc/resolv.conf"
env=()
user=0:0
folder=/
command=()
health=()

in_image() {
    chroot "$image" /usr/bin/env -i PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

# words JSON: the strings of a list, one a line.
words() {
    python3 -c 'import json, sys; print(*json.loads(sys.argv[1]), sep="\n")' "$1"
}

# instruction NAME REST
instruction() {
    local from to
    case $1 in
    RUN) check "RUN ${2:0:50}..." in_image DEBIAN_FRONTEND=noninteractive sh -ec "$2" ;;
    COPY)
        read -r from to <<<"${2#--from=build }"
        case $2 in
        --from=build*) install -m 0755 "$work/built"/serverless-proxy* "$image$to" ;;
        *) cp "$from" "$image$to" ;;
        esac
        ;;
    ENV) read -r -a env <<<"$2" ;;
    USER) user=$2 ;;
    WORKDIR) folder=$2 ;;
    CMD) mapfile -t command < <(words "$2") ;;
    HEALTHCHECK) mapfile -t health < <(words "${2#*CMD }") ;;
    VOLUME | EXPOSE) ;;
    *) fail "the Dockerfile has $1, which this script does not know" ;;
    esac
}

network=
mount -t proc proc "$image/proc"
leave_image() {
    # The processes in the network of this test, and no others.
    if [ -n "$network" ]; then
        pkill -KILL --ns "$network" --nslist net || true
        wait "$network" 2>/dev/null || true
    fi
    umount "$image/proc" 2>/dev/null || true
    network=
}
trap 'leave_image; finish' EXIT
while read -r name rest; do
    instruction "$name" "$rest"
done < <(sed -e ':a' -e '/\\$/N; s/\\\n//; ta' -e '/^ *#/d; /^$/d' Dockerfile |
    awk '/^FROM /{ text = ""; next } { text = text $0 "\n" } END { printf "%s", text }')

check "it runs as nobody's user" test "${user%%:*}" -ge 1000

# container LOG COMMAND...: in the network of this test, with what the image says.
container() {
    local log=$1
    shift
    nsenter --target "$network" --net -- \
        chroot --userspec="$user" "$image" /usr/bin/env -i --chdir="$folder" \
        PATH=/usr/local/bin:/usr/bin:/bin "${env[@]}" "$@" >"$log" 2>&1
}

# Not entered before it is there: until then the process is in this machine's network.
has_network() {
    [ "$(readlink "/proc/$network/ns/net")" != "$(readlink /proc/self/ns/net)" ] &&
        nsenter --target "$network" --net -- ip link show dev lo up | grep -q lo
}
unshare --net -- sh -c 'ip link set lo up && exec sleep 600' &
network=$!
comes "a network of its own" has_network
container "$work/gateway.log" "${command[@]}" &
gateway=$!
comes "the health check is content" container "$work/health.log" "${health[@]}"
check "it fails where nothing runs" not container "$work/health.log" healthcheck admin
container "$work/admin.log" serverless-proxy-admin &
app=$!
comes "the admin app's is content" container "$work/health.log" healthcheck admin
check "a link for the first admin is in its log" grep -q 'http://127.0.0.1:5001/set-up?token=' \
    "$work/admin.log"
check "the store is on the volume" test -s "$image/data/proxy.db"
check "nothing is written elsewhere" \
    test -z "$(find "$image" -xdev -uid "${user%%:*}" -not -path "$image/data*" -type f)"
programs() {
    pgrep --ns "$network" --nslist net -f '^serverless-proxy' || true
}
# shellcheck disable=SC2046
kill -TERM $(programs)
check "the gateway ends when told" wait "$gateway"
check "the admin app too" wait "$app"
leave_image
trap finish EXIT
