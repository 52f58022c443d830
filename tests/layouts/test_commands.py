"""The commands as a user meets them: files in, files out, exit statuses, errors that help."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bench.cli import main
from bench.errors import BenchError
from bench.layouts import read_layouts
from bench.layouts.frozen import FOLDER, read_frozen
from bench.prompts import fetch as fetching
from bench.prompts.sources import read_prompts

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def bench(capsys: pytest.CaptureFixture[str]) -> Call:
    def call(*arguments: object) -> tuple[int, str, str]:
        status = main([str(a) for a in arguments])
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return call


def made(tmp_path: Path, bench: Call, text: str) -> Path:
    (tmp_path / "p.txt").write_text(text)
    status, _, err = bench("layouts", "build", "--prompts", tmp_path / "p.txt",
                           "--out", tmp_path / "o.jsonl")  # fmt: skip
    assert status == 0, err
    return tmp_path / "o.jsonl"


def test_build_keeps_the_documented_fields(tmp_path: Path, bench: Call) -> None:
    path = made(
        tmp_path, bench, "three red dogs on the left of a dining table in the snow\n\n men\n"
    )
    first, second = (json.loads(line) for line in path.read_text().splitlines())
    assert first["id"] == "prompt-0001"
    assert first["prompt"] == "three red dogs on the left of a dining table in the snow"
    assert first["background"] == "the snow"
    assert [i["noun"] for i in first["instances"]] == ["dog"] * 3 + ["dining table"]
    assert [i["phrase"] for i in first["instances"][:3]] == ["three red dogs"] * 3
    assert first["instances"][0]["attributes"] == ["red"]
    for inst in first["instances"]:
        x0, y0, x1, y1 = inst["box"]
        assert 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1 and len(inst["polygon"]) >= 3
        assert first["prompt"][slice(*inst["phrase_span"])] == inst["phrase"]
    assert first["relations"] == [
        {"subject": k, "relation": "left_of", "object": 3} for k in range(3)
    ]
    assert (second["id"], second["instances"][0]["noun"]) == ("prompt-0003", "man")


def test_build_from_json_lines_keeps_ids_and_categories(tmp_path: Path, bench: Call) -> None:
    source = tmp_path / "p.jsonl"
    source.write_text('{"prompt": "a cat", "id": "c", "category": "own"}\n"two dogs"\n')
    status, out, _ = bench("layouts", "build", "--prompts", source, "--out", tmp_path / "o.jsonl",
                           "--json")  # fmt: skip
    assert status == 0
    assert json.loads(out)["layouts"] == 2 and json.loads(out)["instances"] == 3
    layouts = read_layouts(tmp_path / "o.jsonl")
    assert [(e.id, e.category) for e in layouts] == [("c", "own"), ("prompt-0002", "custom")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.txt", "\n\n", "holds no prompt"),
        ("p.txt", "a cat\nvery quickly\n", "prompt-0002: no instance found in the"),
        ("p.txt", "99 dogs", "99 instances in the prompt '99 dogs'; at most 24"),
        ("p.jsonl", "{", "line 1: not JSON"),
        ("p.jsonl", '{"text": "a cat"}', "line 1: field 'prompt' must hold a text"),
        (
            "p.jsonl",
            '{"prompt": "a cat", "id": "x"}\n{"prompt": "a dog", "id": "x"}',
            "'x' is given to two",
        ),
    ],
)
def test_faulty_prompts(tmp_path: Path, bench: Call, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    status, _, err = bench("layouts", "build", "--prompts", tmp_path / name,
                           "--out", tmp_path / "o.jsonl")  # fmt: skip
    assert status != 0 and message in err
    assert not (tmp_path / "o.jsonl").exists()


def test_check_counts_by_rule_and_fails(tmp_path: Path, bench: Call) -> None:
    path = made(tmp_path, bench, "a cat on the left of a dog\n")
    status, out, _ = bench("layouts", "check", path)
    assert status == 0 and "1 of 1 layouts keep every rule" in out
    row = json.loads(path.read_text())
    for inst in row["instances"]:  # both moved to one place, and shrunk
        inst.update(box=[0.1, 0.1, 0.2, 0.2], polygon=[], depth=0)
    path.write_text(json.dumps(row))
    status, out, _ = bench("layouts", "check", path, "--json")
    assert status == 1
    counts = json.loads(out)["files"][0]["faults"]
    assert counts["area"] >= 1 and counts["overlap"] == 1 and counts["relation"] == 1


def test_render_draws_a_sheet_and_single_sketches(tmp_path: Path, bench: Call) -> None:
    path = made(tmp_path, bench, "a cat on the left of a dog\na red bus\n")
    status, _, _ = bench("layouts", "render", path, "--out", tmp_path / "r", "--singles")
    assert status == 0
    names = sorted(p.name for p in (tmp_path / "r").iterdir())
    assert names == ["prompt-0001.png", "prompt-0002.png", "sheet-custom-01.png"]
    with Image.open(tmp_path / "r" / "prompt-0002.png") as image:
        colors = image.convert("RGB").getcolors(1 << 20) or []
    assert any(color == (230, 25, 75) and n > 5000 for n, color in colors)
    status, _, err = bench("layouts", "render", path, "--out", tmp_path / "r", "--limit", "0")
    assert status != 0 and "--limit is 0" in err


def test_diff_says_what_changed(tmp_path: Path, bench: Call) -> None:
    path = made(tmp_path, bench, "a cat on the left of a dog\na red bus\n")
    other = tmp_path / "other.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    other.write_text(json.dumps({**rows[0], "relations": []}) + "\n")
    assert bench("layouts", "diff", path, path)[0] == 0
    status, out, _ = bench("layouts", "diff", path, other)
    assert status == 1
    assert "prompt-0001: changed (relations" in out and "prompt-0002: removed" in out


def test_import_writes_layouts(tmp_path: Path, bench: Call) -> None:
    source = tmp_path / "b.jsonl"
    source.write_text(
        '{"prompt": "a cat", "boxes": [{"phrase": "a cat", "box": [0, 0, 0.1, 0.1]}]}'
    )
    status, out, _ = bench("layouts", "import", source, "--out", tmp_path / "o.jsonl")
    assert status == 0 and "1 notes" in out and "area" in out
    assert read_layouts(tmp_path / "o.jsonl")[0].instances[0].noun == "cat"
    status, _, err = bench("layouts", "import", source, source, "--out", tmp_path / "p.jsonl")
    assert status != 0 and "comes twice" in err and not (tmp_path / "p.jsonl").exists()


def test_shipped_rows_without_and_with_their_prompts(tmp_path: Path, bench: Call) -> None:
    rows = (FOLDER / "color_val.jsonl").read_text().splitlines()[:2]
    (tmp_path / "color_val.jsonl").write_text("\n".join(rows))
    status, out, _ = bench("layouts", "check", tmp_path)
    assert status == 0 and "2 of 2" in out
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "color_val.txt").write_text("a purple bench and a green bowl\n")
    status, _, err = bench("layouts", "render", tmp_path / "color_val.jsonl", "--data",
                           tmp_path / "data", "--out", tmp_path / "r")  # fmt: skip
    assert status != 0 and "'a purple bench and a green bowl'" in err
    assert "official prompt about bench, bowl" in err


def test_missing_files_and_empty_folders(tmp_path: Path, bench: Call) -> None:
    status, _, err = bench("layouts", "check", tmp_path / "no.jsonl")
    assert status != 0 and "does not exist" in err
    status, _, err = bench("layouts", "check", tmp_path)
    assert status != 0 and "holds no *.jsonl file" in err


# prompts from elsewhere


def table(folder: Path, texts: list[str]) -> Path:
    """A data set on this machine with a column ``caption``."""
    folder.mkdir()
    lines = [json.dumps({"caption": text, "n": n}) for n, text in enumerate(texts)]
    (folder / "train.jsonl").write_text("\n".join(lines))
    return folder


def test_prompts_from_a_column_of_a_data_set(tmp_path: Path) -> None:
    folder = table(tmp_path / "set", ["a red cat", " ", "two dogs"])
    found = read_prompts(f"datasets:{folder}:caption")
    assert [(i, t) for i, _, t in found] == [
        ("prompt-0001", "a red cat"),
        ("prompt-0003", "two dogs"),
    ]
    with pytest.raises(BenchError, match="unknown column of data set .* 'captions'; did you mean"):
        read_prompts(f"datasets:{folder}:train:captions")
    with pytest.raises(BenchError, match="cannot be loaded"):
        read_prompts(f"datasets:{folder}:nosplit:caption")
    with pytest.raises(BenchError, match=r"must have the form datasets:ID\[:SPLIT\]:COLUMN"):
        read_prompts("datasets:x")


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source with two small files that stand for the official ones."""
    source = tmp_path / "source"
    source.mkdir()
    digests = {}
    for name in ("color_val.txt", "shape_val.txt"):
        (source / name).write_bytes(name.encode() + b"\r\na red cat")
        digests[name] = fetching.file_digest(source / name)
    monkeypatch.setattr(fetching, "SHA256", digests)
    return source


def test_fetch_verifies_and_goes_on_where_it_stopped(tmp_path: Path, files: Path) -> None:
    second = (files / "shape_val.txt").read_bytes()
    (files / "shape_val.txt").unlink()
    with pytest.raises(BenchError) as caught:
        fetching.fetch(tmp_path / "out", [files.as_uri()])
    text = str(caught.value)
    assert "shape_val.txt could not be downloaded" in text and "goes on from there" in text
    assert "Without a network" in text and "--data" in text
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["color_val.txt"]
    (files / "shape_val.txt").write_bytes(second)
    done = fetching.fetch(tmp_path / "out", [files.as_uri()])
    assert [f.downloaded for f in done] == [False, True]
    assert (tmp_path / "out" / "shape_val.txt").read_bytes() == second


def test_fetch_takes_nothing_that_is_not_official(tmp_path: Path, files: Path) -> None:
    (files / "color_val.txt").write_text("something else")
    with pytest.raises(BenchError, match="what came is not the official file"):
        fetching.fetch(tmp_path / "out", [files.as_uri()])
    assert list((tmp_path / "out").iterdir()) == []
    (tmp_path / "out" / "color_val.txt").write_text("mine")
    with pytest.raises(BenchError, match="is not the official file .* move it away"):
        fetching.fetch(tmp_path / "out", [files.as_uri()])
    assert (tmp_path / "out" / "color_val.txt").read_text() == "mine"


def test_fetch_command_offline(
    tmp_path: Path, bench: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(*_: Any, **__: Any) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr(fetching.urllib.request, "urlopen", offline)
    status, _, err = bench("data", "fetch", "t2i-compbench", "--out", tmp_path / "out")
    assert status != 0 and "Network is unreachable" in err and "--data" in err


def test_fetch_from_a_column_that_holds_other_prompts(tmp_path: Path, bench: Call) -> None:
    folder = table(tmp_path / "set", ["a red cat"])
    status, _, err = bench("data", "fetch", "t2i-compbench", "--out", tmp_path / "out",
                           "--from", f"datasets:{folder}:caption")  # fmt: skip
    assert status != 0 and "no category of T2I-CompBench is complete" in err
    assert not (tmp_path / "out").exists()


def test_complete_categories_of_a_column_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = [row.sha256 for row in read_frozen(FOLDER / "shape_val.jsonl")]
    names = {f"prompt {n}": digest for n, digest in enumerate(digests)}
    monkeypatch.setattr(fetching, "text_digest", lambda text: names.get(text.strip(), "0"))
    found = fetching.fill_from_texts([*reversed(names), None, "other"], tmp_path / "out")
    assert found["shape"] == 300 and found["color"] == 0
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["shape_val.txt"]
    lines = (tmp_path / "out" / "shape_val.txt").read_text().splitlines()
    assert lines == list(names)  # in the official order
