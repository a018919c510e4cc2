# shellcheck shell=bash
# Sourced after env.sh. Runs several programs as one: `start` each of them, then
# `supervise`. SIGINT, SIGTERM and SIGHUP stop all of them; when one ends by
# itself the others are stopped and the exit status says so. None outlives the
# script, not even when it is killed (the kernel then ends them).

pids=()
names=()
SAID=$(mktemp -d)
stop_asked=false

# Seconds that a program has to finish what it is doing.
GRACE=${GRACE:-10}

trap 'stop_asked=true' INT TERM HUP
trap 'stop_all' EXIT

# start NAME COMMAND...: in a session of its own, so that Ctrl-C reaches this script
# alone and each program gets one signal, the one that lets it finish its calls.
start() {
    local name=$1
    shift
    if setpriv --pdeathsig TERM true 2>/dev/null; then
        setpriv --pdeathsig TERM -- setsid "$@" &
    else
        setsid "$@" &
    fi
    pids+=($!)
    names+=("$name")
}

alive() {
    kill -0 "$1" 2>/dev/null
}

any_alive() {
    local pid
    for pid in "${pids[@]}"; do
        if alive "$pid"; then return 0; fi
    done
    return 1
}

# Asks all to stop, waits for them, and ends the ones that do not.
stop_all() {
    local pid i
    # A second Ctrl-C must not cut the waiting short and leave programs behind.
    trap '' INT TERM HUP
    trap - EXIT
    for pid in "${pids[@]}"; do
        kill -TERM "$pid" 2>/dev/null || true
    done
    for ((i = 0; i < GRACE * 10; i++)); do
        any_alive || break
        sleep 0.1
    done
    for i in "${!pids[@]}"; do
        if alive "${pids[$i]}"; then
            say "${names[$i]} did not stop within $GRACE s; ending it." >&2
            kill -KILL "${pids[$i]}" 2>/dev/null || true
        fi
    done
    wait "${pids[@]}" 2>/dev/null || true
    rm -rf "$SAID"
}

# start_server NAME COMMAND...: starts it and sets `address` to the URL it announces on
# standard output (`... listening on URL`), which is when it answers. Asking it is the
# only way to know: the port may be 0, or stored. Fails when it ends first.
start_server() {
    local name=$1 said=$SAID/$1 i
    shift
    : >"$said"
    start "$name" "$@" >"$said"
    for ((i = 0; i < 600; i++)); do
        address=$(sed -n 's/.*listening on \(http[^ ]*\).*/\1/p' "$said" | head -n 1)
        if [ -n "$address" ]; then
            # Bound to every address: loopback is the one to type.
            address=${address/\/\/0.0.0.0:/\/\/127.0.0.1:}
            address=${address/\/\/\[::\]:/\/\/[::1]:}
            return 0
        fi
        if "$stop_asked"; then
            exit 0
        fi
        if ! alive "${pids[-1]}"; then
            fail "$name ended at its start; its own message is above."
        fi
        sleep 0.1
    done
    fail "$name has not said within 60 s that it listens."
}

# Returns only by ending the script: 0 when a stop was asked for, 1 when a
# program ended by itself.
supervise() {
    local status=0 i
    while ! "$stop_asked"; do
        wait -n "${pids[@]}" || status=$?
        if "$stop_asked"; then break; fi
        for i in "${!pids[@]}"; do
            if ! alive "${pids[$i]}"; then
                fail "${names[$i]} ended (status $status); stopping the rest."
            fi
        done
    done
    say "Stopping."
    exit 0
}
