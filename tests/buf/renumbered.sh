#!/bin/sh
# The contract check must fail when a field gets another number: old bytes would be read wrongly.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
PATH="$root/.tools/bin:$PATH"
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -r "$root/proto/buf.yaml" "$root/proto/cuepoint" "$copy"

breaks() {
    buf breaking "$copy" --against "$root/proto/golden/v1.binpb" >"$copy/found" 2>&1
}

if ! breaks; then
    echo "the contract as it stands breaks proto/golden/v1.binpb:" >&2
    cat "$copy/found" >&2
    exit 1
fi
sed -i 's/string text = 1;/string text = 99;/' "$copy/cuepoint/v1/event.proto"
if breaks; then
    echo "a renumbered field passed the contract check" >&2
    exit 1
fi
grep -q 'event.proto:.*"1".*"text".*Event' "$copy/found" || {
    echo "the contract check failed for another reason:" >&2
    cat "$copy/found" >&2
    exit 1
}
echo "a renumbered field is refused by the contract check"
