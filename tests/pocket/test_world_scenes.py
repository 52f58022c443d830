"""The grammar: captions with exact spans, a closed vocabulary, clean splits, true relations."""

from __future__ import annotations

import hashlib
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import BenchError
from bench.pocket.world import CATEGORIES, Scene, sample_scene
from bench.pocket.world import vocabulary as vocab
from bench.pocket.world.grammar import COUNTS
from bench.pocket.world.scene import RELATIONS
from bench.pocket.world.splits import SPLITS, nouns_split, pair_split
from bench.types import RELATIONS as LAYOUT_RELATIONS

PROMPTS = Path(__file__).resolve().parents[3] / "shared" / "t2i-compbench"

seeds = st.integers(0, 2**32 - 1)


def draw(seed: int, **kwargs: object) -> Scene:
    return sample_scene(np.random.default_rng(seed), **kwargs)  # type: ignore[arg-type]


def pairs_of(scene: Scene) -> set[str]:
    """The sides of every pair in a scene, from its instances alone."""
    nouns = {t.noun for t in scene.instances}
    found = {pair_split(t.noun, a) for t in scene.instances for a in t.attributes}
    return found | {nouns_split(a, b) for a, b in combinations(nouns, 2)}


def test_seventy_nouns_eleven_colors_eight_textures() -> None:
    assert (len(vocab.NOUNS), len(vocab.COLORS), len(vocab.TEXTURES)) == (70, 11, 8)
    assert len(set(vocab.NOUNS)) == 70
    assert (vocab.NOUNS[0], vocab.NOUNS[68], vocab.NOUNS[69]) == ("person", "tree", "pillow")
    assert len(vocab.BACKGROUNDS) >= 10


def test_plurals() -> None:
    got = {n: vocab.PLURALS[n] for n in ("person", "man", "woman", "mouse", "sheep", "fish", "cup")}
    assert list(got.values()) == ["people", "men", "women", "mice", "sheep", "fish", "cups"]
    assert set(vocab.PLURALS) == set(vocab.NOUNS)


def test_relations_are_known_to_layouts() -> None:
    assert set(RELATIONS) <= set(LAYOUT_RELATIONS)
    assert set(vocab.RELATION_PHRASES) == set(RELATIONS)


def test_same_seed_same_scene() -> None:
    assert draw(7) == draw(7)
    assert draw(7) != draw(8)


@given(seeds, st.sampled_from([None, *CATEGORIES]))
def test_spans_are_exact(seed: int, category: str | None) -> None:
    scene = draw(seed, category=category)
    text = scene.caption
    assert len(scene.mentions) == len(scene.instances)
    for thing, mention in zip(scene.instances, scene.mentions, strict=True):
        start, end = mention.phrase
        noun = text[slice(*mention.noun)]
        assert noun in (thing.noun, vocab.PLURALS[thing.noun])
        assert tuple(text[slice(*span)] for span in mention.attributes) == thing.attributes
        for span in (mention.noun, *mention.attributes):
            assert start <= span[0] < span[1] <= end
    if scene.background is None:
        assert scene.background_span is None
    else:
        assert scene.background_span is not None
        assert text[slice(*scene.background_span)] == vocab.BACKGROUNDS[scene.background]


@given(seeds, st.sampled_from([None, *CATEGORIES]))
def test_captions_stay_in_the_vocabulary_and_short(seed: int, category: str | None) -> None:
    said = vocab.tokens(draw(seed, category=category).caption)
    assert set(said) <= set(vocab.words())
    assert len(said) <= 40


@given(seeds)
def test_groups_count_what_the_caption_counts(seed: int) -> None:
    scene = draw(seed, category="numeracy")
    for group in scene.groups:
        phrase = scene.caption[slice(*scene.mentions[group[0]].phrase)].lower()
        assert vocab.NUMBER_WORDS.index(phrase.split()[0]) + 1 == len(group)
        assert len({scene.instances[k].noun for k in group}) == 1
    assert sorted(k for group in scene.groups for k in group) == list(range(len(scene.instances)))


@given(seeds)
def test_articles(seed: int) -> None:
    said = vocab.tokens(draw(seed).caption)
    for word, following in zip(said, said[1:], strict=False):
        if word in ("a", "an"):
            assert word == vocab.article(following)


def test_orange_is_a_thing_and_a_color() -> None:
    rng = np.random.default_rng(0)
    seen: set[str] = set()
    for _ in range(20000):
        scene = sample_scene(rng, category="single")
        seen.add(vocab.tokens(scene.caption)[1])
        assert [t for t in scene.instances if t.noun == t.color] == []
        if scene.caption.startswith("an orange") and scene.instances[0].color == "orange":
            seen.add("color first")
        if scene.instances[0].noun == "orange" and scene.instances[0].color:
            seen.add("colored orange")
    assert {"orange", "color first", "colored orange"} <= seen


def test_training_never_shows_a_held_out_pair() -> None:
    rng = np.random.default_rng(1)
    for _ in range(5000):
        assert pairs_of(sample_scene(rng)) <= {"train"}


@pytest.mark.parametrize("split", ["tune", "test"])
@pytest.mark.parametrize("category", [None, *CATEGORIES])
def test_held_out_scenes_hold_one_side_only(split: str, category: str | None) -> None:
    rng = np.random.default_rng(2)
    for _ in range(60):
        scene = sample_scene(rng, split=split, category=category)  # type: ignore[arg-type]
        assert split in pairs_of(scene) <= {"train", split}


def test_split_shares_and_plenty_of_training_pairs() -> None:
    pairs = [(n, a) for n in vocab.NOUNS for a in vocab.ATTRIBUTES]
    couples = list(combinations(vocab.NOUNS, 2))
    for sides in ([pair_split(*p) for p in pairs], [nouns_split(*p) for p in couples]):
        share = {s: sides.count(s) / len(sides) for s in SPLITS}
        assert share["train"] == pytest.approx(0.8, abs=0.03)
        assert share["test"] == pytest.approx(0.1, abs=0.025)
    for noun in vocab.NOUNS:
        assert sum(pair_split(noun, c) == "train" for c in vocab.COLORS) >= 5
        assert sum(pair_split(noun, t) == "train" for t in vocab.TEXTURES) >= 3
        others = [o for o in vocab.NOUNS if o != noun]
        assert sum(nouns_split(noun, o) == "train" for o in others) >= 40
    for word in vocab.ATTRIBUTES:
        assert sum(pair_split(n, word) == "train" for n in vocab.NOUNS) >= 40


def test_splits_do_not_drift() -> None:
    """Shipped models were trained on these sides: a change here is a leak."""
    assert nouns_split("dog", "car") == nouns_split("car", "dog")
    text = "".join(pair_split(n, a)[:2] for n in vocab.NOUNS for a in vocab.ATTRIBUTES)
    text += "".join(nouns_split(a, b)[:2] for a, b in combinations(vocab.NOUNS, 2))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "545c1e7dd91a7745"


@given(seeds, st.sampled_from(["spatial", "3d_spatial", "complex"]))
def test_relations_hold(seed: int, category: str) -> None:
    scene = draw(seed, category=category)
    for subject, relation, other in scene.relations:
        a, b = scene.instances[subject], scene.instances[other]
        dx = (b.box[0] + b.box[2] - a.box[0] - a.box[2]) / 2
        dy = (b.box[1] + b.box[3] - a.box[1] - a.box[3]) / 2
        lap_x = min(a.box[2], b.box[2]) - max(a.box[0], b.box[0])
        lap_y = min(a.box[3], b.box[3]) - max(a.box[1], b.box[1])
        if relation in ("left_of", "right_of"):
            sign = 1 if relation == "left_of" else -1
            assert sign * dx >= 1.9 * abs(dy) and lap_x < 0
        elif relation in ("above", "below"):
            sign = 1 if relation == "above" else -1
            assert sign * dy >= 1.9 * abs(dx) and lap_y < 0
        elif relation == "near":
            assert max(-lap_x, -lap_y) <= 0.031 and not (lap_x > 0 and lap_y > 0)
        else:
            front, back = (a, b) if relation == "in_front_of" else (b, a)
            assert front.depth < back.depth
            assert front.box[3] > back.box[3]
            hidden = lap_x * lap_y / ((back.box[2] - back.box[0]) * (back.box[3] - back.box[1]))
            assert lap_x > 0 and lap_y > 0 and 0.1 < hidden < 0.95


@given(seeds, st.sampled_from([None, *CATEGORIES]))
def test_boxes_lie_inside_and_overlap_only_in_depth(seed: int, category: str | None) -> None:
    scene = draw(seed, category=category)
    assert sorted(t.depth for t in scene.instances) == list(range(len(scene.instances)))
    deep = {
        frozenset((s, o))
        for s, r, o in scene.relations
        if r in ("in_front_of", "behind", "hidden_by")
    }
    for t in scene.instances:
        assert 0 <= t.box[0] < t.box[2] <= 1 and 0 <= t.box[1] < t.box[3] <= 1
    for (i, a), (j, b) in combinations(enumerate(scene.instances), 2):
        lap_x = min(a.box[2], b.box[2]) - max(a.box[0], b.box[0])
        lap_y = min(a.box[3], b.box[3]) - max(a.box[1], b.box[1])
        if frozenset((i, j)) not in deep:
            assert min(lap_x, lap_y) <= 1e-9, scene.caption


@pytest.mark.parametrize("category", CATEGORIES)
def test_every_count_of_a_category_can_be_asked_for(category: str) -> None:
    rng = np.random.default_rng(3)
    for count, _ in COUNTS[category]:
        for split in SPLITS:
            scene = sample_scene(rng, split=split, category=category, instances=count)
            assert (scene.category, len(scene.instances)) == (category, count)


def test_errors_name_the_thing_and_the_rule() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(BenchError, match="did you mean 'color'"):
        sample_scene(rng, category="colour")
    with pytest.raises(BenchError, match="unknown split 'val'"):
        sample_scene(rng, split="val")  # type: ignore[arg-type]
    with pytest.raises(BenchError, match="'spatial' cannot show 5 instances; it shows 2"):
        sample_scene(rng, category="spatial", instances=5)
    with pytest.raises(BenchError, match="cannot show 9 instances; give 1 to 6"):
        sample_scene(rng, instances=9)


@pytest.mark.skipif(not PROMPTS.is_dir(), reason="the T2I-CompBench prompt files are not here")
@pytest.mark.parametrize("category", ["spatial", "3d_spatial"])
def test_official_spatial_prompts_are_in_the_vocabulary(category: str) -> None:
    lines = (PROMPTS / f"{category}_val.txt").read_text(encoding="utf-8").splitlines()
    known = set(vocab.words())
    outside = {w for line in lines for w in vocab.tokens(line)} - known
    assert len(lines) == 300 and outside == set()
