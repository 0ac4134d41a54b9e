"""Compares the results of a client's own tests with the list of those that must pass.

A list is a file in allow/, with a line per test:

    pass NAME              must pass
    short NAME             must pass, and belongs to the short selection
    not NAME # REASON      is run and does not pass, and why; `*` in NAME stands for anything
    skip NAME # REASON     is not run at all, and why

Other lines are empty or comments, which begin with `#`. So a list can only be wrong in ways that show: the judge is against a
test that must pass and does not or did not run, against one that passes and is not on the list, against one that the list does
not name, and against a line of which the results know nothing.

usage: judge.py check [--short] LIST RESULTS     exit status 1 with the findings
       judge.py short LIST                       the names of the short selection
       judge.py skipped LIST                     the names of those that are not run
       judge.py show RESULTS                     what came out, without judging
       judge.py report LIST RESULTS REPORT       writes these results into the report
"""

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path


class BadList(Exception):
    """A line of a list that means nothing."""


@dataclass
class Allowed:
    """What a list says."""

    passing: dict = field(default_factory=dict)  # name -> whether it is in the short selection
    reasons: dict = field(default_factory=dict)  # name or pattern -> why it does not pass
    not_run: dict = field(default_factory=dict)  # name -> why it is not run

    def line(self, name):
        """The name or pattern by which the list says why this test does not pass; None where it says nothing."""
        if name in self.reasons:
            return name
        patterns = (pattern for pattern in self.reasons if "*" in pattern)
        return next((pattern for pattern in patterns if re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name)), None)

    def reason(self, name):
        """Why this test does not pass; None where the list says nothing."""
        return self.reasons.get(self.line(name))


@dataclass
class Result:
    """How one test ended."""

    name: str
    outcome: str
    seconds: float
    detail: str


def read_list(text):
    allowed = Allowed()
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        word, _, name = line.partition(" ")
        reason = None
        if word in ("not", "skip"):
            name, mark, reason = name.partition(" # ")
            if not mark or not reason.strip():
                raise BadList(f"line {number}: `{line}` gives no reason after ` # `")
        elif word not in ("pass", "short"):
            raise BadList(f"line {number}: `{line}` begins with neither pass, short, not nor skip")
        name = name.strip()
        if not name:
            raise BadList(f"line {number}: `{line}` names no test")
        if name in allowed.passing or name in allowed.reasons or name in allowed.not_run:
            raise BadList(f"line {number}: `{name}` is there twice")
        if reason is None:
            allowed.passing[name] = word == "short"
        else:
            (allowed.reasons if word == "not" else allowed.not_run)[name] = reason.strip()
    return allowed


def read_results(text):
    """The client's name and version, and the tests."""
    client, results = "", []
    for line in text.splitlines():
        if line.startswith("# "):
            client = line[2:]
            continue
        name, outcome, seconds, detail = (line.split("\t") + [""])[:4]
        results.append(Result(name, outcome, float(seconds), detail))
    return client, results


def check(allowed, results, short):
    """What is wrong, a line each."""
    findings = []
    seen = {result.name: result for result in results}
    for name, in_short in allowed.passing.items():
        if short and not in_short:
            continue
        result = seen.get(name)
        if result is None:
            findings.append(f"{name} must pass, and did not run")
        elif result.outcome != "passed":
            findings.append(f"{name} must pass, and was {result.outcome}: {result.detail}")
    if short:
        return findings
    for result in results:
        if result.name in allowed.passing:
            continue
        reason = allowed.reason(result.name)
        if result.outcome == "passed":
            findings.append(f"{result.name} passes: put it on the list" + (f", it says: {reason}" if reason else ""))
        elif reason is None:
            findings.append(f"{result.name} was {result.outcome} and is not on the list: {result.detail}")
    known = {allowed.line(result.name) for result in results}
    findings += [f"{name} is not to pass, and did not run: is it gone?" for name in allowed.reasons if name not in known]
    findings += [f"{name} is not to be run, and was" for name in allowed.not_run if name in seen]
    return findings


def summary(allowed, results, findings, short):
    """The line that the test command adds up."""
    passed = sum(1 for result in results if result.outcome == "passed" and (not short or allowed.passing.get(result.name)))
    rest = 0 if short else sum(1 for result in results if result.outcome != "passed" and allowed.reason(result.name)) + len(allowed.not_run)
    word = "FAILED" if findings else "ok"
    return f"test result: {word}. {passed} passed; {len(findings)} failed; {rest} ignored"


HEAD = """# Compatibility report

What the clients' own test suites say about a cluster of ours: three brokers, fresh for each suite. Each suite is fetched from a
package registry, not kept here, and `scripts/suites/run.sh` runs them all and writes this page; what must pass and why the rest
does not is listed in `scripts/suites/allow/`. What skips itself counts as not passed; a test with parts counts besides its parts.

| suite | client | passed | not passed | not run |
|---|---|---|---|---|
"""


COUNTS = re.compile(r"^(.*): (\d+) passed, (\d+) not passed, (\d+) not run\.$", re.MULTILINE)


def section(name, allowed, client, results):
    """The part of the report about one suite. Tests with one reason stand together, in the order of the list."""
    passed = [result.name for result in results if result.outcome == "passed"]
    rest = sorted({result.name for result in results} - set(passed))
    lines = [f"## {name}", "", f"{client}: {len(passed)} passed, {len(rest)} not passed, {len(allowed.not_run)} not run.", ""]
    lines += by_reason("Not passed:", rest, lambda test: allowed.reason(test) or "no reason is known", allowed.reasons.values())
    lines += by_reason("Not run:", sorted(allowed.not_run), allowed.not_run.get, allowed.not_run.values())
    lines += ["<details><summary>Passed</summary>", "", ", ".join(f"`{test}`" for test in passed), "", "</details>", ""]
    return "\n".join(lines)


def by_reason(head, tests, reason_of, order):
    groups = {reason: [] for reason in order}
    for test in tests:
        groups.setdefault(reason_of(test), []).append(f"`{test}`")
    lines = [f"- {reason}: {', '.join(names)}" for reason, names in groups.items() if names]
    return [head, "", *lines, ""] if lines else []


def report(before, name, part):
    """The report with this part in place of the one of the same name."""
    parts = {match[1]: match[0] for match in re.finditer(r"^## (\S+)\n.*?(?=^## |\Z)", before, re.MULTILINE | re.DOTALL)}
    parts[name] = part
    rows = []
    for suite in sorted(parts):
        client, *counts = COUNTS.search(parts[suite]).groups()
        rows.append(f"| [{suite}](#{suite}) | {client} | {' | '.join(counts)} |\n")
    return HEAD + "".join(rows) + "\n" + "\n".join(parts[suite].strip() + "\n" for suite in sorted(parts))


def main(arguments):
    command, arguments = arguments[0], arguments[1:]
    short = "--short" in arguments
    paths = [Path(word) for word in arguments if word != "--short"]
    if command == "show":
        for result in read_results(paths[0].read_text())[1]:
            print(f"{result.outcome:8} {result.seconds:7.1f} s  {result.name}  {result.detail}")
        return 0
    name = paths[0].stem
    try:
        allowed = read_list(paths[0].read_text() if paths[0].exists() else "")
    except BadList as bad:
        print(f"{paths[0]}: {bad}")
        return 1
    if command == "short":
        print(*(test for test, in_short in allowed.passing.items() if in_short), sep="\n")
        return 0
    if command == "skipped":
        print(*allowed.not_run, sep="\n")
        return 0
    client, results = read_results(paths[1].read_text())
    if command == "check":
        findings = check(allowed, results, short)
        seconds = sum(result.seconds for result in results)
        print(f"test suite {name} ... {'FAILED' if findings else 'ok'}, {seconds:.0f} s of tests")
        for finding in findings:
            print(f"    {finding}")
        print(summary(allowed, results, findings, short))
        return 1 if findings else 0
    if command == "report":
        before = paths[2].read_text() if paths[2].exists() else ""
        paths[2].write_text(report(before, name, section(name, allowed, client, results)))
        return 0
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
