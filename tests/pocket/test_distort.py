"""Things changed by much: what is known of them has to follow."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("cv2")

from bench.pocket.judges import distort  # noqa: E402
from bench.pocket.judges.data import SIZE, make_sample  # noqa: E402
from bench.pocket.judges.distort import bent, closer, distorted, mirrored  # noqa: E402

seeds = st.integers(0, 10_000)


def clean(seed: int):
    return make_sample("train", 7, seed, degraded=False, grid=seed % 2 == 0)


def alone(monkeypatch, chance: str):
    """Pairs of scenes before and after the one change that is left, which befalls every thing."""
    for name in ("RECOLORED", "FLAT", "PATTERNED", "FADED", "COVERED", "BENT"):
        monkeypatch.setattr(distort, name, float(name == chance))
    for seed in range(12):
        before = clean(seed)
        yield before, distorted(before, np.random.default_rng(seed))


def outline(mask):
    ys, xs = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return np.array([xs[0], ys[0], xs[-1] + 1, ys[-1] + 1])


@settings(max_examples=40)
@given(seeds)
def test_nothing_is_lost_but_what_is_hidden(seed):
    before = clean(seed)
    after = distorted(before, np.random.default_rng(seed))
    assert after.image.shape == before.image.shape and after.image.dtype == np.uint8
    assert [t.noun for t in after.scene.instances] == [t.noun for t in before.scene.instances]
    assert (after.truth.masks.sum(axis=0) <= 1).all()
    for old, new in zip(before.visible, after.visible, strict=True):
        assert 0 <= new <= old
    for thing in after.scene.instances:
        x0, y0, x1, y1 = thing.box
        assert 0 <= x0 < x1 <= 1 and 0 <= y0 < y1 <= 1


@settings(max_examples=40)
@given(seeds)
def test_a_closer_look_keeps_boxes_around_what_is_seen(seed):
    """What is left of a thing lies in its box, and its share in view says how much is left."""
    before = clean(seed)
    after = closer(before, np.random.default_rng(seed))
    assert after.image.shape == before.image.shape and after.image.dtype == np.uint8
    for k, (old, new) in enumerate(zip(before.visible, after.visible, strict=True)):
        assert new <= old + 1e-9
        mask = after.truth.masks[k]
        assert mask.any() or new < 0.05
        if mask.any():
            box = np.array(after.scene.instances[k].box) * SIZE
            seen = outline(mask)
            assert (seen[:2] >= box[:2] - 2).all() and (seen[2:] <= box[2:] + 2).all()
        if new > old - 1e-9 and old > 0.9:  # whole, so as large as it was, and by the zoom larger
            was = before.scene.instances[k].box
            sides = np.diff(np.array(after.scene.instances[k].box).reshape(2, 2), axis=0)
            assert (sides >= np.diff(np.array(was).reshape(2, 2), axis=0) - 1 / SIZE).all()


@settings(max_examples=20)
@given(seeds)
def test_mirrored_twice_is_the_picture_itself(seed):
    before = clean(seed)
    once = mirrored(before)
    assert (once.image[:, ::-1] == before.image).all()
    for mask, thing in zip(once.truth.masks, once.scene.instances, strict=True):
        if mask.any():
            seen = outline(mask) / SIZE
            assert thing.box[0] - 0.03 <= seen[0] and seen[2] <= thing.box[2] + 0.03
    again = mirrored(once)
    assert (again.image == before.image).all() and (again.truth.masks == before.truth.masks).all()
    for old, new in zip(before.scene.instances, again.scene.instances, strict=True):
        assert new.box == pytest.approx(old.box) and new.flip == old.flip


@settings(max_examples=40)
@given(seeds)
def test_boxes_bend_with_what_they_hold(seed):
    """A box keeps its distance from the outline of what is seen, cut at the picture's edges."""
    before = clean(seed)
    after = bent(before, np.random.default_rng(seed))
    assert (after.image != before.image).any()
    for k, (old, new) in enumerate(zip(before.scene.instances, after.scene.instances, strict=True)):
        masks = before.truth.masks[k], after.truth.masks[k]
        if not all(mask.any() for mask in masks):
            continue
        gap = np.array(old.box) * SIZE - outline(masks[0])
        expected = np.clip(outline(masks[1]) + gap, 0, SIZE)
        np.testing.assert_allclose(np.array(new.box) * SIZE, expected, atol=1e-6)


def test_colours_change_on_the_things_alone(monkeypatch):
    for before, after in alone(monkeypatch, "RECOLORED"):
        change = np.abs(after.image.astype(int) - before.image).max(axis=-1)
        seen = before.truth.masks.max(axis=0) > 0
        near = np.asarray(distort.cv2.dilate(seen.astype(np.uint8), np.ones((9, 9)))) > 0
        assert change[~near].max(initial=0) == 0
        assert change[seen].mean() > 5
        assert after.visible == before.visible


def test_patterns_lie_on_the_things_alone_and_keep_their_hues(monkeypatch):
    """All three channels rise and fall together, so what is left of a colour stays its own."""
    for before, after in alone(monkeypatch, "PATTERNED"):
        change = after.image.astype(int) - before.image
        seen = before.truth.masks.max(axis=0) > 0
        near = np.asarray(distort.cv2.dilate(seen.astype(np.uint8), np.ones((9, 9)))) > 0
        assert np.abs(change[~near]).max(initial=0) == 0
        unclipped = ((before.image > 80) & (before.image < 175)).all(axis=-1)
        assert np.ptp(change, axis=-1)[seen & unclipped].max(initial=0) <= 1
        assert change[seen].min() < -10 and change[seen].max() > 10
        assert after.visible == before.visible


def test_flat_things_keep_their_outline_and_lose_their_features(monkeypatch):
    spread = []
    for before, after in alone(monkeypatch, "FLAT"):
        for mask in before.truth.masks:
            inside = distort.cv2.erode(mask, np.ones((7, 7))) > 0
            if inside.sum() > 100:
                spread.append([s.image[inside].astype(float).std() for s in (before, after)])
    old, new = np.mean(spread, axis=0)
    assert new < 0.9 * old


def test_covered_things_are_seen_less(monkeypatch):
    lost = []
    for before, after in alone(monkeypatch, "COVERED"):
        hidden = (before.truth.masks.max(axis=0) > 0) & (after.truth.masks.max(axis=0) == 0)
        if hidden.any():
            assert (after.image[hidden] != before.image[hidden]).any(axis=-1).mean() > 0.5
        assert (after.truth.owners >= 0).sum() <= (before.truth.owners >= 0).sum()
        lost.append(sum(before.visible) - sum(after.visible))
    assert np.mean(lost) > 0.05
