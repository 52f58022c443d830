"""Sketch layouts: what a prompt asks for, and a place for each of it."""

from bench.layouts.build import build_layouts
from bench.layouts.check import Fault, faults
from bench.layouts.io import read_layouts, write_layouts
from bench.layouts.parse import parse
from bench.layouts.plan import LayoutWarning, plan
from bench.layouts.records import ParsedInstance, ParsedPrompt, ParsedRelation
from bench.layouts.sketch import region_masks

__all__ = [
    "Fault",
    "LayoutWarning",
    "ParsedInstance",
    "ParsedPrompt",
    "ParsedRelation",
    "build_layouts",
    "faults",
    "parse",
    "plan",
    "read_layouts",
    "region_masks",
    "write_layouts",
]
