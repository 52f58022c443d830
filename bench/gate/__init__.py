"""Pass or fail a run against a recorded baseline, with statistics a CI job can rely on."""

from bench.gate.decide import MARGIN, gate
from bench.gate.recorded import record
from bench.gate.result import Check, GateResult, Verdict

__all__ = ["MARGIN", "Check", "GateResult", "Verdict", "gate", "record"]
