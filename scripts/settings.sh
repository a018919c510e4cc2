# shellcheck shell=bash
# Sourced after env.sh. What the programs will read for a setting: the environment,
# then .env, then the default.

# setting NAME DEFAULT
setting() {
    local name=$1 line
    if [ -n "${!name:-}" ]; then
        printf '%s' "${!name}"
    elif line=$(dotenv_line "$name"); then
        line=${line#*=}
        line=${line#"${line%%[![:space:]]*}"}
        line=${line%"${line##*[![:space:]]}"}
        line=${line#[\"\']}
        printf '%s' "${line%[\"\']}"
    else
        printf '%s' "$2"
    fi
}

# is_set NAME: whether the environment or .env gives it a value; empty is none.
is_set() {
    [ -n "$(setting "$1" "")" ]
}

dotenv_line() {
    [ -f .env ] && grep -E "^[[:space:]]*(export[[:space:]]+)?$1[[:space:]]*=" .env | tail -n 1 | grep .
}
