#!/bin/sh
# Renders the Helm chart with real Helm and tries all that comes of it, without a cluster: tests/chart/run.sh
#
# Wants `make peers`, and `cuepoint` in BINARIES (by default target/debug). Names of test modules, such as
# test_render, run these alone; all but test_start and test_release need no program of ours.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
python="$root/.tools/peers/chart/bin/python"
[ -x "$python" ] || {
    echo "chart: Helm is not there: run \`make peers\`" >&2
    exit 2
}
export BINARIES="${BINARIES:-$root/target/debug}" PATH="$root/.tools/bin:$PATH" PYTHONDONTWRITEBYTECODE=1
cd "$root/tests/chart"
if [ $# -gt 0 ]; then exec "$python" -m unittest "$@"; fi
exec "$python" -m unittest discover
