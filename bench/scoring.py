"""Records and metrics to scores."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench import registry
from bench.engine.generate import progress_bar
from bench.errors import BenchError, describe
from bench.store import Run, StoredImage
from bench.types import Score

if TYPE_CHECKING:
    from metrics.base import Metric, Sample

DEFAULT_METRICS = ("blip_vqa@official", "blip_vqa@fixed", "clip_score", "localization")
"""Both modes where they differ: the second one costs little, answers are remembered."""

BATCH = 32
"""Images given to a metric at once; also the most work that a kill can lose."""


@dataclass(slots=True)
class Scoring:
    """What one call of `score_run` did."""

    scored: dict[str, int] = field(default_factory=dict)
    """Images scored now, by metric."""
    errors: list[tuple[str, StoredImage, str]] = field(default_factory=list)
    """Metric, image, what the metric raised: a missing score, tried again next time."""
    unreadable: list[tuple[StoredImage, str]] = field(default_factory=list)
    """Images that are lost or damaged on disk."""


def make_metrics(names: Sequence[str], judges: Mapping[str, Any]) -> list[Metric]:
    """Metrics by name (``blip_vqa``, ``blip_vqa@official``, ``module:attribute``).

    ``judges`` by role (`bench.judges.JudgeSet`), shared by all: each is loaded once, when it is
    first asked. Raises BenchError for unknown names, modes and judges.
    """
    made: list[Metric] = []
    for text in names:
        name, _, mode = text.partition("@")
        target = registry.resolve("metric", name)
        if not hasattr(target, "create"):
            raise BenchError(f"metric {name!r} ({target!r}) has no create(judges, mode)")
        made.append(target.create(judges, mode or None))
    labels = [(metric.name, metric.mode) for metric in made]
    for label in labels:
        if labels.count(label) > 1:
            raise BenchError(f"metric {label[0]} ({label[1]}) is given twice")
    return made


def score_run(run: Run, metrics: Sequence[Metric]) -> Scoring:
    """Score every done image that a metric has not scored yet; the caller holds the run's lock.

    Scores are stored after every batch. What a metric raises for an image becomes a missing score
    with the error as its reason, and is tried again by the next call.
    """
    done = Scoring()
    images = {image.id: image for image in run.images()}
    bad: set[int] = set()
    for metric in metrics:
        columns = {name: dataclasses.asdict(c) for name, c in metric.columns.items()}
        metric_id = run.use_metric(metric.name, metric.mode, metric.identity, columns)
        due = sorted(run.unscored(metric_id) - bad)
        if not due:
            continue
        with progress_bar(f"{metric.name} ({metric.mode})", len(due)) as bar:
            for start in range(0, len(due), BATCH):
                batch = []
                for image_id in due[start : start + BATCH]:
                    image = images[image_id]
                    try:
                        batch.append((image, _sample(run, image)))
                    except BenchError as error:
                        bad.add(image_id)
                        done.unreadable.append((image, str(error)))
                results = score_samples(metric, [sample for _, sample in batch])
                scored, raised = [], []
                for (image, _), result in zip(batch, results, strict=True):
                    if isinstance(result, str):
                        done.errors.append((metric.name, image, result))
                        raised.append((image.id, complete(metric, result)))
                    else:
                        scored.append((image.id, complete(metric, result)))
                run.save_scores(metric_id, scored)
                run.save_scores(metric_id, raised, retry=True)
                bar.update(len(batch))
                done.scored[metric.name] = done.scored.get(metric.name, 0) + len(batch)
    return done


def score_samples(metric: Metric, samples: Sequence[Sample]) -> list[list[Score] | str]:
    """The metric's scores of each sample, or what it raised.

    When it raises on several samples they are tried one by one, so that one bad image does not take
    its neighbours with it.
    """
    if not samples:
        return []
    try:
        given = metric.score(samples)
        if len(given) != len(samples):
            raise BenchError(f"it gave {len(given)} results for {len(samples)} images")
        for scores in given:
            for score in scores:
                if score.name not in metric.columns:
                    raise BenchError(f"its columns do not declare the score {score.name!r}")
        return list(given)
    except Exception as error:  # any fault of a metric: recorded with the image
        if len(samples) == 1:
            return [f"{metric.name} failed: {describe(error)}"]
    results: list[list[Score] | str] = []
    for sample in samples:
        results += score_samples(metric, [sample])
    return results


def complete(metric: Metric, result: Sequence[Score] | str) -> list[Score]:
    """One score for each of the metric's columns; what is absent is missing with a reason."""
    absent = result if isinstance(result, str) else f"{metric.name} gave no such score"
    by_name = {} if isinstance(result, str) else {score.name: score for score in result}
    return [by_name.get(name, Score(name, None, absent)) for name in metric.columns]


CONTINUOUS = ("blip_vqa", "clip_score", "miou", "attribute_probability")
"""Scores that hardly ever repeat exactly."""


def alarms(run: Run) -> list[str]:
    """What looks wrong in a run's scores as a whole.

    A score that is missing on every image, or the same on all of ten images or more, is more often
    a wrong judge than a bad model; so is a detector that finds nothing asked for in any image.
    """
    found = []
    for metric, mode, score, images, known, different, highest, reason in run.query(
        "SELECT m.name, m.mode, s.name, COUNT(*), COUNT(s.value), COUNT(DISTINCT s.value), "
        "MAX(s.value), MIN(s.reason) FROM scores s JOIN metrics m ON m.id = s.metric "
        "WHERE m.current GROUP BY m.id, s.name ORDER BY m.id, s.name"
    ):
        where = f"{score} of {metric} ({mode})"
        if not known:
            found.append(f"{where} is missing on all {images} images: {reason}")
        elif score == "present" and highest == 0:
            found.append(f"{where}: the detector found nothing asked for in {known} images")
        elif known >= 10 and different == 1 and score in CONTINUOUS:
            found.append(f"{where} is {highest:g} on all {known} images")
    return found


def _sample(run: Run, image: StoredImage) -> Sample:
    from metrics.base import Sample

    assert image.record is not None
    return Sample(run.load_image(image.record), image.layout)
