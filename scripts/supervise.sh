# shellcheck shell=bash
# Sourced after env.sh. Runs several programs as one: `start` each of them, then
# `supervise`. SIGINT, SIGTERM and SIGHUP stop all of them; when one ends by
# itself the others are stopped and the exit status says so. None outlives the
# script, not even when it is killed (the kernel then ends them).

pids=()
names=()
stop_asked=false

# Seconds that a program has to finish what it is doing.
GRACE=${GRACE:-10}

trap 'stop_asked=true' INT TERM HUP
trap 'stop_all' EXIT

# start NAME COMMAND...
start() {
    local name=$1
    shift
    if setpriv --pdeathsig TERM true 2>/dev/null; then
        setpriv --pdeathsig TERM -- "$@" &
    else
        "$@" &
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
}

answers() {
    (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null
}

# must_be_free SETTING PORT HOST: another program on the port would be taken for ours.
must_be_free() {
    local host=${3#[}
    if answers "${host%]}" "$2"; then
        fail "Port $2 on $3 is taken by another program. Stop it, or set $1 to a free port."
    fi
}

# wait_for NAME PORT HOST: until the program started as NAME answers on the port.
# Fails when it ended first.
wait_for() {
    local name=$1 port=$2 host=${3#[} i pid=
    for i in "${!names[@]}"; do
        if [ "${names[$i]}" = "$name" ]; then pid=${pids[$i]}; fi
    done
    for ((i = 0; i < 300; i++)); do
        if "$stop_asked"; then
            exit 0
        fi
        if ! alive "$pid"; then
            fail "$name ended at its start; its own message is above."
        fi
        if answers "${host%]}" "$port"; then
            return 0
        fi
        sleep 0.1
    done
    fail "$name does not answer on $3:$port after 30 s."
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
