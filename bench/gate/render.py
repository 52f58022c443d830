"""A gate's result as text, Markdown and JUnit XML."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from bench.gate.result import Check, GateResult, Verdict
from bench.leaderboard.export import escaped, grid
from bench.leaderboard.wording import bracket, number, signed

_SAID = {
    Verdict.PASS: "passed",
    Verdict.FAIL: "failed",
    Verdict.UNDECIDED: "undecided",
}
_MARK = {Verdict.PASS: "✓", Verdict.FAIL: "✗", Verdict.UNDECIDED: "?"}


def text(result: GateResult) -> str:
    lines = [
        f"{_MARK[c.verdict]} {c.label} {c.score}: {_figures(c)}; {c.reason}" for c in result.checks
    ]
    lines += [f"note: {note}" for note in result.notes]
    return "\n".join([*lines, headline(result)])


def headline(result: GateResult) -> str:
    """The outcome in one line."""
    counts = [
        f"{n} {_SAID[v]}" for v in Verdict if (n := sum(c.verdict == v for c in result.checks))
    ]
    line = f"Gate {_SAID[result.verdict]}: {', '.join(counts)}"
    needed = [c.needed for c in result.checks if c.needed is not None]
    if result.verdict is Verdict.UNDECIDED and needed:
        line += f"; about {max(needed)} prompts would decide"
    return line


def markdown(result: GateResult) -> str:
    rows = [
        [
            _MARK[c.verdict],
            escaped(f"{c.model} {c.label}"),
            escaped(c.score),
            number(c.recorded),
            number(c.measured),
            f"{signed(c.change)} {bracket(c.interval)}".rstrip(),
            number(c.margin),
            str(c.prompts),
            escaped(c.reason),
        ]
        for c in result.checks
    ]
    left = ["", "method", "score"]
    right = ["recorded", "now", "change [90 %]", "margin", "prompts", "why"]
    parts = [f"### {headline(result)}", "", *grid(left, right, rows), ""]
    parts += [f"- {escaped(note)}" for note in result.notes]
    return "\n".join(parts).rstrip("\n") + "\n"


def junit(result: GateResult) -> str:
    suite = ElementTree.Element(
        "testsuite",
        name="bench gate",
        tests=str(len(result.checks)),
        failures=str(sum(c.verdict is Verdict.FAIL for c in result.checks)),
        errors="0",
        skipped=str(sum(c.verdict is Verdict.UNDECIDED for c in result.checks)),
    )
    for c in result.checks:
        case = ElementTree.SubElement(
            suite, "testcase", classname=_xml(f"{c.model}.{c.label}"), name=_xml(c.score), time="0"
        )
        if c.verdict is Verdict.FAIL:
            ElementTree.SubElement(case, "failure", message=_xml(c.reason)).text = _figures(c)
        elif c.verdict is Verdict.UNDECIDED:
            ElementTree.SubElement(case, "skipped", message=_xml(c.reason))
        ElementTree.SubElement(case, "system-out").text = _xml(f"{_figures(c)}; {c.reason}")
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=False) + "\n"


def _figures(c: Check) -> str:
    change = f"{signed(c.change)} {bracket(c.interval)}".rstrip()
    plural = "" if c.prompts == 1 else "s"
    return f"{number(c.recorded)} -> {number(c.measured)} ({change}, {c.prompts} prompt{plural})"


def _xml(text: str) -> str:
    """Text without the characters that XML 1.0 cannot hold at all."""
    return re.sub("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
