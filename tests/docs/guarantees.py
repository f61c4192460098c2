#!/usr/bin/env python3
"""Each test that docs/guarantees.md names is there: `file::test`, or `file::*`, below tests/tests/scenario."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCENARIOS = ROOT / "tests/tests/scenario"
NAMED = re.compile(r"`([a-z_:]+)::(\*|[a-z_0-9]+)`")


def tests(module):
    file = SCENARIOS / (module.replace("::", "/") + ".rs")
    return set(re.findall(r"async fn (\w+)", file.read_text(encoding="utf-8"))) if file.is_file() else None


def main():
    page = (ROOT / "docs/guarantees.md").read_text(encoding="utf-8")
    named = sorted(set(NAMED.findall(page)))
    faults = [f"{module}::{test}" for module, test in named if not (found := tests(module)) or (test != "*" and test not in found)]
    for fault in faults:
        print(f"guarantees: docs/guarantees.md names {fault}, which is not there", file=sys.stderr)
    print(f"guarantees: {len(named) - len(faults)} of {len(named)} tests are there")
    return bool(faults) or not named


if __name__ == "__main__":
    sys.exit(main())
