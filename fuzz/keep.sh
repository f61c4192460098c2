#!/bin/sh
# keep.sh [TARGET...]: makes what a target keeps anew, from what it kept and what its hunts found.
#
# Kept are the fewest and smallest cases that reach every place of the code that any of them reaches. What
# once broke a law is kept under a name of its own (fuzz/corpus/TARGET/broken-*) and never thrown away.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
[ $# -gt 0 ] || set -- envelope name time parse fill rules intake
export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR="$root/target/fuzz"
cd "$root/fuzz"
# Largest case that is kept, in bytes.
bytes=1024

for target in "$@"; do
    kept="$root/target/hunt/kept/$target" found="$root/target/hunt/$target"
    rm -rf "$kept"
    mkdir -p "$kept" "$found"
    # How often a place is reached, and how nearly what is compared is equal, makes no case worth keeping.
    cargo fuzz run --fuzz-dir . "$target" "$kept" "corpus/$target" "$found" -- \
        -set_cover_merge=1 -use_counters=0 -use_cmp=0 -max_len="$bytes" -timeout=20 -rss_limit_mb=3000
    find "corpus/$target" -type f -not -name 'broken-*' -delete
    cp "$kept"/* "corpus/$target/"
    echo "fuzz: $target keeps $(ls "corpus/$target" | wc -l) cases, $(du -bs "corpus/$target" | cut -f1) bytes" >&2
done
