"""Start-up tests of judges on golden pictures: does this checkpoint answer at all, and rightly?

The pictures are drawn by the pocket world, one thing each, so that any judge of the kind must get
most of them right. For the shipped judges their weights' digest and the answers themselves are
recorded, too (golden.json): other weights, or a library that changes them, are noticed.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bench.errors import BenchError, describe
from bench.files import write_json
from bench.judges.specs import ROLES, JudgeSet

GOLDEN_FILE = Path(__file__).with_name("golden.json")
"""Judge name to digest and answers, written by `record`."""
THINGS = (
    ("apple", "red"), ("bus", "yellow"), ("chair", "blue"), ("umbrella", "purple"),
    ("car", "green"), ("dog", "brown"),
)  # fmt: skip
"""(noun, colour) of each golden picture."""
TOLERANCE = 0.02
"""Most that an answer may differ from the recorded one: other libraries round differently."""
MASS = 0.5
"""Least mean probability that "yes" and "no" have together in a model trained to answer."""
MARGIN = 0.2
"""Least mean distance between answers about what is there and about what is not."""
SHARE = 0.6
"""Least share of golden pictures that a CLIP or a detector must get right."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tested."""

    role: str
    judge: str
    ok: bool
    text: str
    """What was found, or what is wrong and how to repair it."""


@dataclass(frozen=True, slots=True)
class Golden:
    """A picture with one thing."""

    image: Any
    noun: str
    color: str
    box: tuple[float, float, float, float]


@cache
def golden_pictures() -> tuple[Golden, ...]:
    """The golden pictures, 128 pixels, the same on every machine."""
    from PIL import Image

    from bench.pocket.world import Scene, SceneInstance, render
    from bench.pocket.world.sprites import aspects

    made = []
    for noun, color in THINGS:
        aspect = aspects()[noun]  # squashed, even a good detector takes a bus for something else
        w, h = 0.3 * min(1.0, aspect), 0.3 / max(1.0, aspect)
        box = (0.5 - w, 0.5 - h, 0.5 + w, 0.5 + h)
        thing = SceneInstance(noun, color, None, box, False, 0)
        scene = Scene((thing,), (), None, None, (), f"a {color} {noun}", "single")
        made.append(Golden(Image.fromarray(render(scene)), noun, color, box))
    return tuple(made)


def ensure_sound(judges: JudgeSet) -> None:
    """Self-test the judges that have been asked for, said on standard error.

    Raises BenchError when one of them fails: its scores would be wrong, and not one by one.
    """
    failed = []
    for finding in self_test(judges, tuple(judges.made)):
        print(
            f"judge {finding.judge}: {'ok, ' if finding.ok else 'FAILED, '}{finding.text}",
            file=sys.stderr,
        )
        if not finding.ok:
            failed.append(finding)
    if failed:
        first = failed[0]
        raise BenchError(
            f"{first.role} judge {first.judge} fails its self-test: {first.text}; nothing was "
            f"scored. Name another one with --judge {first.role}=NAME"
        )


def self_test(judges: JudgeSet, roles: tuple[str, ...] = ROLES) -> Iterator[Finding]:
    """Test the judges of some roles, one finding or more each; never raises.

    Roles without a judge, and those that are not models, are passed over.
    """
    tests: Mapping[str, Callable[[Any], Iterator[tuple[bool, str]]]] = {
        "vqa": check_vqa,
        "clip": check_clip,
        "detector": check_detector,
        "detector_b": check_detector,
        "depth": check_depth,
    }
    for role, test in tests.items():
        if role not in judges or role not in roles:
            continue
        name = judges.names.get(role, role)
        try:
            judge = judges[role]
            name = str(judge.identity.get("name", name))
            for ok, text in test(judge):
                yield Finding(role, name, ok, text)
            yield from (Finding(role, name, ok, text) for ok, text in _recorded(role, judge, name))
        except Exception as error:  # a broken checkpoint can raise anything; it is the finding
            yield Finding(role, name, False, describe(error))


def check_vqa(judge: Any) -> Iterator[tuple[bool, str]]:
    """Right and wrong colours of the golden pictures: numbers, "yes" and "no", the right order."""
    pictures = golden_pictures()
    questions = [[f"a {g.color} {g.noun}?", f"a {_other(g)} {g.noun}?"] for g in pictures]
    answers = judge.answers([g.image for g in pictures], questions)
    flat = [a for row in answers for a in row]
    if not all(math.isfinite(v) for a in flat for v in (a.yes, a.mass)):
        yield False, "answers are not numbers (NaN); the weights are damaged, get them again"
        return
    mass = sum(a.mass for a in flat) / len(flat)
    if mass < MASS:
        yield (
            False,
            f"only {mass:.0%} of its answers are yes or no; this is the wrong checkpoint for "
            "visual questions",
        )
    gap = sum(right.yes - wrong.yes for right, wrong in answers) / len(answers)
    if gap < MARGIN:
        yield (
            False,
            f"it tells right from wrong colours by {gap:.2f} (at least {MARGIN} expected); "
            "this is the wrong checkpoint, or the pictures do not suit it",
        )
    else:
        yield True, f"right against wrong colours: {gap:.2f} apart, {mass:.0%} yes or no"


def check_clip(judge: Any) -> Iterator[tuple[bool, str]]:
    """Each golden picture against all captions: numbers, and its own caption the nearest."""
    pictures = golden_pictures()
    captions = [f"a {g.color} {g.noun}" for g in pictures]
    right = 0
    for k, g in enumerate(pictures):
        cosines = judge.cosine([g.image] * len(captions), captions)
        if not all(math.isfinite(c) for c in cosines):
            yield False, "cosines are not numbers (NaN); the weights are damaged, get them again"
            return
        right += max(range(len(cosines)), key=cosines.__getitem__) == k
    share = right / len(pictures)
    if share < SHARE:
        yield False, f"{right} of {len(pictures)} pictures find their caption; wrong checkpoint"
    else:
        yield True, f"{right} of {len(pictures)} pictures find their caption"


def check_detector(judge: Any) -> Iterator[tuple[bool, str]]:
    """The golden pictures' things: found at all, of the right class, in the right place."""
    from bench.types import Box

    known = [(g, judge.class_of(g.noun)) for g in golden_pictures()]
    known = [(g, name) for g, name in known if name is not None]
    if not known:
        yield False, "it knows none of the golden pictures' nouns; wrong class names?"
        return
    found = judge.detect([g.image for g, _ in known], [[name] for _, name in known])
    if not any(found):
        yield (
            False,
            "it finds nothing in any golden picture; wrong checkpoint or wrong configuration",
        )
        return
    if not all(math.isfinite(d.score) for row in found for d in row):
        yield False, "scores are not numbers (NaN); the weights are damaged, get them again"
        return
    right = sum(
        any(d.label == name and d.box.iou(Box(*g.box)) >= 0.5 for d in row)
        for (g, name), row in zip(known, found, strict=True)
    )
    ok = right >= SHARE * len(known)
    yield (
        ok,
        f"{right} of {len(known)} golden things found in place"
        + ("" if ok else "; wrong checkpoint or wrong class names?"),
    )


def check_depth(judge: Any) -> Iterator[tuple[bool, str]]:
    """Depth maps: the image's size, numbers, and not one flat value."""
    pictures = golden_pictures()
    for g, depth in zip(pictures, judge.depth([g.image for g in pictures]), strict=True):
        if depth.shape != (g.image.height, g.image.width):
            yield False, f"depth map of shape {depth.shape} for an image of {g.image.size}"
            return
        if not bool((depth == depth).all()) or float(depth.max()) == float(depth.min()):
            yield False, "depth maps are flat or not numbers; wrong checkpoint"
            return
    yield True, f"{len(pictures)} depth maps with depth in them"


RECORDED = ("vqa", "clip", "detector")
"""Roles whose answers to the golden pictures are recorded."""


def record(judges: JudgeSet, path: Path = GOLDEN_FILE) -> None:
    """Write down what judges answer now, for later tests of the same weights.

    The judges of other names keep their records.
    """
    known = _known(path)
    for role in RECORDED:
        if role in judges:
            identity = judges[role].identity
            values = [round(v, 5) for v in _answers(role, judges[role])]
            known[identity["name"]] = {"digest": identity["digest"], "values": values}
    write_json(path, known)


def _known(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def _recorded(role: str, judge: Any, name: str) -> Iterator[tuple[bool, str]]:
    """A shipped judge against its record."""
    known = _known(GOLDEN_FILE).get(name)
    if known is None or role not in RECORDED:
        return
    digest = str(judge.identity.get("digest"))
    if known["digest"] != digest:
        yield (
            False,
            f"its weights ({digest[:12]}) are not those that are shipped under this name "
            f"({known['digest'][:12]}): wrong checkpoint; install the package again, or record "
            "newly trained ones with 'python -m bench doctor --record-judges'",
        )
        return
    values = _answers(role, judge)
    if len(values) != len(known["values"]):
        yield False, "it finds another number of things than when it was shipped"
        return
    worst = max(abs(a - b) for a, b in zip(values, known["values"], strict=True))
    text = f"answers differ from the recorded ones by at most {worst:.4f}"
    if worst > TOLERANCE:
        text += f" (allowed {TOLERANCE}); scores here do not compare with others'"
    yield worst <= TOLERANCE, text


def _answers(role: str, judge: Any) -> list[float]:
    """What the record holds: answers, cosines, or the best score and box of each picture."""
    pictures = golden_pictures()
    images = [g.image for g in pictures]
    if role == "vqa":
        questions = [[f"a {g.color} {g.noun}?", f"a {_other(g)} {g.noun}?"] for g in pictures]
        return [v for row in judge.ask(images, questions) for v in row]
    if role == "clip":
        return list(judge.cosine(images, [f"a {g.color} {g.noun}" for g in pictures]))
    found = judge.detect(images, [[judge.class_of(g.noun) or g.noun] for g in pictures])
    return [v for row in found for d in row[:1] for v in (d.score, *d.box.to_list())]


def _other(golden: Golden) -> str:
    """The colour of the next golden picture."""
    colors = [color for _, color in THINGS]
    return colors[(colors.index(golden.color) + 1) % len(colors)]
