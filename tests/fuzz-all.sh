#!/usr/bin/env bash
# Runs every fuzz target of tests/fuzz the given number of times, one on each core, and shows the log of one that fails.
set -euo pipefail

runs=$1
logs=target/fuzz-logs
mkdir -p "$logs"

# Without a sanitizer the targets build on stable Rust; what they look for is a panic.
cargo fuzz build --sanitizer none --fuzz-dir tests/fuzz

export runs logs
fuzz() {
    if RUST_BACKTRACE=0 cargo fuzz run --sanitizer none --fuzz-dir tests/fuzz "$1" -- -runs="$runs" -print_final_stats=1 >"$logs/$1" 2>&1; then
        echo "fuzz $1: $(sed -n 's/^stat::number_of_executed_units: *//p' "$logs/$1") runs"
    else
        tail --lines 60 "$logs/$1"
        echo "fuzz $1: failed; its log is $logs/$1"
        return 1
    fi
}
export -f fuzz
cargo fuzz list --fuzz-dir tests/fuzz | xargs --max-procs "$(nproc)" --replace={} bash -c 'fuzz {}'
