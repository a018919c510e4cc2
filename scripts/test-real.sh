#!/usr/bin/env bash
# make test-real: the gateway in front of a genuine llama.cpp server with tiny models made
# here, as the endpoint types openai, vllm and anthropic. Arguments go to the test runner
# (scripts/test-real.sh reasoning runs the tests that have it in their name).
#
# Not part of make test: the first run builds the server, which takes ten minutes and more.
# Its source is that of the Python package llama-cpp-python, so that a package registry is
# all that is needed. Everything is kept in the cache folder; the tests start the servers
# they need on free ports of the loopback interface and end them.

source "$(dirname "$0")/env.sh"
scripts/needs.sh build

version=0.3.36
checksum=832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e

here=$ROOT/proxy/tests/real
llama=$CACHE/llama
server=$llama/$version/llama-server
templates=$llama/$version/templates

missing=()
command -v "${CXX:-c++}" >/dev/null 2>&1 || missing+=("a C++ compiler (g++)")
command -v flock >/dev/null 2>&1 || missing+=("flock (util-linux)")
python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1 ||
    missing+=("Python 3.10 or later with venv (python3 python3-venv)")
if [ ${#missing[@]} -gt 0 ]; then
    fail "make test-real needs what is not here:" "${missing[@]/#/    }" \
        "Install it (on Debian and Ubuntu: apt-get install g++ python3 python3-venv util-linux)," \
        "then run this again."
fi

# Two runs at once build once.
mkdir -p "$llama"
exec 9>"$llama/lock"
flock 9

pins=("$here/requirements.txt" "$here/../clients/python/requirements.txt")
venv=$llama/python-$(cat "${pins[@]}" | sha256sum | cut -c 1-16)
if [ ! -e "$venv/complete" ]; then
    say "Installing the official client and what the models are made with, once, into $venv"
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-input \
        "${pins[@]/#/--requirement=}" ||
        fail "Could not install the Python packages; what pip said is above."
    touch "$venv/complete"
fi
PATH="$PATH:$venv/bin"

build_server() {
    local work=$llama/$version.building source log
    source=$work/source/vendor/llama.cpp
    log=$llama/$version.log
    say "Building llama.cpp's server, once, into ${server%/*}; this takes ten minutes and more."
    say "Its log: $log"
    rm -rf "$work"
    mkdir -p "$work/package" "$work/source"
    "$venv/bin/pip" download --quiet --disable-pip-version-check --no-input --no-deps \
        --no-binary llama-cpp-python --dest "$work/package" "llama-cpp-python==$version" ||
        fail "Could not download the source of llama-cpp-python $version; what pip said is above."
    (cd "$work/package" && echo "$checksum  llama_cpp_python-$version.tar.gz" |
        sha256sum --check --quiet) ||
        fail "The source of llama-cpp-python $version is not the one that was expected."
    tar -xf "$work/package/llama_cpp_python-$version.tar.gz" -C "$work/source" --strip-components=1
    if ! {
        nice -n 19 cmake -S "$source" -B "$work/build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
            -DBUILD_SHARED_LIBS=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF \
            -DLLAMA_BUILD_UI=OFF -DLLAMA_BUILD_APP=OFF -DLLAMA_USE_PREBUILT_UI=OFF \
            -DLLAMA_OPENSSL=OFF -DGGML_OPENMP=OFF &&
            nice -n 19 cmake --build "$work/build" --target llama-server
    } >"$log" 2>&1; then
        tail -n 20 "$log" >&2
        fail "Could not build llama.cpp's server; the whole log: $log"
    fi
    mkdir -p "$templates"
    cp "$source"/models/templates/*.jinja "$templates/"
    # Last: it says that the rest is there.
    mv "$work/build/bin/llama-server" "$server"
    rm -rf "$work"
}

[ -x "$server" ] || build_server

models=$llama/models-$(cat "$here/mkgguf.py" "$templates"/*.jinja | sha256sum | cut -c 1-16)
if [ ! -e "$models/complete" ]; then
    say "Making the models, once, in $models"
    rm -rf "$llama"/models-*
    mkdir -p "$models"
    "$venv/bin/python" "$here/mkgguf.py" "$templates" "$models"
    touch "$models/complete"
fi
exec 9>&-

scripts/cargo-tool.sh cargo-nextest
export LLAMA_SERVER=$server LLAMA_MODELS=$models LLAMA_PYTHON=$venv/bin/python
# One test at a time: there is one that asserts a duration.
exec cargo nextest run --locked --package proxy --test real --run-ignored only \
    --no-fail-fast --test-threads 1 "$@"
