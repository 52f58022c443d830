"""The renderer: deterministic pixels, truthful masks and labels, colours that read."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import BenchError
from bench.pocket.art.build import EMOJI
from bench.pocket.art.draw import DRAWN, draw
from bench.pocket.world import Scene, SceneInstance, render, render_with_truth, sample_scene
from bench.pocket.world.backgrounds import VARIANTS, background
from bench.pocket.world.sprites import RAMPS, atlas, sprite
from bench.pocket.world.vocabulary import BACKGROUNDS, COLORS, NOUNS, TEXTURES

seeds = st.integers(0, 2**32 - 1)


def scene_of(*things: SceneInstance, background: str | None = None) -> Scene:
    """A scene without a caption: the renderer does not read it."""
    return Scene(things, (), background, None, (), "", "single")


def thing(noun: str, color: str | None = None, texture: str | None = None, **kw: object):
    base = {"box": (0.2, 0.2, 0.8, 0.8), "flip": False, "depth": 0}
    return SceneInstance(noun, color, texture, **{**base, **kw})  # type: ignore[arg-type]


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_same_scene_and_seed_same_pixels(seed: int) -> None:
    scene = sample_scene(np.random.default_rng(seed))
    first, truth = render_with_truth(scene, 128, seed)
    again = render(scene, 128, np.random.default_rng(seed))
    assert first.shape == (128, 128, 3) and first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert np.array_equal(truth.masks, render_with_truth(scene, 128, seed)[1].masks)


def test_seed_changes_background_and_light_but_not_the_place() -> None:
    scene = scene_of(thing("dog"), background="park")
    (one, a), (two, b) = (render_with_truth(scene, 128, s) for s in (1, 2))
    assert not np.array_equal(one, two)
    assert np.array_equal(a.masks, b.masks)


@settings(deadline=None, max_examples=40)
@given(seeds, st.sampled_from([64, 128, 160]))
def test_masks_boxes_and_labels_agree(seed: int, size: int) -> None:
    scene = sample_scene(np.random.default_rng(seed))
    _, truth = render_with_truth(scene, size, 0)
    count = len(scene.instances)
    assert truth.masks.shape == (count, size, size)
    assert truth.masks.sum(axis=0).max() <= 1
    for instance, mask, box in zip(scene.instances, truth.masks, truth.boxes, strict=True):
        if box is None:
            assert not mask.any()
            continue
        ys, xs = np.nonzero(mask)
        found = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]) / size
        assert np.allclose(found, box)
        whole = np.array(instance.box) + np.array([-1, -1, 1, 1]) / size
        assert (found[:2] >= whole[:2]).all() and (found[2:] <= whole[2:]).all()
    # Labels, counted again cell by cell.
    for row in range(size // 16):
        for col in range(size // 16):
            cell = truth.masks[:, 16 * row : 16 * row + 16, 16 * col : 16 * col + 16]
            shares = [256 - int(cell.sum()), *(int(m.sum()) for m in cell)]
            owner = int(np.argmax(shares)) - 1
            if owner < 0:
                assert truth.nouns[row, col] == truth.colors[row, col] == -1
                continue
            t = scene.instances[owner]
            assert NOUNS[truth.nouns[row, col]] == t.noun
            assert truth.colors[row, col] == (COLORS.index(t.color) if t.color else -1)
            assert truth.textures[row, col] == (TEXTURES.index(t.texture) if t.texture else -1)


def test_nearer_things_cover_farther_ones() -> None:
    near = thing("book", box=(0.3, 0.3, 0.7, 0.8), depth=0)
    far = thing("television", box=(0.2, 0.2, 0.8, 0.7), depth=1)
    alone = render_with_truth(scene_of(dataclasses.replace(far, depth=0)))[1].masks[0]
    for scene, book, tv in ((scene_of(near, far), 0, 1), (scene_of(far, near), 1, 0)):
        masks = render_with_truth(scene)[1].masks
        assert masks[tv].sum() < alone.sum()
        assert np.array_equal(masks[tv], alone & (1 - masks[book]))


def test_glass_counts_where_it_is_seen_through() -> None:
    solid = render_with_truth(scene_of(thing("bottle")))[1].masks
    glass = render_with_truth(scene_of(thing("bottle", texture="glass")))[1].masks
    assert np.array_equal(solid, glass)


def test_flip_mirrors() -> None:
    box = (0.25, 0.25, 0.75, 0.75)
    masks = [
        render_with_truth(scene_of(thing("elephant", box=box, flip=f)))[1].masks[0]
        for f in (False, True)
    ]
    assert np.array_equal(masks[0], masks[1][:, ::-1])


@pytest.mark.parametrize("background_key", [None, *BACKGROUNDS])
@pytest.mark.parametrize("color", COLORS)
def test_a_color_reads_as_itself_and_stands_out(color: str, background_key: str | None) -> None:
    """The mean pixel of a tinted thing is nearest to its own colour's body tone."""
    bodies = np.array([RAMPS[c][1] for c in COLORS], float)
    for noun in ("car", "apple", "hat", "sheep"):
        image, truth = render_with_truth(scene_of(thing(noun, color), background=background_key))
        seen = np.median(image[truth.masks[0] > 0], axis=0)
        assert COLORS[int(np.argmin(((bodies - seen) ** 2).sum(axis=1)))] == color, noun


def test_textures_differ_from_each_other_at_forty_pixels() -> None:
    """Every two materials differ by far more than the jitter of light does."""
    box = (0.3, 0.3, 0.62, 0.62)
    for noun in ("chair", "car", "dog", "book"):
        shots = [
            render(scene_of(thing(noun, texture=t, box=box))).astype(float)[38:80, 38:80]
            for t in (None, *TEXTURES)
        ]
        for i, a in enumerate(shots):
            for b in shots[:i]:
                assert np.abs(a - b).mean() > 8


@pytest.mark.parametrize("noun", NOUNS)
def test_every_sprite_fills_its_box(noun: str) -> None:
    for color, texture in ((None, None), ("red", None), *((None, t) for t in TEXTURES)):
        drawn = sprite(noun, color, texture)
        shape = np.asarray(drawn.shape)
        assert max(shape.shape) == 96 and drawn.paint.size == drawn.shape.size
        assert (shape > 127).mean() > 0.12


def test_atlas_covers_the_nouns_without_overlap() -> None:
    pixels, table = atlas()
    assert list(table) == list(NOUNS) and set(EMOJI) | set(DRAWN) == set(NOUNS)
    assert not set(EMOJI) & set(DRAWN)
    used = np.zeros(pixels.shape[:2], int)
    for row in table.values():
        x, y, w, h = row["rect"]
        used[y : y + h, x : x + w] += 1
    assert used.max() == 1
    assert not pixels[used == 0][:, 3].any()


@pytest.mark.parametrize("noun", sorted(DRAWN))
def test_drawn_sprites_are_neither_empty_nor_a_full_square(noun: str) -> None:
    alpha = np.asarray(draw(noun))[..., 3]
    assert 0.1 < (alpha > 127).mean() < 0.95


def test_backgrounds_differ_and_are_not_to_be_written() -> None:
    keys: list[str | None] = [None, *BACKGROUNDS]
    shots = {k: background(k, 0, 64) for k in keys}
    for i, a in enumerate(keys):
        for b in keys[:i]:
            assert np.abs(shots[a] - shots[b]).mean() > 10, (a, b)
    assert not np.array_equal(background("park", 0, 64), background("park", VARIANTS - 1, 64))
    with pytest.raises(ValueError, match="read-only"):
        shots["park"][0, 0] = 0


def test_errors() -> None:
    scene = scene_of(thing("dog"))
    with pytest.raises(BenchError, match="100 is not a multiple of 16"):
        render_with_truth(scene, 100)
    with pytest.raises(BenchError, match="dog: box .* leaves the image"):
        render(scene_of(thing("dog", box=(0.5, 0.5, 1.2, 1.0))))


def test_speed() -> None:
    """More than 500 scenes a second on an idle core; here a quarter of it, as tests share cores."""
    rng = np.random.default_rng(0)
    for k in range(300):
        render_with_truth(sample_scene(rng), 128, k)
    start = time.process_time()
    for k in range(300):
        render_with_truth(sample_scene(rng), 128, k)
    assert 300 / (time.process_time() - start) > 125
