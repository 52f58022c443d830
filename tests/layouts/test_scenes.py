"""The complex scenes: what the suite promises, and that its file is made from the sketches."""

from bench.layouts import faults, region_masks
from bench.layouts.importing import import_boxes
from bench.pocket.world.vocabulary import tokens, words
from bench.suites import SCENES, load_suite

SUITE = load_suite("complex-scenes").layouts


def test_at_least_twelve_scenes_of_four_to_nine_instances_with_a_background() -> None:
    assert len(SUITE) >= 12
    assert {len(e.instances) for e in SUITE} >= {4, 5, 6, 7, 8, 9}
    assert all(4 <= len(e.instances) <= 9 and e.background for e in SUITE)
    assert len({e.prompt for e in SUITE}) == len({e.id for e in SUITE}) == len(SUITE)
    assert {e.category for e in SUITE} == {"complex-scenes"}


def test_every_scene_keeps_every_rule() -> None:
    assert {e.id: faults(e) for e in SUITE if faults(e)} == {}


def test_regions_are_painted_not_boxes() -> None:
    for layout in SUITE:
        masks = region_masks(layout, 64, 64, overlap=True).mean(axis=(1, 2))
        filled = [m / i.box.area for m, i in zip(masks, layout.instances, strict=True)]
        assert min(filled) < 0.8, layout.id
        assert all(len(i.polygon) >= 6 for i in layout.instances)


def test_captions_fit_the_pocket_models() -> None:
    known = set(words())
    for layout in SUITE:
        read = tokens(layout.prompt)
        assert set(read) <= known, layout.prompt
        assert len(read) + 1 <= 40, layout.prompt  # with the end mark


def test_suite_is_the_import_of_its_sketches() -> None:
    assert import_boxes(SCENES / "sketches.jsonl") == list(SUITE)
