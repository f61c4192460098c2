#!/bin/sh
# Replaces every gateway and worker behind a haproxy under load, by builds of two commits.
#
#   tests/rolling/rolling.sh [--seconds 60] [--rate 500]
#
# OLD is the commit to start from, by default the one before the last that changed gateway or worker.
# PROFILE is release or dev. Both builds share the workspace's target directory, so that what they
# depend on is compiled once. Cargo takes a crate of one working tree for the same crate of another, so
# ours are cleaned out in between. haproxy is Debian's; as root it is installed where it is missing.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
profile=${PROFILE:-release}
case "$profile" in
dev) directory=debug ;;
*) directory=$profile ;;
esac
out="$root/target/rolling"
old=${OLD:-$(git -C "$root" rev-list -n 1 --skip=1 HEAD -- gateway worker)}
old=$(git -C "$root" rev-parse --short "$old")
new=$(git -C "$root" rev-parse --short HEAD)

if ! command -v haproxy >/dev/null; then
    [ "$(id -u)" = 0 ] || {
        echo "rolling: haproxy is missing: apt-get install haproxy" >&2
        exit 2
    }
    apt-get install -y --no-install-recommends haproxy >/dev/null
fi

# Forgets what was made of our own crates.
clean() {
    names=$(cargo metadata --no-deps --format-version 1 --manifest-path "$root/Cargo.toml" |
        python3 -c 'import json, sys; print(" ".join("--package " + found["name"] for found in json.load(sys.stdin)["packages"]))')
    # shellcheck disable=SC2086
    CARGO_TARGET_DIR="$root/target" cargo clean --quiet --manifest-path "$root/Cargo.toml" --profile "$profile" $names
}

# Builds gateway and worker of a directory and keeps them under a name.
build() {
    echo "rolling: building $2 ($3, $profile)"
    CARGO_TARGET_DIR="$root/target" cargo build --quiet --manifest-path "$1/Cargo.toml" --profile "$profile" --package gateway --package worker
    mkdir -p "$out/$2"
    cp "$root/target/$directory/gateway" "$root/target/$directory/worker" "$out/$2/"
}

if [ "$(cat "$out/old/commit" 2>/dev/null)" != "$old-$profile" ]; then
    scratch=$(mktemp -d)
    trap 'git -C "$root" worktree remove --force "$scratch/old" 2>/dev/null; rm -rf "$scratch"' EXIT
    git -C "$root" worktree add --quiet --detach "$scratch/old" "$old"
    clean
    build "$scratch/old" old "$old"
    clean
    echo "$old-$profile" >"$out/old/commit"
fi
build "$root" new "$new"
if cmp -s "$out/old/gateway" "$out/new/gateway"; then
    echo "rolling: the gateways of $old and $new are the same: nothing would be proven" >&2
    exit 2
fi
CARGO_TARGET_DIR="$root/target" cargo build --quiet --manifest-path "$root/Cargo.toml" --profile "$profile" --package tests --bin rolling
PATH="$root/.tools/bin:$PATH" "$root/target/$directory/rolling" --old "$out/old" --new "$out/new" --from "$old" --to "$new" "$@"
