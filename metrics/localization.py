"""Localization and binding per instance: is each thing where it belongs, once, with its attributes?

Instance and image success follow the rule of COCO-MIG (arXiv 2402.05408): right class, IoU with the
target box of at least 0.5, right attributes. There the attribute check is a colour histogram; here
the VQA judge is asked about the found region, so textures are checked as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from bench.types import Detection, Layout, Score
from metrics.base import (
    Column,
    DetectorJudge,
    Metric,
    Mode,
    Sample,
    VQAJudge,
    article,
    by_score,
    choose_mode,
    crop,
    identity_of,
    missing,
    need,
)
from metrics.matching import Matching, Target, match

NAME = "localization"


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What counts as found, as in place and as right."""

    detection: float = 0.3
    """Least confidence of a detection, 0..1."""
    iou: float = 0.5
    """Least IoU with the target box (COCO-MIG)."""
    attribute: float = 0.5
    """Least P(yes) of an attribute on the found region."""
    margin: float = 0.1
    """How far the region is widened on each side, as a share of the found box."""


@dataclass(frozen=True, slots=True)
class InstanceResult:
    """One instance of one image."""

    iou: float | None
    """With its target box; None if no detection of its class is left for it."""
    attributes: tuple[float, ...]
    """P(yes) of each of its attributes on its found region; empty if missing or without any."""
    leaked: tuple[float, ...]
    """P(yes) on its found region of each of the other instances' attributes that it lacks."""

    def success(self, thresholds: Thresholds) -> bool:
        """COCO-MIG's rule: found, in place, every attribute right."""
        return (
            self.iou is not None
            and self.iou >= thresholds.iou
            and all(p >= thresholds.attribute for p in self.attributes)
        )


COLUMNS: Mapping[str, Column] = {
    "instance_success": Column(
        True, "share of instances of right class, IoU >= 0.5, right attributes"
    ),
    "image_success": Column(True, "1 if every instance succeeds, else 0"),
    "miou": Column(True, "mean IoU of instances with their target boxes, 0 for missing ones"),
    "miou_all": Column(True, "the same, 0 for wrong attributes as well (COCO-MIG)"),
    "miou_matched": Column(True, "mean IoU of the instances that were found"),
    "present": Column(True, "share of instances that a detection of their class is left for"),
    "surplus": Column(False, "detections of asked classes beyond the asked number", (0.0, None)),
    "duplicated": Column(False, "those of the surplus that lie where one is already", (0.0, None)),
    "merged": Column(False, "missing instances whose place another instance covers", (0.0, None)),
    "position_error": Column(False, "mean distance of centres, as a share of the diagonal"),
    "size_error": Column(False, "mean |ln(found area / target area)|", (0.0, None)),
    "attribute_probability": Column(True, "mean P(yes) of own attributes on the found regions"),
    "leakage": Column(False, "mean P(yes) of other instances' attributes on the found regions"),
}
AGREEMENT = Column(True, "share of instances on whose presence and place both detectors agree")


def targets_of(layout: Layout, labels: Sequence[str]) -> list[Target]:
    """The layout's instances under the detector's names (one for each instance)."""
    return [Target(x, i.box) for x, i in zip(labels, layout.instances, strict=True)]


def attribute_questions(layout: Layout, index: int) -> list[str]:
    """A question for each attribute of an instance, about the region that shows it alone."""
    instance = layout.instances[index]
    return [_question(a, instance.noun) for a in instance.attributes]


def leakage_questions(layout: Layout, index: int) -> list[str]:
    """A question for each attribute that other instances have and this one should not.

    None about an instance without attributes: nobody said what it should not be, and an apple may
    well be red by nature.
    """
    instance = layout.instances[index]
    if not instance.attributes:
        return []
    others = dict.fromkeys(
        a
        for k, other in enumerate(layout.instances)
        if k != index
        for a in other.attributes
        if a not in instance.attributes and a != instance.noun
    )
    return [_question(a, instance.noun) for a in others]


def _question(attribute: str, noun: str) -> str:
    return f"{article(attribute)} {attribute} {noun}?"


def summarize(
    matching: Matching, results: Sequence[InstanceResult], thresholds: Thresholds
) -> dict[str, float | str]:
    """Every column but the agreement: its value, or why there is none."""
    success = [r.success(thresholds) for r in results]
    right = [all(p >= thresholds.attribute for p in r.attributes) for r in results]
    found = [r.iou for r in results if r.iou is not None]
    own = [p for r in results for p in r.attributes]
    leaked = [p for r in results for p in r.leaked]
    out: dict[str, float | str] = {
        "instance_success": fmean(success),
        "image_success": float(all(success)),
        "miou": fmean(r.iou or 0.0 for r in results),
        "miou_all": fmean((r.iou or 0.0) * ok for r, ok in zip(results, right, strict=True)),
        "present": len(found) / len(results),
        "surplus": float(len(matching.surplus)),
        "duplicated": float(len(matching.duplicated)),
        "merged": float(len(matching.merged)),
    }
    nothing = "no instance was found"
    out["miou_matched"] = fmean(found) if found else nothing
    out["position_error"] = fmean(m.position_error for m in matching.matches) if found else nothing
    out["size_error"] = fmean(m.size_error for m in matching.matches) if found else nothing
    out["attribute_probability"] = fmean(own) if own else "no instance with an attribute was found"
    out["leakage"] = (
        fmean(leaked) if leaked else "no found instance could have another one's attribute"
    )
    return out


def agreement(first: Matching, second: Matching, count: int, iou: float) -> float:
    """Share of ``count`` targets that both detectors find in place, or both do not."""
    sets = [{m.target for m in x.matches if m.iou >= iou} for x in (first, second)]
    return 1 - len(sets[0] ^ sets[1]) / count


class Localization:
    """Detections against target boxes, attributes on the found regions, leakage between them.

    Two detectors can be given (roles ``detector`` and ``detector_b``): scores come from the first,
    and ``detector_agreement`` says how often the second one sees the same.
    """

    name = NAME
    mode: Mode = "fixed"

    def __init__(
        self,
        detector: DetectorJudge,
        vqa: VQAJudge,
        detector_b: DetectorJudge | None = None,
        thresholds: Thresholds = Thresholds(),  # noqa: B008 (frozen)
    ) -> None:
        self._detector = detector
        self._detector_b = detector_b
        self._vqa = vqa
        self.thresholds = thresholds
        self.columns: Mapping[str, Column] = (
            COLUMNS if detector_b is None else {**COLUMNS, "detector_agreement": AGREEMENT}
        )

    @classmethod
    def create(cls, judges: Mapping[str, Any], mode: str | None = None) -> Metric:
        choose_mode(NAME, mode, ("fixed",))
        second = judges.get("detector_b")
        return cls(need(judges, "detector", NAME), need(judges, "vqa", NAME), second)

    @property
    def identity(self) -> Mapping[str, Any]:
        judges: dict[str, Any] = {"detector": self._detector, "vqa": self._vqa}
        if self._detector_b is not None:
            judges["detector_b"] = self._detector_b
        return identity_of(judges, thresholds=asdict(self.thresholds))

    def score(self, samples: Sequence[Sample]) -> list[list[Score]]:
        labels = [class_names(self._detector, s.layout) for s in samples]
        detections = self._detections(self._detector, samples, labels)
        matchings = [
            match(targets_of(s.layout, names), found) if isinstance(names, list) else None
            for s, names, found in zip(samples, labels, detections, strict=True)
        ]
        answers = self._attributes(samples, detections, matchings)
        agreements = self._agreements(samples, matchings)
        scores = []
        for k, sample in enumerate(samples):
            matching, names = matchings[k], labels[k]
            if matching is None:
                scores.append(missing(list(self.columns), str(names)))
                continue
            values: dict[str, float | str] = summarize(matching, answers[k], self.thresholds)
            values.update(agreements[k])
            details = self._details(sample.layout, detections[k], matching, answers[k])
            scores.append([_score(c, values[c], details) for c in self.columns])
        return scores

    def _detections(
        self,
        detector: DetectorJudge,
        samples: Sequence[Sample],
        labels: Sequence[list[str] | str],
    ) -> list[list[Detection]]:
        asked = [k for k, names in enumerate(labels) if isinstance(names, list)]
        found = detector.detect(
            [samples[k].image for k in asked], [sorted(set(labels[k])) for k in asked]
        )
        out: list[list[Detection]] = [[] for _ in samples]
        for k, detections in zip(asked, found, strict=True):
            kept = by_score(detections, self.thresholds.detection)
            out[k] = [d for d in kept if d.label in labels[k]]
        return out

    def _attributes(
        self,
        samples: Sequence[Sample],
        detections: Sequence[Sequence[Detection]],
        matchings: Sequence[Matching | None],
    ) -> list[list[InstanceResult]]:
        """Ask about all found regions of all images at once."""
        regions: list[Any] = []
        questions: list[list[str]] = []
        for sample, found, matching in zip(samples, detections, matchings, strict=True):
            for m in matching.matches if matching else ():
                asked = attribute_questions(sample.layout, m.target)
                asked += leakage_questions(sample.layout, m.target)
                regions.append(crop(sample.image, found[m.detection].box, self.thresholds.margin))
                questions.append(asked)
        answers = iter(self._vqa.ask(regions, questions))
        results = []
        for sample, matching in zip(samples, matchings, strict=True):
            row = [InstanceResult(None, (), ()) for _ in sample.layout.instances]
            for m in matching.matches if matching else ():
                answer = next(answers)
                own = len(sample.layout.instances[m.target].attributes)
                row[m.target] = InstanceResult(m.iou, tuple(answer[:own]), tuple(answer[own:]))
            results.append(row)
        return results

    def _agreements(
        self, samples: Sequence[Sample], matchings: Sequence[Matching | None]
    ) -> list[dict[str, float | str]]:
        if self._detector_b is None:
            return [{} for _ in samples]
        labels = [class_names(self._detector_b, s.layout) for s in samples]
        found = self._detections(self._detector_b, samples, labels)
        out: list[dict[str, float | str]] = []
        for sample, first, names, seen in zip(samples, matchings, labels, found, strict=True):
            if isinstance(names, str):
                out.append({"detector_agreement": names})
            elif first is not None:
                second = match(targets_of(sample.layout, names), seen)
                count = len(sample.layout.instances)
                out.append(
                    {"detector_agreement": agreement(first, second, count, self.thresholds.iou)}
                )
            else:
                out.append({})
        return out

    def _details(
        self,
        layout: Layout,
        detections: Sequence[Detection],
        matching: Matching,
        results: Sequence[InstanceResult],
    ) -> dict[str, Any]:
        """What the report draws; ``matches`` holds (target, detection, IoU)."""
        return {
            "targets": [
                {
                    "phrase": i.phrase,
                    "noun": i.noun,
                    "attributes": list(i.attributes),
                    "box": i.box.to_list(),
                }
                for i in layout.instances
            ],
            "detections": [
                {"label": d.label, "score": d.score, "box": d.box.to_list()} for d in detections
            ],
            "matches": [[m.target, m.detection, m.iou] for m in matching.matches],
            "instances": [
                {
                    "present": r.iou is not None,
                    "iou": r.iou,
                    "attributes": list(r.attributes),
                    "attribute_ok": (
                        all(p >= self.thresholds.attribute for p in r.attributes)
                        if r.attributes
                        else None
                    ),
                    "leaked": list(r.leaked),
                    "success": r.success(self.thresholds),
                }
                for r in results
            ],
            "surplus": list(matching.surplus),
            "duplicated": list(matching.duplicated),
            "merged": list(matching.merged),
        }


def class_names(detector: DetectorJudge, layout: Layout) -> list[str] | str:
    """The detector's name for each instance's noun, or a reason if it lacks one."""
    names = [detector.class_of(i.noun) for i in layout.instances]
    unknown = [i.noun for i, n in zip(layout.instances, names, strict=True) if n is None]
    if unknown:
        return f"the detector has no class for {', '.join(dict.fromkeys(unknown))}"
    return [n for n in names if n is not None]


def _score(name: str, value: float | str, details: Mapping[str, Any]) -> Score:
    # The report draws the details once, with the first column.
    extra = details if name == "instance_success" else {}
    if isinstance(value, str):
        return Score(name, None, value, extra)
    return Score(name, value, details=extra)
