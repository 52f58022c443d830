"""Suites: shipped ones are frozen, cuts keep the order, categories take turns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.engine.plan import without_unknown_words
from bench.errors import BenchError
from bench.layouts.io import write_layouts
from bench.suites import Suite, layouts_suite, load_suite
from bench.types import Box, Instance, Layout

CATEGORIES = ("color", "texture", "spatial", "3d_spatial", "numeracy", "complex")


def layout(name, category, noun="cat"):
    prompt = f"a {noun}"
    instance = Instance(
        prompt, (0, len(prompt)), noun, (2, len(prompt)), (), (), Box(0.1, 0.1, 0.9, 0.9)
    )
    return Layout(name, prompt, category, (instance,))


@pytest.mark.parametrize("name", ["pocket", "pocket-tune"])
def test_shipped_suites_have_eight_prompts_in_each_category(name):
    suite = load_suite(name)
    assert suite.categories == CATEGORIES
    for category in CATEGORIES:
        assert len(load_suite(name, categories=[category]).layouts) == 8
    assert len({e.prompt for e in suite.layouts}) == 48
    assert not suite.skip_unknown_words


def test_evaluation_and_tuning_prompts_are_disjoint():
    test, tune = ({e.prompt for e in load_suite(n).layouts} for n in ("pocket", "pocket-tune"))
    assert not test & tune


def test_digest_follows_content_and_order(tmp_path):
    a, b = layout("a", "x"), layout("b", "y", "dog")
    assert Suite("s", (a, b)).digest == Suite("t", (a, b)).digest
    assert Suite("s", (a, b)).digest != Suite("s", (b, a)).digest
    write_layouts(tmp_path / "mine.jsonl", [a, b])
    mine = layouts_suite(tmp_path / "mine.jsonl")
    assert (mine.name, mine.digest) == ("mine", Suite("s", (a, b)).digest)


@given(
    st.lists(st.sampled_from("xyz"), min_size=1, max_size=20),
    st.integers(min_value=1, max_value=25),
)
def test_limit_is_fair_and_keeps_the_order(categories, limit):
    suite = Suite("s", tuple(layout(f"l{i}", c) for i, c in enumerate(categories)))
    chosen = suite.select(limit=limit).layouts
    assert len(chosen) == min(limit, len(categories))
    assert list(chosen) == [e for e in suite.layouts if e in chosen]
    taken = {c: sum(e.category == c for e in chosen) for c in set(categories)}
    for c, count in taken.items():  # nobody has two more than one who still has some left
        for d, other in taken.items():
            assert count <= other + 1 or other == categories.count(d), (c, d)


def test_unknown_names_and_needless_data(tmp_path):
    with pytest.raises(BenchError, match="unknown category of suite pocket 'colour'; did you mean"):
        load_suite("pocket", categories=["colour"])
    with pytest.raises(BenchError, match="unknown suite 'poket'; did you mean 'pocket'"):
        load_suite("poket")
    with pytest.raises(BenchError, match="takes no --data"):
        load_suite("pocket", data=tmp_path)


def test_words_outside_the_vocabulary_are_left_out_only_where_the_suite_allows_it():
    layouts = tuple(layout(n, "x", n) for n in ("cat", "gnu", "dog"))

    def unknown(prompt):
        return [w for w in prompt.split() if w == "gnu"]

    suite = Suite("open", layouts, skip_unknown_words=True)
    kept, left_out = without_unknown_words(suite, "m", unknown)
    assert [e.id for e in kept.layouts] == ["cat", "dog"]
    assert [(e.layout.id, e.words) for e in left_out] == [("gnu", ("gnu",))]
    with pytest.raises(BenchError, match="model m does not know 'gnu' in prompt 'a gnu'"):
        without_unknown_words(Suite("own", layouts), "m", unknown)
    with pytest.raises(BenchError, match="none of the 1 prompts"):
        without_unknown_words(Suite("open", layouts[1:2], True), "m", unknown)
