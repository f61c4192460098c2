#!/bin/sh
# Writes the lists that tools/peers.sh installs from, after a version in requirements.in, source.in, llama.in,
# chart.in or package.json has changed. Wants `uv`, and the `npm` of .tools/bin, on PATH; nothing else runs this.
set -eu
cd "$(dirname "$0")"

lists=$PWD
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cat >"$scratch/pyproject.toml" <<EOF
[tool.uv]
environments = ["sys_platform == 'linux' and implementation_name == 'cpython'"]
EOF

# One list for every Python from 3.11 on, and for x86_64 and aarch64.
python() {
    list="$1" && shift
    (cd "$scratch" && uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --only-binary :all: \
        --no-header --no-annotate "$@" "$lists/$list.in" -o "$scratch/$list.txt")
    # Linux and CPython are all that there is: a marker that says no more than that says nothing.
    echo "# Written by tools/peers/lock.sh from $list.in." >"$list.txt"
    sed "s/ ; implementation_name == 'cpython'\( and platform_python_implementation != 'PyPy'\)\? and sys_platform == 'linux' / /" \
        "$scratch/$list.txt" >>"$list.txt"
}

python requirements
python source --no-deps --no-binary nkeys
python llama --no-deps
python api
python chart
python phoenix
# Without `resolved` the list names no host: each takes the packages from the registry that it is set to.
for list in . browser spectral ../../tests/chart; do
    (cd "$list" && npm install --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved --no-audit --no-fund --loglevel=error)
done
