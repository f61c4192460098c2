#!/bin/sh
# Each alert names its runbook, each runbook is some alert's, the index has each once, and the chart's copy of the alerts is the same.
set -eu
cd "$(dirname "$0")/../.."
alerts=deploy/observability/alerts.yaml
failed=0
fail() {
    echo "runbooks: $*" >&2
    failed=1
}
names=$(sed -n 's/^ *- alert: *//p' "$alerts")
[ -n "$names" ] || fail "$alerts has no alert"
for name in $names; do
    page=docs/runbooks/$name.md
    named=$(sed -n "/- alert: $name\$/,/- alert: /s/^ *runbook: *//p" "$alerts" | head -n1)
    [ "$named" = "$page" ] || fail "$name names ${named:-no runbook}, not $page"
    if [ ! -f "$page" ]; then
        fail "$page is missing"
        continue
    fi
    [ "$(head -n1 "$page")" = "# $name" ] || fail "$page does not begin with # $name"
    [ "$(grep -c "^| \[$name\]($name.md) |" docs/runbooks/README.md)" = 1 ] || fail "docs/runbooks/README.md does not have $name once"
done
for page in docs/runbooks/*.md; do
    name=$(basename "$page" .md)
    [ "$name" = README ] || echo "$names" | grep -qx "$name" || fail "$page is no alert's"
done
cmp -s "$alerts" deploy/chart/files/alerts.yaml || fail "deploy/chart/files/alerts.yaml is not the same as $alerts"
[ "$failed" = 0 ] || exit 1
echo "runbooks: each of $(echo "$names" | wc -l | tr -d ' ') alerts has its own"
