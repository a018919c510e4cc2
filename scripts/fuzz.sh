#!/usr/bin/env bash
# make fuzz: the laws of the crate wire on bytes that a fuzzer makes up. Every target of
# fuzz/ runs for a while, one after the other, and then stops; exit 1 when one broke a
# law. Usage: scripts/fuzz.sh [SECONDS [TARGET...]]
#
# Seeds are the case files as they are now. What the fuzzer learns stays in the cache
# folder, so that the next run goes on from there.

source "$(dirname "$0")/env.sh"

seconds=${1:-30}
shift || true
case $seconds in
*[!0-9]* | 0) fail "fuzz.sh: '$seconds' is no number of seconds. Usage: make fuzz TIME=30" ;;
esac

# A nightly compiler where there is one. The stable one can do the same when it is told
# that nothing is kept from it.
fuzz=(cargo +nightly fuzz)
if ! rustc +nightly --version >/dev/null 2>&1; then
    say "No nightly compiler here: the stable one is used, with RUSTC_BOOTSTRAP=1"
    export RUSTC_BOOTSTRAP=1
    fuzz=(cargo fuzz)
fi
scripts/needs.sh build
if ! command -v cargo-fuzz >/dev/null 2>&1; then
    say "Building cargo-fuzz, once, into $TOOLS"
    cargo install cargo-fuzz --version 0.13.2 --locked --quiet --root "$TOOLS"
fi

kept="$CACHE/fuzz"
cases="$ROOT/shared/wire/cases"
mkdir -p "$kept"
seeds=$(mktemp -d "$kept/seeds-XXXXXX")
trap 'rm -rf "$seeds"' EXIT

# parts KIND PATTERN FILE...: the parts of each file that begin with a line '=== NAME'
# whose name matches, each as a seed of KIND.
parts() {
    local kind=$1 pattern=$2 file
    shift 2
    mkdir -p "$seeds/$kind"
    for file in "$@"; do
        awk -v out="$seeds/$kind/$(basename "$file" .txt)" -v pattern="^($pattern)\$" '
            /^=== / { wanted = $2 ~ pattern; n++; next }
            wanted { print > (out "-" n) }' "$file"
    done
}

# files KIND FILE...: each file as a seed of KIND.
files() {
    local kind=$1
    shift
    mkdir -p "$seeds/$kind"
    cp "$@" "$seeds/$kind"
}

files openai-stream "$cases"/openai-stream/*.sse
files openai-reply "$cases"/openai-stream/*.json
mkdir -p "$seeds/openai-request"
for file in "$cases"/openai-request/*.json; do
    sed -n 's/^"\(request\|written\)": \(.*[^,]\),\{0,1\}$/\2/p' "$file" | awk -v \
        out="$seeds/openai-request/$(basename "$file")" '{ print > (out "-" NR) }'
done
parts openai-request openai "$cases"/ollama/requests/*.txt
mkdir -p "$seeds/openai-completion"
printf '%s' '{"model":"v","prompt":["Once","Twice"],"max_tokens":5,"echo":true,"n":2,"stop":"."}' \
    >"$seeds/openai-completion/1"
printf '%s' '{"model":"v","prompt":"Once","suffix":"end","temperature":0.5,"stream":true}' \
    >"$seeds/openai-completion/2"
parts ollama-caller 'chat|generate' "$cases"/ollama-caller/requests/*.txt
parts anthropic-caller messages "$cases"/anthropic-caller/requests/*.txt
parts responses-request responses "$cases"/responses/requests/*.txt
parts responses-stream stream "$cases"/responses/streams/*.txt
parts anthropic-stream 'stream|unfinished' "$cases"/anthropic/*.txt
parts anthropic-reply reply "$cases"/anthropic/*.txt
parts ollama-stream 'stream|whole' "$cases"/ollama/answers/*.txt
parts ollama-stream 'chat|generate' "$cases"/ollama-caller/answers/*.txt
files ollama-reply "$cases"/ollama/*.json
parts ollama-reply whole "$cases"/ollama/answers/*.txt
mkdir -p "$seeds/runpod-output" "$seeds/runpod-job" "$seeds/addresses"
awk -v out="$seeds/runpod-output/" '/^== / { n++; next } n { print > (out n) }' \
    "$cases/runpod/outputs.txt"
awk -v out="$seeds/runpod-job/" '/^{/ { print > (out NR) }' "$cases/runpod/failures.txt"
awk -v out="$seeds/addresses/" '/^[a-z]/ { for (i = 1; i < 3; i++) print $i > (out (++n)) }' \
    "$cases/provider-urls.txt" "$cases/runpod/addresses.txt"
mkdir -p "$seeds/normaliser-readers"
# The rows as they are, which are JSON, and the texts, schemas and arguments in them.
awk -v out="$seeds/normaliser-readers/corpus-" '{ file = out (++n); print > file; close(file) }' \
    "$cases"/tool-calls/*.jsonl
awk -v out="$seeds/normaliser-readers/" '{ print > (out (++n)) }' "$cases"/normaliser/*.jsonl
sed -n 's/^{"note": "[^"]*", "text": "\(.*\)", "\(name\|value\|all\|names\|outcome\)": .*$/\1/p' \
    "$cases"/normaliser/{json,closed,python,python_lists}.jsonl | sed 's/\\"/"/g' |
    awk -v out="$seeds/normaliser-readers/text-" '{ printf "%s", $0 > (out NR) }'
sed -n 's/^.*"schema": \(.*\), "arguments": \(.*\), "fitted": .*$/\1\n\2/p' \
    "$cases/normaliser/fit.jsonl" |
    awk -v out="$seeds/normaliser-readers/schema-" '{ print > (out int((NR + 1) / 2)) }'

mkdir -p "$seeds/openai-native"
awk -v out="$seeds/openai-native/" '{ print > (out (++n)) }' "$cases"/openai-history.jsonl

# bodies KIND FILE: the body of each case of FILE, a list of objects.
bodies() {
    mkdir -p "$seeds/$1"
    python3 - "$2" "$seeds/$1" <<'PYTHON'
import json, pathlib, sys

for number, case in enumerate(json.loads(pathlib.Path(sys.argv[1]).read_text())):
    pathlib.Path(sys.argv[2], str(number)).write_bytes(case["body"].encode())
PYTHON
}

bodies forms "$cases/forms.json"
bodies usage-watch "$cases/usage-watch.json"

# The seeds of a target.
seeds_of() {
    case $1 in
    sse) say openai-stream anthropic-stream ;;
    ndjson) say ollama-stream ;;
    openai_editor | openai_collect | openai_events) say openai-stream ;;
    openai_reply) say openai-reply ;;
    openai_request) say openai-request openai-completion ;;
    openai_hub_request | canonical) say openai-request ;;
    openai_native) say openai-native openai-stream openai-reply openai-request ;;
    openai_completion) say openai-completion ;;
    anthropic_events | anthropic_editor) say anthropic-stream ;;
    anthropic_caller) say anthropic-caller ;;
    anthropic_reply) say anthropic-reply ;;
    ollama_events) say ollama-stream ;;
    ollama_reply) say ollama-reply ;;
    ollama_caller) say ollama-caller ;;
    responses_request) say responses-request ;;
    responses_watcher) say responses-stream ;;
    runpod_job) say runpod-job ;;
    runpod_output) say runpod-output openai-stream openai-reply ;;
    upstream_error) say openai-reply runpod-job anthropic-reply ;;
    provider) say addresses openai-reply ollama-reply ;;
    hub_events) ;;
    road)
        say openai-request openai-completion anthropic-caller responses-request ollama-caller
        ;;
    form) say forms ;;
    usage_watch) say usage-watch ;;
    normaliser_readers) say normaliser-readers ;;
    *) fail "fuzz.sh: no seeds are set for the target '$1'" ;;
    esac
}

mapfile -t targets < <("${fuzz[@]}" list)
if [ $# -gt 0 ]; then
    targets=("$@")
fi
# Without sanitizers: there is no unsafe code in wire, and each of them slows it down.
"${fuzz[@]}" build --sanitizer none

broken=()
for target in "${targets[@]}"; do
    corpus="$kept/corpus/$target"
    log="$kept/$target.log"
    mkdir -p "$corpus"
    folders=()
    for kind in $(seeds_of "$target"); do
        folders+=("$seeds/$kind")
    done
    if "${fuzz[@]}" run --sanitizer none "$target" "$corpus" "${folders[@]}" -- \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=512 \
        -max_len=8192 -dict="$ROOT/fuzz/json.dict" -print_final_stats=1 >"$log" 2>&1; then
        say "$target: $(awk '/number_of_executed_units/ { print $2 }' "$log") inputs, no law broken"
    else
        broken+=("$target")
        say "$target: stopped, see $log"
        grep -a -A 4 'panicked at\|ERROR: \|^error' "$log" | cut -c 1-600 || true
        grep -a 'Test unit written to' "$log" || true
    fi
done

if [ ${#broken[@]} -gt 0 ]; then
    fail "A law is broken by: ${broken[*]}" \
        "Add the input to shared/wire/cases first, then mend the reader or writer."
fi
