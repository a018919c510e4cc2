# shellcheck shell=bash
# Sourced after env.sh by whatever builds what is handed on. The same source and the same
# tools give the same bytes, whoever builds them and wherever: folders of this machine get
# names, and what asks for the time gets that of the last commit.

# named FOLDER NAME: in what rustc and the C compiler write, FOLDER is NAME.
rust_flags=()
c_flags=()
named() {
    rust_flags+=("--remap-path-prefix=$1=$2")
    c_flags+=("-ffile-prefix-map=$1=$2")
}
if [ -n "${RUSTFLAGS:-}" ]; then
    read -r -a rust_flags <<<"$RUSTFLAGS"
fi
# Of several that fit the last one counts: the build folder may lie in the tree.
named "${CARGO_HOME:-$HOME/.cargo}" /cargo
named "$(rustc --print sysroot)" /rust
named "$ROOT" /source
named "$CARGO_TARGET_DIR" /build

# Cargo's own separator, for folders with spaces.
separator=$(printf '\x1f')
CARGO_ENCODED_RUSTFLAGS=$(
    IFS=$separator
    printf '%s' "${rust_flags[*]}"
)
export CARGO_ENCODED_RUSTFLAGS
export CFLAGS="${CFLAGS:+$CFLAGS }${c_flags[*]}"

if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
    SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null || stat --format=%Y Cargo.lock)
fi
export SOURCE_DATE_EPOCH
