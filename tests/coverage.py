#!/usr/bin/env python3
"""Prints the line coverage of each layer of src from a COVERAGE build's counters, by gcov."""

import collections
import json
import os
import subprocess
import sys
from pathlib import Path

LINES_MIN = {layer: 0.90 for layer in ("base", "token", "http", "mint", "cache")}


def gcov_documents(build):
    """What gcov says of each object of the layers that has counters, run or not."""
    notes = sorted(str(path) for path in Path(build, "src").rglob("*.gcno"))
    output = subprocess.check_output(["gcov", "--json-format", "--stdout", *notes], text=True,
                                     cwd=build, stderr=subprocess.DEVNULL)
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def line_counts(source, build):
    """How often each line ran: {path below src: {line: count}}."""
    counts = collections.defaultdict(collections.Counter)
    top = os.path.realpath(Path(source, "src")) + "/"
    for document in gcov_documents(build):
        folder = document["current_working_directory"]
        for file in document["files"]:
            path = os.path.realpath(os.path.join(folder, file["file"]))
            if not path.startswith(top):
                continue
            for line in file["lines"]:
                counts[path[len(top):]][line["line_number"]] += line["count"]
    return counts


def share(files):
    lines = [count for file in files for count in file.values()]
    return sum(1 for count in lines if count) / max(1, len(lines)), len(lines)


def main():
    source, build = sys.argv[1:]
    counts = line_counts(source, build)
    low = []
    for layer in sorted({path.split("/")[0] for path in counts}):
        files = {path: lines for path, lines in counts.items() if path.startswith(layer + "/")}
        covered, total = share(files.values())
        least = LINES_MIN.get(layer, 0)
        bound = f"(at least {least:.0%})" * bool(least)
        print(f"{layer:10} {covered:7.1%} of {total:5} lines", bound)
        if covered <= least:
            low.append(layer)
        for path, lines in sorted(files.items()):
            if share([lines])[0] < 0.9:
                missed = [number for number, count in sorted(lines.items()) if not count]
                print(f"    {path:30} {share([lines])[0]:6.1%}, not run:", *missed[:12],
                      *["..."] * (len(missed) > 12))
    absent = sorted(set(LINES_MIN) - {path.split("/")[0] for path in counts})
    if low or absent:
        print("too low:", *low, *(f"{layer} (nothing measured)" for layer in absent))
    return 1 if low or absent else 0


if __name__ == "__main__":
    sys.exit(main())
