#!/bin/sh
# Tries every operation of the API by its own OpenAPI document, with schemathesis and spectral.
#
# Starts a system of its own, on free ports and with a data folder of its own, and stops what it
# started. Every check of schemathesis is on, but for what schemathesis.toml leaves out and says why.
# Each operation must have been tried often enough, and often enough with success: see tally.py.
#
#     schemathesis.sh [SEED]
#
# CASES is how many cases an operation is given at least, PHASES which phases run, ONLY an operation.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
here="$root/tests/api"
peers="$root/.tools/peers"
python="$peers/api/bin/python"
cuepoint=${CUEPOINT:-"$root/target/debug/cuepoint"}
out=${OUT:-"$root/target/api"}
seed=${1:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
# How long the system may take until it is ready, in tenths of a second.
ready_in=300

fail() {
    echo "proof-api: $*" >&2
    exit 2
}

[ -x "$python" ] || fail "schemathesis is not there: run \`make proof-tools\`"
[ -x "$cuepoint" ] || fail "$cuepoint is not there: run \`cargo build --package cuepoint\`"

port() {
    "$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

rm -rf "$out"
mkdir -p "$out"
http=$(port)
oracle=$(port)
started=""
stop() {
    for pid in $started; do kill "$pid" 2>/dev/null || true; done
    for pid in $started; do wait "$pid" 2>/dev/null || true; done
}
trap stop EXIT
trap 'exit 130' INT TERM

sed "s|@ORACLE@|http://127.0.0.1:$oracle/v1/|; s|@PORT@|$oracle|" "$here/cuepoint.yaml" >"$out/cuepoint.yaml"
"$python" "$here/oracle.py" "$oracle" >"$out/oracle.log" 2>&1 &
started="$!"
export CUEPOINT_API_TOKEN="sk-proof-$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')"
export CUEPOINT_URL="http://127.0.0.1:$http/v1"
export TALLY="$out/tally.json"
export PYTHONPATH="$here" PYTHONDONTWRITEBYTECODE=1
"$cuepoint" dev --http "127.0.0.1:$http" --data "$out/data" --config "$out/cuepoint.yaml" --log warn >"$out/cuepoint.log" 2>&1 &
started="$started $!"

tries=0
until "$python" -c "import urllib.request as u; u.urlopen('http://127.0.0.1:$http/readyz', timeout=1)" 2>/dev/null; do
    tries=$((tries + 1))
    kill -0 "${started##* }" 2>/dev/null && [ "$tries" -lt "$ready_in" ] || { cat "$out/cuepoint.log" >&2; fail "the system is not ready"; }
    sleep 0.1
done

echo "seed $seed"
verdict=0
# shellcheck disable=SC2086 # ONLY is none or two words
(cd "$here" && "$python" -m schemathesis.cli --config-file "$here/schemathesis.toml" run "$root/docs/openapi.json" --url "$CUEPOINT_URL" \
    --header "Authorization: Bearer $CUEPOINT_API_TOKEN" --phases "${PHASES:-examples,coverage,fuzzing,stateful}" \
    --max-examples "${CASES:-20}" --seed "$seed" --no-color ${ONLY:+--include-operation-id "$ONLY"} >"$out/schemathesis.log" 2>&1) || verdict=$?
sed -n '/FAILURES\|ERRORS/,$p' "$out/schemathesis.log"
[ -n "${ONLY:-}" ] || "$python" "$here/tally.py" "$root/docs/openapi.json" "$TALLY" || verdict=1

PATH="$root/.tools/bin:$PATH" "$peers/spectral/node_modules/.bin/spectral" lint --ruleset "$here/spectral.yaml" --fail-severity warn \
    "$root/docs/openapi.json" || verdict=1
echo "seed $seed"
[ "$verdict" = 0 ] && echo "proof-api: clean" || echo "proof-api: failed"
exit "$verdict"
