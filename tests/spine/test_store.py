"""The run folder: transactions, damage, locks, the frame."""

import sqlite3
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from bench.errors import BenchError
from bench.files import write_atomic
from bench.store import PlannedJob, Run, encode_png, lock
from bench.types import GenerationRecord, GenerationSettings, Job, Score

SETTINGS = GenerationSettings(steps=2, height=8, width=8)
MANIFEST = {
    "identity": {},
    "model": {"name": "m", "judges": {}},
    "suite": {"name": "s", "digest": "0" * 64, "prompts": 2, "left_out": []},
    "environment": {"device": "cpu", "libraries": {"torch": "1"}},
}
COLUMNS = {"a": {"higher_is_better": True}, "b": {"higher_is_better": False}}


def job(layout, seed=42, method="baseline", **args):
    return Job(layout, seed, "m", "digest", method, args, SETTINGS)


def picture(value):
    return Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3) // 2 + value)


@pytest.fixture
def jobs(pair_layout):
    layouts = [pair_layout("one"), pair_layout("two", first=("green", "cat"))]
    return [
        PlannedJob(job(layout, method=method), method, batch)
        for batch, method in enumerate(("baseline", "ast"))
        for layout in layouts
    ]


@pytest.fixture
def run(tmp_path, jobs):
    return Run.create(tmp_path / "run", MANIFEST, jobs)


def save(run, image, value=0, **changes):
    png = encode_png(picture(value))
    import hashlib

    record = GenerationRecord(
        image.key, "done", hashlib.sha256(png).hexdigest(), seconds=1.0, passes=4, **changes
    )
    run.save_images([(record, png)])
    return record


def test_images_keep_order_and_records_survive_reopening(run, jobs):
    assert [i.key for i in run.images()] == [p.job.key for p in jobs]
    assert [i.batch for i in run.images()] == [0, 0, 1, 1]
    record = save(run, run.images()[1])
    run.close()
    again = Run.open(run.path)
    assert again.images()[1].record == record
    assert again.images()[0].record is None
    assert again.images()[1].layout == jobs[1].job.layout
    assert np.array_equal(np.asarray(again.load_image(record)), np.asarray(picture(0)))


def test_equal_jobs_share_an_image(tmp_path, pair_layout):
    one = pair_layout("one")
    shared = [PlannedJob(job(one, method="ast"), label, 0) for label in ("ast", "ast@preset")]
    run = Run.create(tmp_path / "run", MANIFEST, shared)
    assert len(run.images()) == 1
    metric = run.use_metric("x", "fixed", {}, COLUMNS)
    save(run, run.images()[0])
    run.save_scores(metric, [(run.images()[0].id, [Score("a", 1.0), Score("b", 2.0)])])
    frame = run.frame()
    assert list(frame["method_label"]) == ["ast", "ast", "ast@preset", "ast@preset"]
    assert list(frame["value"]) == [1.0, 2.0, 1.0, 2.0]


def test_damaged_image_is_named_and_no_longer_intact(run):
    record = save(run, run.images()[0])
    assert run.intact(record)
    path = run.image_path(record.key)
    path.write_bytes(path.read_bytes()[:-20])
    assert not run.intact(record)
    with pytest.raises(BenchError, match=f"{record.key}.png is damaged.*run the same command"):
        run.load_image(record)
    path.unlink()
    with pytest.raises(BenchError, match="missing"):
        run.load_image(record)


def test_new_image_drops_the_scores_of_the_old_one(run):
    image = run.images()[0]
    metric = run.use_metric("x", "fixed", {}, COLUMNS)
    save(run, image)
    run.save_scores(metric, [(image.id, [Score("a", 1.0), Score("b", 1.0)])])
    assert run.unscored(metric) == set()
    save(run, image, value=9)
    assert run.unscored(metric) == {image.id}


def test_failed_transaction_leaves_nothing(run):
    image = run.images()[0]
    metric = run.use_metric("x", "fixed", {}, COLUMNS)
    save(run, image)
    twice = [Score("a", 1.0), Score("a", 2.0)]
    with pytest.raises(sqlite3.IntegrityError):
        run.save_scores(metric, [(image.id, [Score("b", 1.0)]), (image.id, twice)])
    assert run.query("SELECT COUNT(*) FROM scores") == [(0,)]


def test_retried_scores_are_due_again(run):
    image = run.images()[0]
    save(run, image)
    metric = run.use_metric("x", "fixed", {}, COLUMNS)
    rows = [(image.id, [Score("a", None, "broke"), Score("b", None, "broke")])]
    run.save_scores(metric, rows, retry=True)
    assert run.unscored(metric) == {image.id}
    run.save_scores(metric, [(image.id, [Score("a", 0.5), Score("b", None, "none here")])])
    assert run.unscored(metric) == set()


def test_frame_has_a_row_for_every_job_and_score_with_reasons(run, jobs):
    images = run.images()
    metric = run.use_metric("x", "fixed", {"v": 1}, COLUMNS)
    save(run, images[0], peak_memory_mb=12.0)
    run.save_scores(
        metric, [(images[0].id, [Score("a", 0.5, details={"k": [1]}), Score("b", None, "why")])]
    )
    run.save_images([(GenerationRecord(images[1].key, "failed", error="out of memory"), None)])
    save(run, images[2])
    frame = run.frame()
    assert len(frame) == 8
    first = frame.iloc[0]
    assert (first["value"], first["reason"], first["details"]) == (0.5, None, {"k": [1]})
    assert first["image"] == f"images/{images[0].key}.png"
    assert (first["n_instances"], first["seed"], first["passes"]) == (2, 42, 4)
    assert first["peak_memory_mb"] == 12.0
    assert np.isnan(frame["value"][1:]).all()
    assert list(frame["reason"][1:]) == [
        "why", *["generation failed: out of memory"] * 2, *["not scored yet"] * 2,
        *["not generated yet"] * 2,
    ]  # fmt: skip
    assert list(frame["status"][::2]) == ["done", "failed", "done", "pending"]
    assert frame["image"][2] is None
    assert frame["protocol"].nunique() == 1
    assert first["protocol_text"]["settings"]["steps"] == 2
    assert frame["details"].map(type).eq(dict).all()


def test_protocol_names_the_judges_of_every_metric(run):
    identity = {"judges": {"detector": {"name": "yolo11x", "digest": "d"}}, "confidence": 0.5}
    run.use_metric("spatial_2d", "official", identity, {"spatial_2d": {}})
    text = run.frame()["protocol_text"].iloc[0]
    assert text["judges"]["spatial_2d (official)"] == {"detector": "yolo11x"}


def test_frame_shows_the_identity_that_was_used_last(run):
    image = run.images()[0]
    save(run, image)
    protocols = []
    for version, value in ((1, 0.25), (2, 0.75), (1, 0.25)):
        metric = run.use_metric("x", "fixed", {"v": version}, {"a": {}})
        if image.id in run.unscored(metric):
            run.save_scores(metric, [(image.id, [Score("a", value)])])
        frame = run.frame()
        assert len(frame) == 4
        assert frame["value"][0] == value
        protocols.append(frame["protocol"][0])
    assert protocols[0] == protocols[2] != protocols[1]


def test_damaged_store_is_named(run):
    run.close()
    store = run.path / "store.sqlite"
    data = bytearray(store.read_bytes())
    data[: len(data) // 2] = b"\0" * (len(data) // 2)
    store.write_bytes(bytes(data))
    again = Run.open(run.path)
    with pytest.raises(BenchError, match=r"store\.sqlite is damaged.*delete the folder"):
        again.check()
    store.unlink()
    with pytest.raises(BenchError, match=r"store\.sqlite is damaged"):
        Run.open(run.path).images()


def test_manifest_that_is_damaged_missing_or_of_another_version(run, tmp_path):
    manifest = run.path / "manifest.json"
    text = manifest.read_text()
    manifest.write_text(text.replace('"format": 1', '"format": 99'))
    with pytest.raises(BenchError, match="run format 99"):
        Run.open(run.path)
    manifest.write_text(text[:30])
    with pytest.raises(BenchError, match=r"manifest\.json cannot be read"):
        Run.open(run.path)
    with pytest.raises(BenchError, match="not a run folder"):
        Run.open(tmp_path)


def test_one_process_a_run_folder(tmp_path):
    code = (
        "import sys; from pathlib import Path; from bench.store import lock\n"
        "with lock(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout.readline().strip() == b"held"
    with pytest.raises(BenchError, match="in use by another process"), lock(tmp_path):
        pass
    holder.kill()
    holder.communicate()
    with lock(tmp_path):
        pass


def test_write_atomic_replaces_whole_files_and_reports_a_full_disk(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomic(path, b"old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(BenchError, match=r"No space left on device.*half-written"):
        write_atomic(path, b"new and longer")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_store_on_a_full_disk_says_so(run, monkeypatch):
    save(run, run.images()[0])
    run._db.execute("PRAGMA max_page_count = 1")  # SQLite's own way to be out of room
    metric_columns = {"long": "x" * 200_000}
    with pytest.raises(BenchError, match=r"store\.sqlite: database or disk is full.*is kept"):
        run.use_metric("x", "fixed", {}, metric_columns)
    run.close()
    assert run.images()[0].record is not None


def test_leftovers_of_a_killed_process_are_removed(run):
    leftover = run.path / "images" / ".abc.png.tmp"
    leftover.write_bytes(b"half")
    run.check()
    assert not leftover.exists()


def test_layouts_of_one_id_must_agree(tmp_path, pair_layout):
    two = [pair_layout("x"), pair_layout("x", first=("green", "cat"))]
    jobs = [PlannedJob(job(layout), "baseline", 0) for layout in two]
    with pytest.raises(BenchError, match="id 'x'"):
        Run.create(tmp_path / "run", MANIFEST, jobs)
    assert not (tmp_path / "run" / "manifest.json").exists()
