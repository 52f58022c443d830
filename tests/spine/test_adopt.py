"""Other people's images: found, checked, counted, scored, resumed."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.cli import main
from bench.errors import BenchError
from bench.images import read_image, take_inventory
from bench.layouts.io import write_layouts
from bench.store import Run


def noise(seed=0, size=(24, 16)):
    return Image.fromarray(
        np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    )


@pytest.fixture
def layouts(pair_layout):
    return [pair_layout(n, (c, "apple")) for n, c in (("one", "red"), ("two_2", "green"))]


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "theirs"
    path.mkdir()
    return path


def test_files_are_found_by_layout_id_and_by_prompt(folder, layouts):
    noise().save(folder / "one_42.png")
    noise().save(folder / "two_2_7.webp")
    noise().save(folder / f"{layouts[0].prompt}._000003.png")
    (folder / "notes.txt").write_text("x")
    (folder / "three_1.png").write_text("x")
    found = take_inventory(folder, layouts)
    assert [(f.layout.id, f.seed) for f in found.found] == [("one", 3), ("one", 42), ("two_2", 7)]
    assert [p.name for p in found.strangers] == ["notes.txt", "three_1.png"]
    assert found.without_image == ()


def test_folder_as_t2i_compbench_writes_it(folder, layouts):
    (folder / "samples").mkdir()
    noise().save(folder / "samples" / f"{layouts[1].prompt}_000000.png")
    found = take_inventory(folder, layouts)
    assert [(f.layout.id, f.seed) for f in found.found] == [("two_2", 0)]
    assert [e.id for e in found.without_image] == ["one"]


def test_numbers_that_run_through_the_whole_folder_start_anew_with_each_prompt(folder, layouts):
    for number, layout in enumerate([layouts[0], layouts[0], layouts[1], layouts[1]]):
        noise().save(folder / f"{layout.prompt}_{number:06d}.png")
    found = {int(f.path.stem[-6:]): f for f in take_inventory(folder, layouts).found}
    assert [(found[k].layout.id, found[k].seed) for k in range(4)] == [
        ("one", 0), ("one", 1), ("two_2", 0), ("two_2", 1),
    ]  # fmt: skip


def test_mapping_file(folder, layouts, tmp_path):
    mapping = tmp_path / "map.csv"
    mapping.write_text("file,layout_id,seed\na b.png,one,1\nsub/c.png,two_2,2\n")
    found = take_inventory(folder, layouts, mapping)
    assert [(f.path.name, f.layout.id, f.seed) for f in found.found] == [
        ("a b.png", "one", 1), ("c.png", "two_2", 2),
    ]  # fmt: skip
    for text, message in (
        ("file,layout,seed\n", "must have the columns file, layout_id, seed"),
        ("file,layout_id,seed\na.png,three,1\n", "line 2: no layout has the id 'three'"),
        ("file,layout_id,seed\na.png,one,-1\n", "line 2: seed '-1'"),
        ("file,layout_id,seed\n../a.png,one,1\n", "line 2: file '../a.png' lies outside"),
        ("file,layout_id,seed\na.png,one,1\nb.png,one,1\n", "both given for layout one, seed 1"),
    ):
        mapping.write_text(text)
        with pytest.raises(BenchError) as caught:
            take_inventory(folder, layouts, mapping)
        assert message in str(caught.value)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "CMYK", "I;16"])
def test_any_mode_is_read_as_rgb(tmp_path, mode):
    path = tmp_path / "image.tiff"
    (Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8)) if mode == "I;16"
     else noise().convert(mode)).save(path)  # fmt: skip
    assert read_image(path).mode == "RGB"


def test_missing_damaged_and_blank_images_are_refused(tmp_path):
    path = tmp_path / "x.png"
    with pytest.raises(BenchError, match="missing"):
        read_image(path)
    data = io.BytesIO()
    noise().save(data, "PNG")
    for content in (b"", b"no image", data.getvalue()[:200]):
        path.write_bytes(content)
        with pytest.raises(BenchError, match=r"x\.png cannot be read"):
            read_image(path)
    Image.new("RGB", (8, 8), "black").save(path)
    with pytest.raises(BenchError, match="blank"):
        read_image(path)


def test_score_images_counts_lists_and_resumes(folder, layouts, tmp_path, capsys, monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    write_layouts(tmp_path / "l.jsonl", layouts)
    noise(1).save(folder / "one_1.png")
    noise(2).save(folder / "one_2.jpg")
    Image.new("RGB", (8, 8)).save(folder / "two_2_1.png")
    out = tmp_path / "run"
    command = [
        "score", "--images", str(folder), "--layouts", str(tmp_path / "l.jsonl"), "--method",
        "theirs", "--metrics", "tiny_metric:Brightness", "--out", str(out), "--json",
    ]  # fmt: skip
    assert main(command) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["images"]["adopted"] == 2
    reasons = {(f["layout"], f["seed"]): f["reason"] for f in document["images"]["failed"]}
    assert "blank" in reasons["two_2", 1]
    assert reasons["two_2", 2] == "no image file for this layout and seed"
    frame = Run.open(out).frame()
    assert len(frame) == 4
    assert frame["value"].notna().sum() == 2

    noise(3).save(folder / "two_2_1.png")  # repaired
    noise(4).save(folder / "two_2_2.png")  # delivered later
    assert main(command) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["images"]["adopted"], document["images"]["kept"]) == (2, 2)
    assert document["scored"] == {"brightness": 2}
    frame = Run.open(out).frame().set_index(["layout_id", "seed"])
    expected = np.asarray(noise(3)).mean() / 255
    assert frame.loc[("two_2", 1), "value"] == pytest.approx(expected)
    assert frame["protocol"].nunique() == 1

    command[command.index("theirs")] = "others"
    assert main(command) == 0
    frame = Run.open(out).frame()
    assert frame.groupby("method_label").size().to_dict() == {"others": 4, "theirs": 4}
