#!/usr/bin/env python3
"""Counts the single tests in CTest's JUnit file; the last line is "N passed, N failed"."""

import re
import sys
import xml.etree.ElementTree as ElementTree

# What cmocka and pytest print at the end, by what it counts.
CLOSING = {
    "passed": [r"\[  PASSED  \] (\d+) test", r"\b(\d+) passed\b.* in [\d.]+s"],
    "failed": [r"\[  FAILED  \] (\d+) test", r"\b(\d+) failed\b.* in [\d.]+s",
               r"\b(\d+) errors?\b.* in [\d.]+s"],
    "skipped": [r"\[  SKIPPED \] (\d+) test", r"\b(\d+) skipped\b.* in [\d.]+s"],
}


def count(case):
    """The numbers of one program's tests; a program that counts nothing, or dies, is one test."""
    output = "".join(case.itertext())
    numbers = {kind: sum(int(number) for pattern in patterns
                         for number in re.findall(pattern, output))
               for kind, patterns in CLOSING.items()}
    is_good = case.get("status") == "run"
    if not is_good and numbers["failed"] == 0:
        numbers["failed"] = 1
    if is_good and sum(numbers.values()) == 0:
        numbers["passed"] = 1
    return numbers


def main():
    try:
        cases = ElementTree.parse(sys.argv[1]).iter("testcase")
    except OSError:
        cases = []
    totals = dict.fromkeys(CLOSING, 0)
    failed = []
    for case in cases:
        numbers = count(case)
        totals = {kind: totals[kind] + numbers[kind] for kind in totals}
        if numbers["failed"]:
            failed.append(case.get("name"))
    print()
    if failed:
        print("failed in:", *failed)
    skipped = f", {totals['skipped']} skipped" if totals["skipped"] else ""
    print(f"{totals['passed']} passed, {totals['failed']} failed{skipped}")
    return 1 if totals["failed"] or not totals["passed"] else 0


if __name__ == "__main__":
    sys.exit(main())
