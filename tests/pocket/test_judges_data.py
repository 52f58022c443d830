"""What the judges are trained on: labels that stay true, and no held-out pair."""

from __future__ import annotations

import numpy as np
import pytest

from bench.pocket.judges import degrade as damage
from bench.pocket.judges.calibrate import calibration_error, fit_temperature, logit
from bench.pocket.judges.captions import wrong_caption
from bench.pocket.judges.data import SIZE, make_sample, zoomed
from bench.pocket.judges.fragments import add_fragments
from bench.pocket.judges.intervals import bootstrap
from bench.pocket.judges.questions import ALIKE, OWN_TEXTURE, ask, background_chunk, swapped_pair
from bench.pocket.judges.tokens import ENC, NO, UNK, YES, tokenizer, vocabulary
from bench.pocket.world import Scene, SceneInstance, render_with_truth, sample_scene
from bench.pocket.world.scene import Mention
from bench.pocket.world.splits import belongs, nouns_split, pair_split
from bench.pocket.world.vocabulary import (
    ATTRIBUTES,
    BACKGROUNDS,
    NOUNS,
    PLURALS,
    TEXTURES,
    tokens,
)

SINGULAR = {plural: noun for noun, plural in PLURALS.items()} | {noun: noun for noun in NOUNS}


def two_things(first: tuple, second: tuple) -> Scene:
    """A scene of two (noun, colour, texture) side by side, far apart."""
    boxes = ((0.05, 0.3, 0.45, 0.7), (0.55, 0.3, 0.95, 0.7))
    things = tuple(
        SceneInstance(noun, color, texture, box, False, depth)
        for depth, ((noun, color, texture), box) in enumerate(
            zip((first, second), boxes, strict=True)
        )
    )
    mention = Mention((0, 1), (0, 1), ())
    return Scene(things, (mention, mention), None, None, (), "x", "color")


def sample_of(scene: Scene):
    from bench.pocket.judges.data import Sample

    image, truth = render_with_truth(scene, SIZE)
    return Sample(scene, image, truth, (1.0,) * len(scene.instances), ())


def test_samples_depend_on_seed_and_index_alone():
    a, b = ([make_sample("train", 5, k) for k in range(12, 16)] for _ in range(2))
    assert all((x.image == y.image).all() for x, y in zip(a, b, strict=True))
    alone = make_sample("train", 5, 3 * 4 + 2)
    assert (alone.image == a[2].image).all()
    assert (make_sample("train", 6, 14).image != a[2].image).any()


def test_no_held_out_pair_in_training_pictures_questions_or_captions():
    rng = np.random.default_rng(0)
    for k in range(300):
        sample = make_sample("train", 11, k, fragments=1.0)
        things = [(t.noun, t.attributes) for t in sample.scene.instances]
        assert belongs(things, "train")
        for noun, color, texture in sample.fragments:
            assert belongs([(noun, tuple(a for a in (color, texture) if a))], "train")
        for question in ask(sample, rng, 6):
            found = tokens(question.text.rstrip("?"))
            nouns = [SINGULAR[w] for w in found if w in SINGULAR][-1:]
            attributes = [w for w in found[:-1] if w in ATTRIBUTES]
            assert belongs([(n, tuple(attributes)) for n in nouns], "train"), question
        wrong = wrong_caption(sample.scene, rng)
        if wrong is not None and sample.scene.category in ("color", "texture", "single"):
            assert _pairs_of(wrong) <= {"train"}, wrong


def _pairs_of(caption: str) -> set[str]:
    """Sides of all pairs of a plain caption "a red apple, a wooden bus and a cat in a park"."""
    body = caption.rstrip(".")
    for phrase in BACKGROUNDS.values():
        body = body.removesuffix(" " + phrase)
    found, nouns, attributes = set(), [], []
    for word in tokens(body):
        # "orange" is a colour before a noun and a noun at a phrase's end.
        if word in ATTRIBUTES and word != "orange":
            attributes.append(word)
        elif word in SINGULAR and word != "orange":
            found |= {pair_split(SINGULAR[word], a) for a in attributes}
            nouns.append(SINGULAR[word])
            attributes = []
    found |= {nouns_split(a, b) for a in nouns for b in nouns if a != b}
    return found


def test_test_samples_hold_held_out_pairs():
    for k in range(20):
        scene = make_sample("test", 3, k).scene
        assert belongs([(t.noun, t.attributes) for t in scene.instances], "test")


@pytest.mark.parametrize("change", [change for _, change in damage.DEGRADATIONS])
def test_degradations_leave_things_where_they_are(change):
    """A bright square on a dark ground stays within two pixels of its place."""
    image = np.full((SIZE, SIZE, 3), 40, np.uint8)
    image[40:80, 50:100] = 220
    for seed in range(20):
        out = change(image, np.random.default_rng(seed))
        assert out.shape == image.shape and out.dtype == np.uint8
        bright = out.mean(axis=2) > 130
        assert bright[44:76, 54:96].mean() > 0.97
        outside = bright.copy()
        outside[37:83, 47:103] = False
        assert outside.mean() < 0.01


def test_tone_keeps_colors_apart():
    red = np.full((8, 8, 3), (222, 24, 30), np.uint8)
    for seed in range(50):
        out = damage.tone(red, np.random.default_rng(seed)).astype(int)
        assert (out[..., 0] - out[..., 1:].max(axis=-1) > 120).all()


def test_fragments_touch_no_instance_and_say_what_they_are():
    changed = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        image, truth = render_with_truth(sample_scene(rng), SIZE)
        taken = truth.masks.max(axis=0) > 0
        out, looks = add_fragments(image, taken, rng)
        assert (out[taken] == image[taken]).all()
        different = bool((out != image).any())
        assert different <= bool(looks)
        changed += different
    assert changed >= 15


def test_zoom_shows_the_instance_and_agrees_with_its_labels():
    rng = np.random.default_rng(0)
    for k in range(40):
        sample = make_sample("train", 21, k, degraded=False, category="color")
        near = zoomed(sample, rng)
        for mask, box in zip(near.truth.masks, near.truth.boxes, strict=True):
            assert mask.any() == (box is not None)
        assert (near.truth.owners >= 0).sum() == (near.truth.nouns >= 0).sum()
        assert near.image.shape == sample.image.shape
        best = int(np.argmax(near.visible))
        # The cut may trim 4 % on each side, more with thin shapes at the rim.
        assert near.visible[best] > 0.6
        assert near.truth.masks[best].mean() > sample.truth.masks[best].mean()
        assert all(v <= w + 1e-9 for v, w in zip(near.visible, sample.visible, strict=True))


@pytest.mark.parametrize(
    ("noun", "attributes", "expected"),
    [
        ("apple", ("green",), True),
        ("apple", (), True),
        ("apple", ("blue",), False),
        ("bus", ("blue", "wooden"), True),
        ("bus", ("wooden",), True),
        ("bus", ("green",), False),
        ("bus", ("metallic",), False),
        ("dog", (), False),
        ("dog", ("green",), False),
    ],
)
def test_answers(noun, attributes, expected):
    from bench.pocket.judges.questions import holds

    sample = sample_of(two_things(("apple", "green", None), ("bus", "blue", "wooden")))
    assert holds(sample, noun, attributes) is expected


def test_debatable_things_are_not_asked_about():
    from bench.pocket.judges.questions import holds

    plain = sample_of(two_things(("apple", None, None), ("man", "blue", None)))
    assert holds(plain, "apple", ("red",)) is None  # by nature
    assert holds(plain, "apple", ("blue",)) is False
    assert holds(plain, "person", ()) is None
    assert holds(plain, "woman", ()) is False
    bench = sample_of(two_things(("bench", None, None), ("sofa", "red", None)))
    assert holds(bench, "bench", ("wooden",)) is None
    assert holds(bench, "couch", ("red",)) is None
    assert holds(bench, "couch", ("blue",)) is False
    assert all(noun in NOUNS for nouns in OWN_TEXTURE.values() for noun in nouns)
    assert set(OWN_TEXTURE) == set(TEXTURES)
    assert all(pair <= set(NOUNS) for pair in ALIKE)


def test_hidden_things_are_absent_and_half_hidden_ones_debatable():
    from dataclasses import replace

    from bench.pocket.judges.questions import holds

    sample = sample_of(two_things(("apple", "green", None), ("bus", "blue", None)))
    assert holds(replace(sample, visible=(0.05, 1.0)), "apple", ()) is False
    assert holds(replace(sample, visible=(0.2, 1.0)), "apple", ()) is None
    assert holds(replace(sample, visible=(0.2, 1.0)), "apple", ("red",)) is False


def test_swapped_pair_swaps_one_attribute():
    sample = sample_of(two_things(("apple", "green", None), ("bus", "blue", None)))
    pairs = {swapped_pair(sample, np.random.default_rng(s), split="test") for s in range(20)}
    texts = {(yes.text, no.text) for yes, no in pairs}
    assert texts == {
        ("a green apple?", "a blue apple?"),
        ("a blue bus?", "a green bus?"),
    }
    assert all(yes.answer and not no.answer for yes, no in pairs)


def test_questions_hold_known_words_only():
    rng = np.random.default_rng(1)
    encode = tokenizer()
    texts = [q.text for k in range(100) for q in ask(make_sample("train", 4, k), rng, 6)]
    texts += [background_chunk(key) + "?" for key in BACKGROUNDS]
    ids = encode(texts).input_ids
    assert not any(UNK in row for row in ids)
    answers = {encode.convert_tokens_to_ids(w) for w in ("yes", "no", "[ENC]")}
    assert answers == {YES, NO, ENC}
    assert len(encode) == len(vocabulary()) == len(set(vocabulary()))


def test_wrong_captions_differ_and_keep_their_articles():
    rng = np.random.default_rng(2)
    made = 0
    for k in range(200):
        scene = sample_scene(np.random.default_rng(k))
        wrong = wrong_caption(scene, rng)
        if wrong is None:
            continue
        made += 1
        assert wrong != scene.caption
        words = tokens(wrong)
        for article, word in zip(words, words[1:], strict=False):
            if article in ("a", "an"):
                assert (article == "an") == (word[0] in "aeiou"), wrong
    assert made > 150


def test_temperature_undoes_overconfidence():
    rng = np.random.default_rng(0)
    true = rng.normal(0, 2, 20_000)
    right = rng.random(true.size) < 1 / (1 + np.exp(-true))
    assert fit_temperature(3 * true, right) == pytest.approx(3, rel=0.05)
    p = 1 / (1 + np.exp(-true))
    assert calibration_error(p, right) < 0.02
    assert calibration_error(1 / (1 + np.exp(-3 * true)), right) > 0.05
    assert logit(p) == pytest.approx(true, abs=1e-3)


def test_bootstrap_interval_covers():
    rows = [True] * 320 + [False] * 80
    found = bootstrap(rows, lambda r: float(np.mean(r)))
    assert found["low"] < 0.8 < found["high"] and found["n"] == 400
    assert found["high"] - found["low"] == pytest.approx(4 * (0.8 * 0.2 / 400) ** 0.5, rel=0.25)
