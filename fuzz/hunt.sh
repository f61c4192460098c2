#!/bin/sh
# hunt.sh SECONDS [TARGET...]: hunts for bytes that break a law, one target after the other.
#
# Each begins with what it kept (fuzz/corpus) and what earlier hunts found (target/hunt), where it puts
# what it finds itself. What breaks a law is left in target/hunt/broken/TARGET.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
seconds=$1
shift
[ $# -gt 0 ] || set -- envelope name time parse fill rules intake
# The sanitizers are nightly's, which the stable compiler has too and gives when told to.
export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR="$root/target/fuzz"
cd "$root/fuzz"

# How long one case may take, in seconds: with the sanitizer, on a machine that does other things besides.
case_seconds=20
# How much memory all may take, in MB.
megabytes=3000

for target in "$@"; do
    found="$root/target/hunt/$target" broken="$root/target/hunt/broken/$target"
    mkdir -p "$found" "$broken" "corpus/$target"
    dictionary=$([ ! -f "dictionary/$target" ] || echo "-dict=dictionary/$target")
    echo "fuzz: $target for $seconds s" >&2
    cargo fuzz run --fuzz-dir . "$target" "$found" "corpus/$target" -- \
        -max_total_time="$seconds" -timeout="$case_seconds" -rss_limit_mb="$megabytes" -print_final_stats=1 \
        -artifact_prefix="$broken/" $dictionary
done
