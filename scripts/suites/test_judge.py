"""The judge judged: python3 scripts/suites/test_judge.py"""

import sys
import tempfile
import unittest
from pathlib import Path

import judge
import results


def outcome(**tests):
    return [judge.Result(name, outcome, 1.0, "why") for name, outcome in tests.items()]


class Judge(unittest.TestCase):
    allowed = judge.read_list("# head\npass a\nshort b\n\nnot c # needs TLS\nnot d_* # needs # a hash\nskip e # hangs\n")

    def findings(self, short=False, **tests):
        """Of these results, and of those of the tests that need no mention."""
        usual = {} if short else dict(c="failed", d_1="skipped")
        return judge.check(self.allowed, outcome(**{**usual, **tests}), short)

    def test_what_was_expected_is_fine(self):
        self.assertEqual(self.findings(a="passed", b="passed"), [])
        self.assertEqual(self.findings(a="passed", b="passed", c="skipped", d_2="failed"), [])

    def test_a_line_must_be_about_something(self):
        left = judge.check(self.allowed, outcome(a="passed", b="passed", c="failed"), False)
        self.assertEqual(left, ["d_* is not to pass, and did not run: is it gone?"])
        self.assertEqual(self.findings(a="passed", b="passed", e="skipped"), ["e was skipped and is not on the list: why", "e is not to be run, and was"])

    def test_a_test_on_the_list_must_run_and_pass(self):
        self.assertEqual(self.findings(a="failed", b="passed"), ["a must pass, and was failed: why"])
        self.assertEqual(self.findings(a="skipped", b="passed"), ["a must pass, and was skipped: why"])
        self.assertEqual(self.findings(b="passed"), ["a must pass, and did not run"])

    def test_the_list_must_grow(self):
        self.assertEqual(len(self.findings(a="passed", b="passed", c="passed")), 1)
        self.assertEqual(len(self.findings(a="passed", b="passed", f="passed")), 1)

    def test_whoever_is_not_on_the_list_needs_a_reason(self):
        self.assertEqual(len(self.findings(a="passed", b="passed", f="failed")), 1)
        self.assertEqual(len(self.findings(a="passed", b="passed", f="skipped")), 1)

    def test_short_is_about_the_short_selection_only(self):
        self.assertEqual(self.findings(short=True, b="passed", e="failed"), [])
        self.assertEqual(len(self.findings(short=True, a="passed")), 1)
        line = judge.summary(self.allowed, outcome(a="passed", b="passed"), [], True)
        self.assertEqual(line, "test result: ok. 1 passed; 0 failed; 0 ignored")

    def test_reasons(self):
        self.assertEqual(self.allowed.reason("d_1"), "needs # a hash")
        self.assertEqual(self.allowed.reason("c"), "needs TLS")
        self.assertIsNone(self.allowed.reason("x"))
        line = judge.summary(self.allowed, outcome(a="passed", b="failed", c="failed"), ["b"], False)
        self.assertEqual(line, "test result: FAILED. 1 passed; 1 failed; 2 ignored")

    def test_lists_that_mean_nothing_are_refused(self):
        for text in ("not a", "not a # ", "skip a", "pass a\nskip a # b", "maybe a", "pass", "pass a\npass a", "pass a\nnot a # b"):
            with self.assertRaises(judge.BadList, msg=text):
                judge.read_list(text)

    def test_a_report_keeps_the_other_suites(self):
        first = judge.section("b", self.allowed, "b 1.0", outcome(a="passed", c="failed"))
        second = judge.section("a", self.allowed, "a 2.0", outcome(a="passed"))
        once = judge.report("", "b", first)
        self.assertIn("| [b](#b) | b 1.0 | 1 | 1 | 1 |", once)
        self.assertIn("- needs TLS: `c`", once)
        self.assertIn("- hangs: `e`", once)
        both = judge.report(once, "a", second)
        self.assertLess(both.index("## a"), both.index("## b"))
        self.assertEqual(judge.report(judge.report(both, "b", first), "a", second), both)


class Results(unittest.TestCase):
    def read(self, form, text):
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "results"
            path.write_text(text)
            return [result[:2] for result in results.gather(form, [path])]

    def test_go(self):
        text = "\n".join(
            '{"Action":"%s","Test":"%s","Elapsed":1}' % event
            for event in [("run", "A"), ("run", "A/x"), ("pass", "A/x"), ("pass", "A"), ("skip", "B"), ("run", "C")]
        )
        self.assertEqual(self.read(results.go, text), [("A", "passed"), ("A/x", "passed"), ("B", "skipped"), ("C", "failed")])

    def test_a_go_test_all_of_whose_parts_skip_themselves_is_skipped(self):
        events = [("run", "A"), ("run", "A/x"), ("skip", "A/x"), ("pass", "A"), ("run", "B"), ("skip", "B/x"), ("pass", "B/y"), ("pass", "B")]
        text = "\n".join('{"Action":"%s","Test":"%s"}' % event for event in events)
        self.assertEqual(self.read(results.go, text), [("A", "skipped"), ("A/x", "skipped"), ("B", "passed"), ("B/x", "skipped"), ("B/y", "passed")])

    def test_junit(self):
        text = """<testsuites><testsuite>
            <testcase classname="t" name="a"/><testcase classname="t" name="b"><skipped/></testcase>
            <testcase classname="t" name="c"><failure message="m"/></testcase>
            <testcase classname="t" name="a"><error/></testcase></testsuite></testsuites>"""
        self.assertEqual(self.read(results.junit, text), [("t::a", "failed"), ("t::b", "skipped"), ("t::c", "failed")])

    def test_librdkafka(self):
        text = '''{"tests": {"<MAIN>": {"state": "PASSED"}, "0001_a": {"state": "PASSED", "duration": 1},
            "0002_b": {"state": "SKIPPED", "duration": 0}}}'''
        with tempfile.TemporaryDirectory() as directory:
            tests = Path(directory) / "0001.tests"
            tests.write_text("0001_a\n")
            tests.with_suffix(".json").write_text(text)
            self.assertEqual([result[:2] for result in results.gather(results.librdkafka, [tests])], [("0001_a", "passed")])
            tests.write_text("0001_a\n0003_c\n")
            self.assertEqual(results.gather(results.librdkafka, [tests])[1][:2], ("0003_c", "failed"))
            tests.write_text("0001_a\n")
            tests.with_suffix(".json").write_text("{")
            self.assertEqual([result[:2] for result in results.gather(results.librdkafka, [tests])], [("0001_a", "failed")])


if __name__ == "__main__":
    ran = unittest.main(exit=False, verbosity=0).result
    failed = len(ran.failures) + len(ran.errors)
    print(f"test result: {'FAILED' if failed else 'ok'}. {ran.testsRun - failed} passed; {failed} failed; 0 ignored")
    sys.exit(1 if failed else 0)
