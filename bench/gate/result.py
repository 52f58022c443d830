"""What a gate found, and the forms it can be had in."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bench.stats import Interval


class Verdict(StrEnum):
    PASS = "pass"
    FAIL = "fail"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Check:
    """One score of one model and method against its record."""

    model: str
    label: str
    score: str
    margin: float
    recorded: float | None
    """Mean of the record, over the pairs; None, as the next two, where there is no pair."""
    measured: float | None
    """Mean of the run, over the pairs."""
    change: float | None
    """``measured - recorded``, the sign turned where lower is better: below 0 is worse."""
    interval: Interval | None
    """90 %, two-sided: each end is a one-sided bound at 95 %."""
    p: float | None
    """One-sided: that the score has not fallen by more than the margin; Holm-corrected."""
    pairs: int
    prompts: int
    verdict: Verdict
    reason: str
    needed: int | None = None
    """Prompts that would decide, if the change is what it seems to be; None where no number is
    known."""


@dataclass(frozen=True, slots=True)
class GateResult:
    """All checks of a gate."""

    checks: tuple[Check, ...]
    notes: tuple[str, ...]
    """What a reader must know: other versions, other seeds, images that are not in both."""

    @property
    def verdict(self) -> Verdict:
        """Fail if any check fails, else undecided if any is, else pass."""
        found = {c.verdict for c in self.checks}
        return next(v for v in (Verdict.FAIL, Verdict.UNDECIDED, Verdict.PASS) if v in found)

    def exit_code(self, *, strict: bool = False) -> int:
        """1 for fail; 0 for pass; undecided 0, or 2 when ``strict``."""
        return {Verdict.FAIL: 1, Verdict.PASS: 0, Verdict.UNDECIDED: 2 if strict else 0}[
            self.verdict
        ]

    def text(self) -> str:
        from bench.gate.render import text

        return text(self)

    def markdown(self) -> str:
        """A summary for a CI page."""
        from bench.gate.render import markdown

        return markdown(self)

    def junit(self) -> str:
        """JUnit XML: a test case a check; undecided ones count as skipped."""
        from bench.gate.render import junit

        return junit(self)

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": 1,
            "verdict": str(self.verdict),
            "notes": list(self.notes),
            "checks": [
                {
                    **dataclasses.asdict(c),
                    "verdict": str(c.verdict),
                    "interval": list(c.interval) if c.interval else None,
                }
                for c in self.checks
            ],
        }
