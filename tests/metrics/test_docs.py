"""The documentation of the scores names all that there is."""

from dataclasses import fields
from pathlib import Path

import pytest

from bench import registry
from bench.judges import SPECS
from metrics import blip_vqa, localization, numeracy, spatial_2d, spatial_3d, three_in_one

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def page():
    return (DOCS / "scoring.md").read_text("utf-8")


@pytest.mark.parametrize("module", [blip_vqa, spatial_2d, spatial_3d, numeracy, three_in_one])
def test_every_switch_stands_in_the_table_of_its_metric(page, module):
    table = page[page.index("| metric | switch |") :]
    section = table[table.index(f"| `{module.NAME}` | `") :].split("\n\n")[0].split("\n| `")[0]
    for field in fields(module.Fixes):
        assert f"`{field.name}`" in section, f"{module.NAME}: {field.name}"


def test_every_metric_score_and_judge_is_listed(page):
    for name in registry.entries("metric"):
        assert f"| `{name}` |" in page
    for name in (*localization.COLUMNS, "detector_agreement"):
        assert f"`{name}`" in page
    judges = (DOCS / "own-metric.md").read_text("utf-8")
    for name, spec in SPECS.items():
        assert f"`{name}`" in judges, spec
