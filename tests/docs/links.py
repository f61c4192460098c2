#!/usr/bin/env python3
"""Checks that each relative link of the documentation leads to a file, and each fragment to a heading of it.

Looks at README.md, ARCHITECTURE.md, CONTRIBUTING.md, examples/**/*.md and docs/**/*.md. Links to the web are left alone.
Each page of docs/ must be named by README.md or docs/operating.md, or by the index of its own folder.
"""

import re
import sys
import unicodedata
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\[\]]*\])*\]\(\s*<?([^)\s>]+)>?(?:\s+[\"'][^)]*)?\)|^\s*\[[^\]]+\]:\s+<?(\S+?)>?\s*$")
HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*\s*$")
CODE = re.compile(r"(`+)(?:(?!\1).)+?\1")


def pages() -> list[Path]:
    named = [ROOT / name for name in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"]]
    folders = [*(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]
    return [page for page in named if page.exists()] + sorted(page for page in folders if "node_modules" not in page.parts)


def prose(page: Path):
    """The lines outside of fenced and indented code, with their numbers."""
    fence, after_blank = None, True
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        mark = re.match(r"^\s*(`{3,}|~{3,})", line)
        if mark and fence is None:
            fence = mark[1]
            continue
        if fence is not None:
            if line.strip().startswith(fence) and not line.strip().strip(fence[0]):
                fence = None
            continue
        is_code = line.startswith("    ") and after_blank
        if not is_code:
            yield number, line
        after_blank = is_code or not line.strip()


def slug(heading: str) -> str:
    """The name that GitHub gives a heading."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
    kept = (char for char in text if char in "-_ " or unicodedata.category(char)[0] in "LNM")
    return "".join(kept).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    found: dict[str, int] = {}
    names = set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", page.read_text(encoding="utf-8")))
    for _, line in prose(page):
        heading = HEADING.match(line)
        if heading:
            name = slug(heading[2])
            count = found.get(name, 0)
            found[name] = count + 1
            names.add(f"{name}-{count}" if count else name)
    return names


def main() -> int:
    faults, links, known, named = [], 0, {}, {}
    for page in pages():
        for number, line in prose(page):
            for match in LINK.finditer(CODE.sub(lambda code: "x" * len(code[0]) if "](" in code[0] else code[0], line)):
                target = match[1] or match[2]
                if re.match(r"^[a-z][a-z0-9+.-]*:", target, re.IGNORECASE):
                    continue
                links += 1
                path, _, fragment = target.partition("#")
                there = (page.parent / unquote(path)).resolve() if path else page
                place = f"{page.relative_to(ROOT)}:{number}: {target}"
                if not there.exists() or not there.is_relative_to(ROOT):
                    faults.append(f"{place} leads nowhere")
                    continue
                named.setdefault(there, set()).add(page)
                if fragment and there.suffix == ".md":
                    if there not in known:
                        known[there] = anchors(there)
                    if unquote(fragment) not in known[there]:
                        faults.append(f"{place} names no heading of {there.relative_to(ROOT)}")
    lists = {ROOT / "README.md", ROOT / "docs/operating.md"}
    for page in sorted((ROOT / "docs").glob("*.md")):
        if page not in lists and not named.get(page, set()) & lists:
            faults.append(f"{page.relative_to(ROOT)} is named neither by README.md nor by docs/operating.md")
    for fault in faults:
        print(f"links: {fault}", file=sys.stderr)
    if not faults:
        print(f"links: {links} lead somewhere")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
