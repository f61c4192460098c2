#!/usr/bin/env python3
"""The tables of docs/benchmarks.md are what docs/benchmarks.json says; `--write` takes what target/bench has into both.

A table stands between `<!-- bench: PART -->` and `<!-- /bench -->`. Parts that were not run again keep what they had:
each says its own day, commit and command. Runs with --quick are taken into nothing.
"""

import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
MEASURED = ROOT / "target/bench"
KEPT = ROOT / "docs/benchmarks.json"
PAGE = ROOT / "docs/benchmarks.md"
TABLE = re.compile(r"(<!-- bench: ([a-z]+) -->\n).*?(<!-- /bench -->)", re.DOTALL)


def number(value):
    if value is None:
        return ""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def figure(line):
    unit = f" {line['unit']}" if line["unit"] else ""
    against = "" if line["against"] is None else f"{number(line['against'])}{unit}"
    bar = line["bar"] or ""
    if line["pass"] is False:
        bar = f"**{bar}, missed**"
    ratio = "" if line["ratio"] is None else f"{line['ratio']:.2f}"
    return f"| {line['name']} | {number(line['value'])}{unit} | {against} | {ratio} | {bar} |"


def machine(seen):
    cores = f"{seen['cores']} core{'' if seen['cores'] == 1 else 's'}"
    return (
        f"{seen['processor']}, {cores}, {number(seen['memory_gib'])} GiB, {seen['kernel']}, "
        f"{seen['nats'].replace(': v', ' ').replace(':', '')}, {seen['redis']}"
    )


def table(part, kept):
    chapter = kept.get(part)
    if chapter is None:
        return "Not measured yet: `make bench-report` writes the table.\n"
    seen = chapter["machine"]
    changed = " with changes" if seen["is_changed"] else ""
    rounds = f"{chapter['rounds']} round{'' if chapter['rounds'] == 1 else 's'}"
    lines = [
        f"`{chapter['command']}`: {rounds}, {chapter['took_s']:.0f} s, {seen['date']}, commit {seen['commit']}{changed}, "
        f"load before {seen['load_before']:.1f}.",
        "",
        "| | measured | against | ratio | asked |",
        "| --- | --- | --- | --- | --- |",
    ]
    return "\n".join(lines + [figure(line) for line in chapter["figures"]]) + "\n"


def machines(kept):
    seen = sorted({machine(chapter["machine"]) for chapter in kept.values()})
    return "".join(f"- {line}\n" for line in seen) or "Not measured yet.\n"


def rendered(page, kept):
    def fill(found):
        part = found.group(2)
        return found.group(1) + (machines(kept) if part == "machine" else table(part, kept)) + found.group(3)

    return TABLE.sub(fill, page)


def load():
    return json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.is_file() else {}


def take(kept):
    """Takes what was measured; the name of each part that was left out, and why."""
    left = []
    for file in sorted(MEASURED.glob("*.json")):
        chapter = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(chapter, dict):
            continue
        if chapter["quick"]:
            left.append(f"{chapter['part']} was measured with --quick")
            continue
        kept[chapter["part"]] = chapter
    return left


def main():
    kept, page = load(), PAGE.read_text(encoding="utf-8")
    if "--write" in sys.argv:
        for reason in take(kept):
            print(f"benchmarks: left out, {reason}", file=sys.stderr)
        KEPT.write_text(json.dumps(dict(sorted(kept.items())), indent=1) + "\n", encoding="utf-8")
        page = rendered(page, kept)
        PAGE.write_text(page, encoding="utf-8")
    named = [found.group(2) for found in TABLE.finditer(page)]
    faults = [f"docs/benchmarks.md has no place for part {part}" for part in kept if part not in named]
    faults += [f"docs/benchmarks.md has part {part} twice" for part in set(named) if named.count(part) > 1]
    if rendered(page, kept) != page:
        faults.append("tables of docs/benchmarks.md are not what docs/benchmarks.json says: tests/docs/benchmarks.py --write")
    for fault in faults:
        print(f"benchmarks: {fault}", file=sys.stderr)
    print(f"benchmarks: {len(named)} tables, {len(kept)} parts measured")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
