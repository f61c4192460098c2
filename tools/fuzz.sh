#!/bin/sh
# Puts cargo-fuzz into .tools/bin, built from crates.io as its own lock file has it; only `make proof-fuzz` wants it.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
tools="$root/.tools"
version=0.13.2

if [ "$("$tools/bin/cargo-fuzz" --version 2>/dev/null)" = "cargo-fuzz $version" ]; then exit 0; fi
command -v c++ >/dev/null || { echo "make proof-fuzz: a C++ compiler is missing: apt-get install g++" >&2; exit 1; }
echo "make proof-fuzz: building cargo-fuzz $version into .tools/" >&2
cargo install cargo-fuzz --version "=$version" --locked --quiet --root "$tools" --target-dir "$root/target/cargo-fuzz" ||
    { echo "make proof-fuzz: cargo-fuzz could not be built from crates.io" >&2; exit 1; }
