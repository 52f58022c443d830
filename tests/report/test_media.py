"""What the page and the pairs picture are made of, and what may be wrong in it."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bench.errors import BenchError
from bench.leaderboard import build
from bench.report import pairs_image, write
from bench.report.media import Media
from bench.report.plots import plots
from bench.report.samples import detections, samples, script_json


def document(page):
    text = page.read_text(encoding="utf-8")
    start = text.index('id="data">') + len('id="data">')
    return json.loads(text[start : text.index("</script>", start)])


def test_script_json_cannot_leave_its_element_and_reads_back():
    value = {
        "a": "</script><!--<script>&amp;\u2028",
        "b": [float("nan"), np.float64(0.5), np.int64(3)],
    }
    text = script_json(value)
    assert not set("<>&") & set(text)
    assert json.loads(text) == {"a": value["a"], "b": [None, 0.5, 3]}


def test_page_holds_every_image_with_its_scores(frame_of, tmp_path):
    frame = frame_of(prompts=6, run_dir=tmp_path)
    found = document(write(frame, tmp_path, tmp_path / "report"))
    shots = {shot["key"]: shot for sample in found["samples"] for shot in sample["shots"]}
    assert set(shots) == set(frame.key)
    for (key, score), value in frame.set_index(["key", "score"]).value.items():
        assert shots[key]["scores"][score] == pytest.approx(value)
    for shot in shots.values():
        assert (tmp_path / "report" / shot["picture"]["src"]).is_file()
    assert [e["name"] for e in found["entries"]] == ["ast", "baseline"]
    assert shots[frame.key.iloc[0]]["details"]["blip_vqa"] == {"questions": [["a red cat?", 0.7]]}


def test_page_says_what_is_missing_instead_of_hiding_it(frame_of, tmp_path):
    frame = frame_of(prompts=6, run_dir=tmp_path)
    keys = list(dict.fromkeys(frame.key))
    (tmp_path / f"images/{keys[0]}.png").unlink()
    (tmp_path / f"images/{keys[1]}.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    frame.loc[frame.key == keys[2], "image"] = None
    frame.loc[frame.key == keys[2], ["value", "status", "reason"]] = [np.nan, "failed", "no memory"]
    frame.loc[frame.key == keys[3], "image"] = "../outside.png"
    Image.new("RGB", (8, 8)).save(tmp_path.parent / "outside.png")
    shots = {
        shot["key"]: shot
        for sample in document(write(frame, tmp_path, tmp_path / "report"))["samples"]
        for shot in sample["shots"]
    }
    assert shots[keys[0]]["absent"] == "the image file is missing"
    assert shots[keys[1]]["absent"].startswith("the image cannot be read")
    assert shots[keys[2]]["absent"] == "no memory"
    assert all(shots[keys[i]]["picture"] is None for i in range(4))
    assert shots[keys[4]]["picture"]["width"] == 64


@pytest.mark.parametrize(
    "details",
    [None, {}, {"targets": None}, {"detections": [{"label": "x"}], "matches": [[0]]},
     {"targets": [{"box": [0, 1]}, 3], "instances": [{"present": True}]}],
)  # fmt: skip
def test_details_may_be_partial(frame_of, tmp_path, details):
    frame = frame_of(prompts=6, run_dir=tmp_path)
    frame["details"] = [details] * len(frame)
    found = document(write(frame, tmp_path, tmp_path / "report"))
    assert all(sample["targets"] == [] for sample in found["samples"])
    assert all(shot["detections"] == [] for s in found["samples"] for shot in s["shots"])


def test_runs_in_one_page_find_their_own_images(frame_of, tmp_path):
    frames = []
    for name, model in (("one", "pocket-flux"), ("two", "FLUX.1-dev")):
        frame = frame_of(prompts=6, run_dir=tmp_path / name, model=model)
        frames.append(frame.assign(image=f"{name}/" + frame.image))
    found = document(write(pd.concat(frames), tmp_path, tmp_path / "page"))
    shots = [shot for sample in found["samples"] for shot in sample["shots"]]
    assert len(shots) == 48 and all(shot["picture"] for shot in shots)
    assert all(len(sample["shots"]) == 4 for sample in found["samples"])
    order = [found["entries"][shot["entry"]]["name"] for shot in found["samples"][0]["shots"]]
    models = [name.split()[0] for name in order]
    assert models == sorted(models, key=models.index)  # a model's images stand together
    assert [name.split()[1] for name in order] == ["baseline", "ast"] * 2
    bases = [e["base"] for e in found["entries"]]
    assert len(set(bases)) == 2  # each model is compared with its own baseline


def test_large_images_get_thumbnails_and_old_pictures_go(tmp_path):
    source = tmp_path / "big.png"
    Image.new("RGB", (800, 400), "red").save(source)
    first = Media(tmp_path / "page")
    picture = first.add(source, "ab" * 32)
    assert (picture.width, picture.height) == (800, 400)
    with Image.open(tmp_path / "page" / picture.thumb) as thumb:
        assert thumb.size == (320, 160)
    mine = tmp_path / "page/media/notes.txt"
    mine.write_text("mine")
    second = Media(tmp_path / "page")
    small = tmp_path / "small.png"
    Image.new("RGB", (32, 32)).save(small)
    assert second.add(small, "cd" * 32).thumb == f"media/{'cd' * 32}.png"
    second.clean()
    left = sorted(p.name for p in (tmp_path / "page/media").iterdir())
    assert left == [f"{'cd' * 32}.png", "notes.txt"]
    assert source.exists()


def test_a_key_never_names_a_path(tmp_path):
    source = tmp_path / "x.png"
    Image.new("RGB", (8, 8)).save(source)
    picture = Media(tmp_path / "page").add(source, "../../evil")
    assert "evil" not in picture.src and (tmp_path / "page" / picture.src).is_file()


def test_page_stays_the_same_when_written_again(frame_of, tmp_path):
    frame = frame_of(prompts=6, run_dir=tmp_path)
    first = write(frame, tmp_path, tmp_path / "report").read_bytes()
    assert write(frame, tmp_path, tmp_path / "report").read_bytes() == first


def test_page_names_no_other_host(frame_of, tmp_path):
    text = write(frame_of(prompts=6, run_dir=tmp_path), tmp_path, tmp_path / "report").read_text()
    assert "https:" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "default-src 'none'" in text


def test_plots_place_values_in_order(frame):
    board = build(frame)
    overall, by_category, curve = plots(board, board.column("instance_success"))
    best, worst = overall.marks
    assert best.low < best.x < best.high and worst.x < best.x
    assert [label.text for label in by_category.labels] == ["color", "numeracy", "spatial"]
    assert [label.text for label in curve.labels] == ["1", "2", "3", "4"]
    assert all(0 <= m.y <= curve.height for m in curve.marks)
    assert overall.ticks[0].x < overall.ticks[-1].x


def test_detections_know_their_target(frame_of, tmp_path):
    frame = frame_of(prompts=4)
    sample = samples(frame, build(frame), tmp_path)[0]
    for shot in sample.shots:
        linked = {d["target"] for d in detections(shot)} - {None}
        assert linked == {m[0] for m in shot.places["matches"]}


def test_pairs_picture_shows_the_layouts_asked_for(frame_of, tmp_path):
    frame = frame_of(prompts=8, run_dir=tmp_path)
    out = pairs_image(frame, tmp_path, tmp_path / "pairs.png", rows=["layout-3", "layout-1"])
    with Image.open(out) as image:
        assert image.width > 4 * 256 and image.height < 450
        colors = {c for _, c in image.getcolors(1 << 24)}
    assert {(0xFF, 0xD2, 0x3F), (0x57, 0xD3, 0xFF), (0xE6, 0xE6, 0xE6)} <= colors
    again = pairs_image(frame, tmp_path, tmp_path / "again.png", rows=["layout-3", "layout-1"])
    assert again.read_bytes() == out.read_bytes()
    with Image.open(pairs_image(frame, tmp_path, tmp_path / "four.png", rows=4)) as image:
        assert image.height > 550


def test_pairs_picture_needs_images(frame_of, tmp_path):
    with pytest.raises(BenchError, match="no layout with an image"):
        pairs_image(frame_of(prompts=6), tmp_path, tmp_path / "pairs.png")
    frame = frame_of(prompts=6, run_dir=tmp_path)
    with pytest.raises(BenchError, match="no layout 'layout-99'"):
        pairs_image(frame, tmp_path, tmp_path / "pairs.png", rows=["layout-99"])
