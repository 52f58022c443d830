"""The shipped layouts: whole, in order, without words, joined by hash; corrections stay."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from bench.errors import BenchError
from bench.identity import file_digest
from bench.layouts import faults
from bench.layouts import freeze as freezing
from bench.layouts.agreement import agreement
from bench.layouts.freeze import freeze, verify_manifest
from bench.layouts.frozen import FOLDER, FrozenRow, join_category, load_layouts, read_frozen
from bench.layouts.io import write_rows
from bench.prompts.t2i_compbench import CATEGORIES, Prompt, text_digest
from bench.suites import load_suite

OFFICIAL = Path(__file__).parents[2].parent / "shared" / "t2i-compbench"
official = pytest.mark.skipif(
    not OFFICIAL.is_dir(), reason="the official prompt files are not here"
)
LABELS = Path(__file__).parent / "labels"
SCHEMA = json.loads((FOLDER / "schema.json").read_text())


def rows() -> list[tuple[str, Any]]:
    return [
        (path.name, json.loads(line))
        for path in sorted(FOLDER.glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]


def broken(value: Any, schema: dict[str, Any], at: str = "row") -> list[str]:
    """What a value breaks of a JSON Schema, for the keywords that ours uses."""
    if "$ref" in schema:
        return broken(value, SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], at)
    if "anyOf" in schema:
        tried = [broken(value, option, at) for option in schema["anyOf"]]
        return [] if any(not t for t in tried) else tried[0]
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "null": type(None),
             "number": (int, float)}  # fmt: skip
    if "type" in schema and (
        not isinstance(value, kinds[schema["type"]]) or isinstance(value, bool)
    ):
        return [f"{at} is no {schema['type']}"]
    out = []
    if "enum" in schema and value not in schema["enum"]:
        out.append(f"{at}: {value!r}")
    if isinstance(value, str):
        if not re.search(schema.get("pattern", ""), value) or len(value) < schema.get(
            "minLength", 0
        ):
            out.append(f"{at}: {value!r}")
    elif isinstance(value, int | float):
        if not schema.get("minimum", value) <= value <= schema.get("maximum", value):
            out.append(f"{at}: {value}")
    elif isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            out.append(f"{at} has {len(value)} items")
        given = schema.get("prefixItems") or [schema.get("items", {})] * len(value)
        for n, (item, inner) in enumerate(zip(value, given, strict=False)):
            out += broken(item, inner, f"{at}[{n}]")
    elif isinstance(value, dict):
        known = schema["properties"]
        out += [f"{at} lacks {name}" for name in schema["required"] if name not in value]
        out += [f"{at} has {name}" for name in value if name not in known]
        for name, inner in known.items():
            if name in value:
                out += broken(value[name], inner, f"{at}.{name}")
    return out


def test_eight_files_of_300_rows_with_their_digests() -> None:
    manifest = json.loads((FOLDER / "manifest.json").read_text())
    assert sorted(manifest["files"]) == sorted(f"{c}_val.jsonl" for c in CATEGORIES)
    assert manifest["rows"] == 2400
    for name, entry in manifest["files"].items():
        assert entry["rows"] == 300 and entry["sha256"] == file_digest(FOLDER / name)
    verify_manifest()


def test_every_row_follows_the_schema() -> None:
    assert [fault for _, row in rows() for fault in broken(row, SCHEMA)][:5] == []


def test_schema_and_readme_name_the_same_fields() -> None:
    readme = (FOLDER / "README.md").read_text()
    fields = [*SCHEMA["properties"], *SCHEMA["$defs"]["instance"]["properties"]]
    assert [name for name in fields if f"| `{name}`" not in readme] == []
    row = rows()[0][1]
    assert set(row) == set(SCHEMA["properties"])
    assert broken({**row, "prompt": "a red bench"}, SCHEMA) == ["row has prompt"]
    assert broken({**row, "line": 0}, SCHEMA) == ["row.line: 0"]


def test_every_layout_keeps_every_rule() -> None:
    """Without the prompts: geometry, relations, depth and spans' order."""
    found = [
        (row.id, fault)
        for category in CATEGORIES
        for row in read_frozen(FOLDER / f"{category}_val.jsonl")
        for fault in faults(row.blind())
        if not (fault.rule == "phrase" and "attribute" in fault.text)
    ]
    assert found == []


@official
def test_all_official_prompts_join_and_no_word_of_them_is_shipped() -> None:
    layouts = load_layouts(OFFICIAL)
    assert len(layouts) == 2400
    assert [e for e in layouts if faults(e)] == []
    shipped = "".join(p.read_text() for p in FOLDER.glob("*.jsonl"))
    assert [e.id for e in layouts if e.prompt in shipped and len(e.prompt.split()) > 2] == []
    suite = load_suite("t2i-compbench", data=OFFICIAL, categories=["spatial"])
    assert suite.layouts == tuple(e for e in layouts if e.category == "spatial")


@official
@pytest.mark.parametrize("name", ["t2i_compbench_160.jsonl", "t2i_compbench_64_heldout.jsonl"])
def test_parser_agrees_with_hand_labels(name: str) -> None:
    """95 % of the instances in each category; over all of them for the sample that nothing was
    tuned on, whose categories are too small for that."""
    found, differences = agreement(LABELS / name, OFFICIAL)
    assert [a.category for a in found] == list(CATEGORIES)
    groups = [found] if "heldout" in name else [[a] for a in found]
    for group in groups:
        total = sum(a.instances for a in group)
        for field in ("noun", "attributes", "count"):
            agreed = sum(getattr(a, field) for a in group)
            assert agreed / total >= 0.95, (field, [a.category for a in group], differences)


@official
def test_labels_of_a_changed_prompt_are_refused(tmp_path: Path) -> None:
    row = json.loads((LABELS / "t2i_compbench_160.jsonl").read_text().splitlines()[0])
    write_rows(tmp_path / "l.jsonl", [{**row, "line": row["line"] + 1}])
    with pytest.raises(BenchError, match=r"l\.jsonl, line 1: color line 9 is '.*', not the prompt"):
        agreement(tmp_path / "l.jsonl", OFFICIAL)


# a set of our own, so that nothing here needs the official files


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """(folder with prompts, folder with their frozen layouts), one category."""
    monkeypatch.setattr(freezing, "CATEGORIES", ("color",))
    data, out = tmp_path / "data", tmp_path / "frozen"
    data.mkdir()
    (data / "color_val.txt").write_bytes(b"a red cat and a blue dog\r\na green bus\r\na red hat.")
    freeze(data, out)
    return data, out


def test_join_gives_the_words_back(small: tuple[Path, Path]) -> None:
    data, out = small
    layouts = load_layouts(data, ["color"], out)
    assert [e.id for e in layouts] == ["color-001", "color-002", "color-003"]
    cat, dog = layouts[0].instances
    assert (cat.phrase, cat.attributes, dog.noun) == ("a red cat", ("red",), "dog")
    assert "red" not in (out / "color_val.jsonl").read_text()


def test_reordered_prompts_join_and_changed_ones_show_both(small: tuple[Path, Path]) -> None:
    data, out = small
    (data / "color_val.txt").write_text("a green bus\na red cat and a blue dog\n")
    assert [e.id for e in load_layouts(data, ["color"], out)] == ["color-002", "color-001"]
    (data / "color_val.txt").write_text("a green bus\na red cow and a blue dog\n")
    with pytest.raises(BenchError) as caught:
        load_layouts(data, ["color"], out)
    text = str(caught.value)
    assert "color line 2" in text and "'a red cow and a blue dog'" in text
    assert "about bus" in text
    assert text_digest("a red cow and a blue dog")[:16] in text
    assert text_digest("a green bus")[:16] in text


def test_a_row_corrected_by_hand_survives_a_rebuild(small: tuple[Path, Path]) -> None:
    data, out = small
    before = read_frozen(out / "color_val.jsonl")
    row = before[1].to_dict()
    row["instances"][0].update(
        box=[0.1, 0.1, 0.9, 0.5], polygon=[[0.1, 0.1], [0.9, 0.1], [0.5, 0.5]]
    )
    row["origin"] = "hand"
    write_rows(out / "color_val.jsonl", [before[0].to_dict(), row, before[2].to_dict()])
    with pytest.raises(BenchError, match="differs from its digest"):
        verify_manifest(out)
    manifest = freeze(data, out)
    verify_manifest(out)
    after = read_frozen(out / "color_val.jsonl")
    assert [r.origin for r in after] == ["planned", "hand", "planned"]
    assert after[1].to_dict() == row and after[0] == before[0]
    assert manifest["files"]["color_val.jsonl"]["by_hand"] == 1
    # its prompt changes: the correction is not for the new one
    (data / "color_val.txt").write_text("a red cat and a blue dog\na green car\na red hat.")
    freeze(data, out)
    assert [r.origin for r in read_frozen(out / "color_val.jsonl")] == ["planned"] * 3


def test_a_bad_correction_writes_nothing(small: tuple[Path, Path]) -> None:
    data, out = small
    before = read_frozen(out / "color_val.jsonl")
    row = before[1].to_dict()
    row["instances"][0].update(
        box=[0.1, 0.1, 0.2, 0.2], polygon=[[0.1, 0.1], [0.2, 0.1], [0.1, 0.2]]
    )
    write_rows(out / "color_val.jsonl", [{**row, "origin": "hand"}])
    kept = (out / "color_val.jsonl").read_bytes()
    with pytest.raises(BenchError, match="layout color-002: area: instance 0"):
        freeze(data, out)
    assert (out / "color_val.jsonl").read_bytes() == kept


def test_a_rebuild_is_the_same_byte_for_byte(small: tuple[Path, Path], tmp_path: Path) -> None:
    data, out = small
    freeze(data, tmp_path / "again")
    for name in ("color_val.jsonl", "manifest.json"):
        assert (tmp_path / "again" / name).read_bytes() == (out / name).read_bytes()


def test_the_same_prompt_twice_takes_both_rows() -> None:
    text = "a red cat"
    prompts = [Prompt("color", n, text, text_digest(text)) for n in (1, 2)]
    made = [
        FrozenRow(f"color-00{n}", "color", n, text_digest(text),
                  ({"phrase_span": [0, 9], "noun": "cat", "noun_span": [6, 9],
                    "attribute_spans": [[2, 5]], "box": [0, 0, 1, 1], "polygon": [], "depth": 0},),
                  (), None, "x", "planned")
        for n in (1, 2)
    ]  # fmt: skip
    assert [e.id for e in join_category(prompts, made)] == ["color-001", "color-002"]
    with pytest.raises(BenchError, match="no layout was made for"):
        join_category([*prompts, Prompt("color", 3, text, text_digest(text))], made)


def test_faulty_rows_name_file_and_line(small: tuple[Path, Path], tmp_path: Path) -> None:
    row = read_frozen(small[1] / "color_val.jsonl")[0].to_dict()
    for change, message in (
        ({"origin": "guessed"}, "origin 'guessed' must be"),
        ({"line": "x"}, "not a frozen layout"),
    ):
        write_rows(tmp_path / "r.jsonl", [{**row, **change}])
        with pytest.raises(BenchError, match=f"r.jsonl, line 1: {message}"):
            read_frozen(tmp_path / "r.jsonl")
    del row["planner"]
    write_rows(tmp_path / "r.jsonl", [row])
    with pytest.raises(BenchError, match="field 'planner' is missing"):
        read_frozen(tmp_path / "r.jsonl")
    shutil.rmtree(small[1])
    with pytest.raises(BenchError, match="does not exist"):
        load_layouts(small[0], ["color"], small[1])
