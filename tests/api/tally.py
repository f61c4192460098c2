"""Says how often each operation was tried, and how often with success.

    tally.py DOCUMENT COUNTS

Fails where an operation was tried fewer than 20 times, or answered fewer than 30 of 100 tries with
2xx. One that takes nothing, neither parameters nor a body, has no second case, and need not be tried so often. Tries with a method that the operation does not have are counted apart.
"""

import json
import sys

CASES_MIN = 20
SUCCESS_MIN = 0.3


def main(document, counts):
    with open(document, encoding="utf-8") as file:
        paths = json.load(file)["paths"]
    with open(counts, encoding="utf-8") as file:
        tally = json.load(file)
    rows = []
    fixed = {
        operation["operationId"]
        for item in paths.values()
        for operation in item.values()
        if "requestBody" not in operation and not operation.get("parameters")
    }
    for operation in (operation for item in paths.values() for operation in item.values()):
        told = dict(tally.get(operation["operationId"], {}))
        other = told.pop("other method", 0)
        cases = sum(told.values())
        good = sum(count for status, count in told.items() if status.startswith("2"))
        rows.append((good / cases if cases else 0.0, operation["operationId"], cases, good, other, told))
    rows.sort()
    def is_short(row):
        return row[0] < SUCCESS_MIN or row[2] < (1 if row[1] in fixed else CASES_MIN)

    short = [row for row in rows if is_short(row)]
    print(f"{'operation':<32} {'cases':>6} {'2xx':>6} {'share':>6} {'other methods':>14}  answers")
    for row in rows:
        share, operation, cases, good, other, told = row
        mark = "!" if is_short(row) else " "
        statuses = " ".join(f"{status}:{count}" for status, count in sorted(told.items()))
        print(f"{mark}{operation:<31} {cases:>6} {good:>6} {share:>6.0%} {other:>14}  {statuses}")
    total = sum(row[2] for row in rows)
    print(f"{len(rows)} operations, {total} cases, {sum(row[3] for row in rows)} answered 2xx; {len(short)} fall short")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
