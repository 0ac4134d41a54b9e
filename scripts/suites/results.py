"""Brings what test runners write into one form: a line per test with its name, its outcome (passed, failed, skipped), its
seconds and, where it failed, the beginning of why; separated by tabs, in the order of the names.

usage: results.py FORMAT FILE...

  librdkafka  X.tests, names of the tests that were run, with the runner's report X.json and its output X.log beside it
  go          the output of `go test -json`
  junit       JUnit's XML, as pytest and Maven write it

A test that was run more than once counts as failed if it failed once.
"""

import json
import re
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

DETAIL_CHARS_MAX = 300
# How a suite says that it skips what would be another test's repetition: it is no test of the suite.
LEFT_OUT = "left out: "
WORST_LAST = ["skipped", "passed", "failed"]


def librdkafka(path):
    """The report is missing when the runner was killed, which is what it does to itself when a test takes too long."""
    wanted, path = path.read_text().split(), path.with_suffix(".json")
    log = path.with_suffix(".log").read_text(errors="replace") if path.with_suffix(".log").exists() else ""
    log = re.sub(r"\x1b\[[0-9;]*m", "", log)
    try:
        tests = json.loads(path.read_text())["tests"]
    except (OSError, ValueError, KeyError):
        for name in wanted:
            yield name, "failed", 0.0, words_about(name, log) or "the runner ended without a report"
        return
    for whole in wanted:
        name = whole.partition("/")[0]
        if name not in tests:
            yield whole, "failed", 0.0, "the runner does not report it"
            continue
        outcome = {"PASSED": "passed", "SKIPPED": "skipped"}.get(tests[name]["state"], "failed")
        # The runner calls a test passed of which nothing was run.
        if outcome == "passed" and "/" in whole and ": PASS (" not in log:
            outcome = "skipped"
        yield whole, outcome, tests[name]["duration"], "" if outcome == "passed" else words_about(name, log)


def words_about(name, log):
    """What the runner says about the first failure of a test, or why it was skipped."""
    failure = re.search(rf'### Test "{name}\b.*\n.*', log)
    skip = re.search(rf"^\[{name}\s.*SKIPPING TEST: (.*)", log, re.MULTILINE)
    return failure[0] if failure else skip[1] if skip else ""


def go(path):
    words, ended, outcomes = {}, {}, {"pass": "passed", "fail": "failed", "skip": "skipped"}
    for line in path.read_text(errors="replace").splitlines():
        if not line.startswith("{"):
            continue
        event = json.loads(line)
        name = event.get("Test")
        if name is None:
            continue
        if event["Action"] == "output":
            words.setdefault(name, []).append(event["Output"])
            continue
        if event["Action"] == "run":
            words.setdefault(name, [])
        if event["Action"] in outcomes:
            said = [word for word in words.pop(name, []) if not re.match(r"\s*(=== |--- |\[)", word)]
            outcome = outcomes[event["Action"]]
            # A test passes all of whose parts skip themselves.
            parts = {ended[part] for part in ended if part.startswith(f"{name}/")}
            if outcome == "passed" and parts == {"skipped"}:
                outcome = "skipped"
            ended[name] = outcome
            yield name, outcome, event.get("Elapsed", 0), "".join(said[-3:]) if outcome == "failed" else ""
    for name, said in words.items():
        yield name, "failed", 0.0, "never ended: " + "".join(said[-3:])


def junit(path):
    for case in xml.parse(path).getroot().iter("testcase"):
        skipped = case.find("skipped")
        if skipped is not None and (skipped.text or "").startswith(LEFT_OUT):
            continue
        where, name = case.get("classname", ""), case.get("name", "")
        wrong = case.find("failure") if case.find("failure") is not None else case.find("error")
        outcome = "failed" if wrong is not None else "skipped" if skipped is not None else "passed"
        detail = (wrong.get("message") or wrong.text or "") if wrong is not None else ""
        yield f"{where}::{name}" if where else name, outcome, float(case.get("time") or 0), detail


def one_line(text):
    return " ".join(re.sub(r"\x1b\[[0-9;]*m", "", text).split())[:DETAIL_CHARS_MAX]


def gather(read, paths):
    tests = {}
    for path in paths:
        for name, outcome, seconds, detail in read(Path(path)):
            name = " ".join(name.split())
            before = tests.get(name)
            if before is None or WORST_LAST.index(outcome) > WORST_LAST.index(before[0]):
                tests[name] = (outcome, seconds, one_line(detail))
    return [(name, *tests[name]) for name in sorted(tests)]


if __name__ == "__main__":
    formats = {"librdkafka": librdkafka, "go": go, "junit": junit}
    for name, outcome, seconds, detail in gather(formats[sys.argv[1]], sys.argv[2:]):
        print(name, outcome, f"{seconds:.1f}", detail, sep="\t")
