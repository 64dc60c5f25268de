#!/usr/bin/env python3
"""One line of tries.jsonl, of a comparison of a program with itself in which one cell was slowed down.

    calibration_try.py gate GATE.JSON CELL PERCENT
    calibration_try.py criterion STDOUT CELL PERCENT SECONDS
    calibration_try.py filter GATE.JSON FIXED       Criterion's filter for the cells of a gate, and the
                                                    measurement time with which it takes as long
"""
import json
import re
import sys

UNDECIDED = {"inconclusive", "void", "not-timed", "error"}


def line(tool, cell, percent, cells, seconds, regressed, undecided):
    print(json.dumps({
        "tool": tool, "cell": cell, "planted": float(percent), "cells": cells, "seconds": round(seconds, 1),
        "regressed": regressed, "undecided": undecided,
    }))


def gate(path, cell, percent):
    found = json.load(open(path))
    of = lambda verdicts: [case["id"] for case in found["cases"] if case["verdict"] in verdicts]
    line("attn gate", cell, percent, len(found["cases"]), found["seconds"], of({"regressed"}), len(of(UNDECIDED)))


def criterion(path, cell, percent, seconds):
    """`gate/faer/short  time: [..]`, the name on a line of its own where it is long, then `change: [..]` and
    in the end a sentence."""
    name, names, regressed = None, set(), []
    for text in open(path):
        if found := re.match(r"(gate/\S+)", text):
            name = found[1]
            names.add(name)
        if "Performance has regressed" in text:
            group, rest = name.split("/", 1)
            backend, case = rest.rsplit("/", 1)
            regressed.append(f"{backend}:{group}/{case}")
    line("Criterion", cell, percent, len(names), float(seconds), regressed, 0)


def filter(path, fixed):
    found = json.load(open(path))
    names = [case["id"].split(":") for case in found["cases"]]
    names = ["/".join([case.split("/")[0], backend, case.split("/")[1]]) for backend, case in names]
    each = found["seconds"] / 2 / len(names) - float(fixed)
    print("^(" + "|".join(map(re.escape, names)) + ")$", round(max(each, 0.5), 2))


if __name__ == "__main__":
    {"gate": gate, "criterion": criterion, "filter": filter}[sys.argv[1]](*sys.argv[2:])
