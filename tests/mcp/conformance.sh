#!/bin/sh
# Runs every client scenario of the protocol's own conformance suite against `cuepoint mcp-probe`.
#
# The suite plays the server, and starts the probe with the server's URL as its last argument. What
# each scenario needs beyond that stands in `arguments` below. A scenario in conformance.excluded
# runs too: it must fail for the reason written there, and the list must shrink when it does not.
# Ends with a table and, alone on a line, how many passed and failed.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
excluded="$root/tests/mcp/conformance.excluded"
suite="$root/.tools/peers/node/node_modules/@modelcontextprotocol/conformance/dist/index.js"
node="$root/.tools/bin/node"
probe=${CUEPOINT:-"$root/target/debug/cuepoint"}
out=${OUT:-"$root/target/mcp-conformance"}

fail() {
    echo "conformance: $*" >&2
    exit 2
}

[ -x "$node" ] && [ -f "$suite" ] || fail "the suite is not there: run \`make peers\`"
[ -x "$probe" ] || fail "$probe is not there: run \`cargo build --package cuepoint\`"

# What a scenario needs of the probe. A scenario that is not known is a list of tools.
arguments() {
    case "$1" in
    tools_call) echo "--call add_numbers --arguments '{\"a\":2,\"b\":3}'" ;;
    elicitation-sep1034-client-defaults) echo "--form-defaults --call test_client_elicitation_defaults" ;;
    sse-retry) echo "--call test_reconnection" ;;
    auth/basic-cimd) echo "--oauth code --client-document https://conformance-test.local/client-metadata.json --call test-tool" ;;
    auth/client-credentials-jwt) echo "--oauth key" ;;
    auth/client-credentials-basic) echo "--oauth credentials" ;;
    auth/cross-app-access-complete-flow | auth/enterprise-managed-authorization) echo "--oauth identity --call test-tool" ;;
    auth/*) echo "--oauth code --call test-tool" ;;
    *) echo "" ;;
    esac
}

rm -rf "$out"
mkdir -p "$out"
scenarios=${*:-$("$node" "$suite" list --client | sed -n 's/^  - \([^ ]*\).*/\1/p')}
[ -n "$scenarios" ] || fail "the suite lists no scenario"

passed=0 failed=0
table="$out/table"
: >"$table"
for scenario in $scenarios; do
    log="$out/$(echo "$scenario" | tr / -).log"
    # The suite's servers are on this machine, which no call may reach unless it is allowed.
    command="'$probe' mcp-probe --log warn --allow localhost --allow 127.0.0.1 --allow ::1 $(arguments "$scenario")"
    verdict=passed
    "$node" --no-deprecation "$suite" client --command "$command" --scenario "$scenario" >"$log" 2>&1 || verdict=failed
    checks=$(sed -n 's/^Passed: //p' "$log" | tail -n1)
    # A warning is something that the protocol says a client SHOULD do: here it counts as a failure.
    case "$checks" in *", 0 warnings") ;; *) verdict=failed ;; esac
    reason=$(sed -n "s|^$scenario: ||p" "$excluded")
    if [ -n "$reason" ]; then
        if [ "$verdict" = failed ]; then
            printf '%-42s excluded  %s\n' "$scenario" "$reason" >>"$table"
            continue
        fi
        checks="$checks, but conformance.excluded lists it: take it out"
        verdict=failed
    fi
    if [ "$verdict" = passed ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
    printf '%-42s %-8s  %s\n' "$scenario" "$verdict" "${checks:-see $log}" >>"$table"
done

cat "$table"
echo
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
