#!/bin/bash
# Proves docker-compose.yml and the images with a Docker engine that really runs: make proof-compose
#
# Wants root on Debian 12 (docker.io, debootstrap and iptables are installed where they are missing), packages of
# Debian, PyPI and crates.io, and 12 GB of disk. The first run takes half an hour on two cores, nearly all of it
# two builds; later ones find layers again in target/compose. Where it cannot run it says why and ends with 2.
#
#   OLD=COMMIT      what to upgrade from; by default the newest ancestor with other gateways, workers or messages
#   KEEP_ENGINE=1   leave the engine running, and say how to reach it
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out="$root/target/compose"
project="cuepoint-proof"
port=${PORT:-18787}
url="http://127.0.0.1:$port"
bytes_max=60000000
began=$(date +%s)
mkdir -p "$out"

cannot() {
    echo "proof-compose cannot run here: $*" >&2
    exit 2
}
fail() {
    echo "FAILED $*" >&2
    exit 1
}
# One line for each step: when, what, and what was seen.
say() {
    printf '%4ds  %-34s %s\n' "$(($(date +%s) - began))" "$1" "$2"
}

# shellcheck source=tests/compose/engine.sh
. "$here/engine.sh"
# shellcheck source=tests/compose/bases.sh
. "$here/bases.sh"
# shellcheck source=tests/compose/steps.sh
. "$here/steps.sh"

[ "$(uname -s)" = Linux ] && [ "$(id -u)" = 0 ] || cannot "it starts a Docker engine, which takes root on Linux"
[ -x "$root/.tools/bin/nats-server" ] || cannot "no servers in .tools: make tools"

clean() {
    code=$?
    trap - EXIT
    touch "$out/load.stop"
    if [ "$code" != 0 ] && [ -n "${engine_pid:-}" ]; then
        compose ps --all >"$out/failed.log" 2>&1 || true
        compose logs --no-color --tail 200 >>"$out/failed.log" 2>&1 || true
        echo "what the containers said last: $out/failed.log" >&2
    fi
    [ -z "${engine_pid:-}" ] || compose --profile tools --profile cluster down --volumes --timeout 5 >/dev/null 2>&1 || true
    if [ -n "${KEEP_ENGINE:-}" ] && [ -n "${engine_pid:-}" ]; then
        echo "the engine goes on: DOCKER_HOST=$DOCKER_HOST, pid $engine_pid"
    else
        engine_stop
    fi
    exit "$code"
}
trap clean EXIT

engine_packages
engine_start
compose_find
say "engine" "Docker $("$docker" version --format '{{.Server.Version}}'), $("$docker" info --format '{{.Driver}}'), compose $("$compose" version --short)"
bases_make

new=$(git -C "$root" rev-parse --short HEAD)
old=${OLD:-$(git -C "$root" rev-list HEAD | while read -r one; do
    git -C "$root" diff --quiet "$one" HEAD -- gateway/src worker/src proto/src proto/cuepoint backbone/src || { echo "$one" && break; }
done)}
old=$(git -C "$root" rev-parse --short "$old")
image_new
image_old
image_layers
image_sizes

# What there is, from nothing, and in order.
up_all new
check_order
check_event "first event"
check_documented
check_hardened
check_permissions

# It is hurt while events flow.
say "scale" "$(scale 3) workers are well"
load_start
kill_worker
cut_worker
load_end "load over all that"
down_all

# Old and new side by side.
up_all old
check_event "event, old images"
load_start
roll_workers
roll_gateway
load_end "load over the upgrade"
check_event "event, new images"
check_hardened
down_all

# Three servers.
up_cluster
check_event "event, cluster"
lose_node
down_all

say "down" "no container, network or volume is left"
echo "proof-compose: $steps checks passed in $(($(date +%s) - began)) s: images of $new and $old, from nothing, hurt, upgraded and clustered"
