"""Layouts that were made elsewhere: painted sketches, COCO annotations, plain boxes.

Every import says where a thing stands; what it is (noun, attributes) is read from the prompt.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.errors import BenchError, unknown_name
from bench.images import open_rgb
from bench.layouts.build import OWN
from bench.layouts.depth import depth_ranks
from bench.layouts.io import read_rows, read_text
from bench.layouts.parse import parse
from bench.layouts.plan import MAX_INSTANCES
from bench.layouts.records import ParsedInstance, ParsedPrompt
from bench.layouts.trace import BoolArray, trace
from bench.types import Box, Instance, Layout, Relation

Point = tuple[float, float]
_DARKEST, _LIGHTEST = 8, 250
"""Channels all below or all above are black lines and white paper, not paint."""
_LEAST_PAINT = 0.001
"""A colour on a smaller share of the image is an edge's blend, not a region."""


def import_sketch(path: Path, id: str | None = None) -> Layout:
    """A layout from a description in JSON beside a colour-coded PNG.

    The description holds ``prompt``, ``segments`` (the background phrase first, then one phrase
    for each region) and ``sketch`` (the PNG's name). White is background; the k-th most frequent
    colour that is neither white nor black is the region of ``segments[k]``. ``background: null``
    says that there is no background phrase, so that all segments are regions.
    """
    row = _json_object(path)
    try:
        prompt, segments, name = row["prompt"], list(row["segments"]), row["sketch"]
    except KeyError as error:
        raise BenchError(f"{path}: field {error.args[0]!r} is missing") from error
    if not isinstance(name, str) or Path(name).name != name:
        raise BenchError(f"{path}: sketch {name!r} must be the name of a file beside it")
    has_background = not ("background" in row and row["background"] is None)
    background = segments.pop(0) if has_background and segments else None
    masks = _colors(path.parent / name, len(segments))
    polygons = [trace(mask) for mask in masks]
    return _layout(
        id or _safe(path.stem),
        prompt,
        [(phrase, None, polygon) for phrase, polygon in zip(segments, polygons, strict=True)],
        background,
        f"sketch {_safe(path.stem)}",
        str(path),
    )


def import_boxes(path: Path) -> list[Layout]:
    """Layouts from JSON lines: ``prompt`` and ``boxes`` [{``phrase``, ``box`` or ``polygon``}].

    Boxes are [x0, y0, x1, y1] in 0..1, or in pixels where the row has ``width`` and ``height``.
    ``id``, ``category`` and ``background`` (a phrase) are optional.
    """
    layouts = []
    for number, row in read_rows(path):
        where = f"{path}, line {number}"
        try:
            width, height = float(row.get("width", 1)), float(row.get("height", 1))
            regions = [
                (
                    entry["phrase"],
                    _scaled(entry["box"], width, height, where)
                    if "box" in entry or not entry.get("polygon")
                    else None,
                    tuple((float(x) / width, float(y) / height) for x, y in entry["polygon"])
                    if entry.get("polygon")
                    else (),
                )
                for entry in row["boxes"]
            ]
            id = str(row.get("id", f"{_safe(path.stem)}-{number:04d}"))
            prompt, background = row["prompt"], row.get("background")
            category = str(row.get("category", OWN))
        except KeyError as error:
            raise BenchError(f"{where}: field {error.args[0]!r} is missing") from error
        except (TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
            raise BenchError(f"{where}: not a row of boxes ({error})") from error
        made = _layout(id, prompt, regions, background, f"boxes {path.stem}", where)
        layouts.append(replace(made, category=category))
    return layouts


def import_coco(path: Path) -> list[Layout]:
    """Layouts from COCO instances: one for each image that has annotations.

    The prompt is the image's ``caption`` where it has one, which must name every category; else it
    lists the things ("two dogs and a cat"). Polygons come from ``segmentation`` where it is a
    list; crowds are left out.
    """
    data = _json_object(path)
    try:
        names = {c["id"]: str(c["name"]).lower() for c in data["categories"]}
        by_image: dict[Any, list[Mapping[str, Any]]] = {}
        for annotation in data["annotations"]:
            if not annotation.get("iscrowd"):
                by_image.setdefault(annotation["image_id"], []).append(annotation)
        return [
            _coco_image(image, by_image[image["id"]], names, path)
            for image in data["images"]
            if image["id"] in by_image
        ]
    except KeyError as error:
        raise BenchError(f"{path}: field or id {error.args[0]!r} is missing") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise BenchError(f"{path}: not COCO annotations ({error})") from error


def _coco_image(
    image: Mapping[str, Any],
    annotations: Sequence[Mapping[str, Any]],
    names: Mapping[Any, str],
    path: Path,
) -> Layout:
    where = f"{path}, image {image['id']}"
    if len(annotations) > MAX_INSTANCES:
        raise BenchError(f"{where}: {len(annotations)} instances; at most {MAX_INSTANCES} fit")
    width, height = float(image["width"]), float(image["height"])
    nouns = [names[a["category_id"]] for a in annotations]
    caption = str(image.get("caption") or "").strip()
    phrases = [_phrase_of(noun, caption, where) for noun in nouns] if caption else nouns
    prompt = caption
    if not caption:
        prompt, written = _listing(nouns)
        phrases = [written[noun] for noun in nouns]
    regions = []
    for annotation, phrase in zip(annotations, phrases, strict=True):
        x, y, w, h = (float(v) for v in annotation["bbox"])
        outline = annotation.get("segmentation")
        polygon: tuple[Point, ...] = ()
        if isinstance(outline, list) and outline:
            ring = max(outline, key=len)
            polygon = tuple(
                (_unit(ring[k] / width), _unit(ring[k + 1] / height))
                for k in range(0, len(ring) - 1, 2)
            )
        box = _scaled([x, y, min(x + w, width), min(y + h, height)], width, height, where)
        regions.append((phrase, box, polygon))
    return _layout(f"coco-{_safe(str(image['id']))}", prompt, regions, None, "COCO", where)


def _phrase_of(noun: str, caption: str, where: str) -> str:
    """The caption's phrase for a category."""
    parsed = parse(caption)
    for instance in parsed.instances:
        if instance.noun == noun or instance.noun.split()[-1] == noun.split()[-1]:
            return caption[slice(*instance.phrase_span)]
    known = [i.noun for i in parsed.instances]
    raise BenchError(
        f"{where}: the caption {caption!r} does not name it; "
        + str(unknown_name("thing", noun, known))
    )


def _listing(nouns: Sequence[str]) -> tuple[str, dict[str, str]]:
    """A prompt that lists things, and each noun's phrase in it."""
    counts = {noun: nouns.count(noun) for noun in dict.fromkeys(nouns)}
    phrases = {}
    for noun, count in counts.items():
        article = "an" if noun[0] in "aeiou" else "a"
        phrases[noun] = f"{article} {noun}" if count == 1 else f"{count} {_plural(noun)}"
    parts = list(phrases.values())
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts), phrases


def _plural(noun: str) -> str:
    irregular = {"person": "people", "mouse": "mice", "sheep": "sheep", "knife": "knives"}
    if noun in irregular:
        return irregular[noun]
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


def _layout(
    id: str,
    prompt: Any,
    regions: Sequence[tuple[Any, Box | None, tuple[Point, ...]]],
    background: Any,
    planner: str,
    where: str,
) -> Layout:
    """A layout of regions (phrase, box or None, polygon), words read from the prompt."""
    if not isinstance(prompt, str) or not prompt.strip():
        raise BenchError(f"{where}: the prompt is missing")
    parsed = parse(prompt)
    instances = []
    used: dict[str, int] = {}
    for depth, (phrase, box, polygon) in enumerate(regions):
        if not isinstance(phrase, str) or not phrase:
            raise BenchError(f"{where}: region {depth + 1} has no phrase")
        if box is None:
            if not polygon:
                raise BenchError(f"{where}: nothing is painted for {phrase!r}")
            xs, ys = [p[0] for p in polygon], [p[1] for p in polygon]
            box = Box(min(xs), min(ys), max(xs), max(ys))
        start = _find(prompt, phrase, used, where)
        words = _words(parsed, prompt, start, phrase)
        instances.append(
            Instance(
                phrase=prompt[start : start + len(phrase)],
                phrase_span=(start, start + len(phrase)),
                noun=words.noun,
                noun_span=words.noun_span,
                attributes=words.attributes,
                attribute_spans=words.attribute_spans,
                box=box,
                polygon=polygon,
                depth=depth,
            )
        )
    if not instances:
        raise BenchError(f"{where}: no region; at least one is needed")
    relations = _relations(parsed, instances)
    span = None
    if background:
        at = _find(prompt, str(background), {}, where)
        span = (at, at + len(str(background)))
    return Layout(id, prompt, OWN, _in_depth(instances, relations), relations, span, planner)


def _find(prompt: str, phrase: str, used: dict[str, int], where: str) -> int:
    """Where a phrase stands; a phrase that is given again is looked for after its last place."""
    low, wanted = prompt.lower(), phrase.lower()
    at = low.find(wanted, used.get(wanted, -1) + 1)
    if at < 0:
        at = low.find(wanted)
    if at < 0:
        raise BenchError(f"{where}: the phrase {phrase!r} is not in the prompt {prompt!r}")
    used[wanted] = at
    return at


def _words(parsed: ParsedPrompt, prompt: str, start: int, phrase: str) -> ParsedInstance:
    """Noun and attributes of a phrase: from the prompt's parse, else from the phrase's own."""
    end = start + len(phrase)
    for instance in parsed.instances:
        if start <= instance.noun_span[0] and instance.noun_span[1] <= end:
            return instance
    alone = parse(phrase).instances
    if alone:
        first = alone[0]

        def moved(span: tuple[int, int]) -> tuple[int, int]:
            return span[0] + start, span[1] + start

        return replace(
            first,
            noun_span=moved(first.noun_span),
            attribute_spans=tuple(moved(s) for s in first.attribute_spans),
        )
    return ParsedInstance((start, end), phrase.lower(), (start, end))


def _relations(parsed: ParsedPrompt, instances: Sequence[Instance]) -> tuple[Relation, ...]:
    """The prompt's relations between imported instances, one to one by their nouns' places."""
    at = {inst.noun_span: k for k, inst in reversed(list(enumerate(instances)))}
    found = []
    for relation in parsed.relations:
        subject = at.get(parsed.instances[relation.subject].noun_span)
        obj = at.get(parsed.instances[relation.object].noun_span)
        if subject is not None and obj is not None and subject != obj:
            found.append(Relation(subject, relation.relation, obj))
    return tuple(found)


def _in_depth(instances: Sequence[Instance], relations: Sequence[Relation]) -> tuple[Instance, ...]:
    """Small things before large ones (what is painted inside another must show), or as related."""
    sizes = [inst.box.area for inst in instances]
    links = [(r.subject, r.relation, r.object) for r in relations]
    ranks = depth_ranks(links, sizes) or depth_ranks([], sizes) or []
    return tuple(replace(i, depth=rank) for i, rank in zip(instances, ranks, strict=True))


def _colors(path: Path, count: int) -> list[BoolArray]:
    """Masks of the ``count`` most frequent colours that are neither white nor black."""
    try:
        pixels = np.asarray(open_rgb(path))
    except FileNotFoundError as error:
        raise BenchError(f"{path} does not exist; the sketch lies beside its JSON") from error
    except OSError as error:
        raise BenchError(f"{path} is no readable picture ({error})") from error
    values, inverse, counts = np.unique(
        pixels.reshape(-1, 3), axis=0, return_inverse=True, return_counts=True
    )
    painted = (values.min(axis=1) < _LIGHTEST) & (values.max(axis=1) > _DARKEST)
    order = [k for k in np.argsort(-counts, kind="stable") if painted[k]][:count]
    large = [k for k in order if counts[k] >= _LEAST_PAINT * counts.sum()]
    if len(large) < count:
        raise BenchError(
            f"{path}: {count} phrases but {len(large)} colours (without white and black); paint "
            "every phrase's region in a colour of its own, without smoothed edges"
        )
    return [(inverse == k).reshape(pixels.shape[:2]) for k in large]


def _scaled(box: Any, width: float, height: float, where: str) -> Box:
    x0, y0, x1, y1 = (float(v) for v in box)
    try:
        return Box(x0 / width, y0 / height, x1 / width, y1 / height)
    except BenchError as error:
        raise BenchError(f"{where}: {error}") from error


def _unit(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def _safe(text: str) -> str:
    """A text as an id: letters, digits, '-' and '_'."""
    return "".join(c if (c.isalnum() and c.isascii()) or c in "-_" else "-" for c in text) or "x"


def _json_object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(read_text(path))
    except ValueError as error:
        raise BenchError(f"{path}: not JSON ({error})") from error
    if not isinstance(value, dict):
        raise BenchError(f"{path}: must hold one JSON object")
    return value


def import_any(path: Path) -> list[Layout]:
    """Layouts from a file of any of the three kinds, told apart by what it holds."""
    if path.suffix.lower() == ".jsonl":
        return import_boxes(path)
    row = _json_object(path)
    if "annotations" in row:
        return import_coco(path)
    if "segments" in row:
        return [import_sketch(path)]
    raise BenchError(
        f"{path}: neither a sketch's description ('segments') nor COCO ('annotations'); boxes come "
        "as JSON lines in a .jsonl file"
    )
