"""Make what a run is still missing, batch by batch."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError, describe
from bench.images import is_blank
from bench.store import IMPORTED, Run, StoredImage, encode_png
from bench.types import GenerationRecord

if TYPE_CHECKING:
    from bench.backends import Backend, Generated
    from bench.methods.base import Method

OnStep = Callable[[int, int], None]


@dataclass(slots=True)
class Generation:
    """What one call of `generate_missing` did."""

    kept: int = 0
    """Images that lay there, done and intact."""
    made: int = 0
    failed: list[tuple[StoredImage, str]] = field(default_factory=list)
    """With the error of each."""
    drifted: list[StoredImage] = field(default_factory=list)
    """Kept images whose batch was made again and came out different: this machine or its libraries
    do not repeat what made them."""


def generate_missing(
    run: Run, backend: Callable[[], Backend], methods: Mapping[str, Method]
) -> Generation:
    """Generate every image of the run that is missing, damaged or failed before.

    A batch with anything missing is generated whole again, because an image's last bits may depend
    on its batch; only what is missing is written. ``backend`` is called only if there is work.
    The caller holds the run's lock.

    Raises BenchError when no image of the first batch can be made: then the fault does not lie
    with single prompts.
    """
    images = [image for image in run.images() if image.batch != IMPORTED]
    missing = {i.id for i in images if i.record is None or not run.intact(i.record)}
    batches = [list(group) for _, group in groupby(images, key=lambda i: i.batch)]
    due = [batch for batch in batches if any(i.id in missing for i in batch)]
    done = Generation(kept=len(images) - len(missing))
    if not due:
        return done
    loaded = backend()
    with progress_bar("images", len(missing)) as bar:
        for batch in due:
            label = batch[0].method_label

            def on_step(step: int, steps: int, label: str = label) -> None:
                text = f"{label}, step {step}/{steps}"
                bar.set_postfix_str(text, refresh=sys.stderr.isatty())

            results = _make_batch(loaded, batch, methods[label], on_step)
            errors = [r for r in results if isinstance(r, str)]
            if len(errors) == len(results) and not done.made and not done.kept:
                raise BenchError(f"no image of the first batch could be made: {errors[0]}")
            saved = []
            for image, result in zip(batch, results, strict=True):
                record, png = _record(image, result)
                if image.id not in missing:
                    assert image.record is not None
                    if record.image_sha256 not in (None, image.record.image_sha256):
                        done.drifted.append(image)
                    continue
                saved.append((record, png))
                if record.error is not None:
                    done.failed.append((image, record.error))
                else:
                    done.made += 1
            run.save_images(saved)
            bar.update(len(saved))
    return done


def _make_batch(
    backend: Backend, batch: Sequence[StoredImage], method: Method, on_step: OnStep
) -> list[Generated | str]:
    """An image or an error for each place of the batch.

    When the batch fails as a whole its images are tried one by one, so that one bad prompt does not
    take its neighbours with it.
    """
    settings = backend.spec.settings

    def make(part: Sequence[StoredImage]) -> list[Generated]:
        layouts = [image.layout for image in part]
        seeds = [image.seed for image in part]
        return backend.generate(layouts, seeds, method, settings, on_step)

    try:
        return list(make(batch))
    except Exception as error:  # any fault of a model or method: recorded with the image
        if len(batch) == 1:
            return [describe(error)]
    results: list[Generated | str] = []
    for image in batch:
        results += _make_batch(backend, [image], method, on_step)
    return results


def _record(image: StoredImage, result: Generated | str) -> tuple[GenerationRecord, bytes | None]:
    if isinstance(result, str):
        return GenerationRecord(image.key, "failed", error=result), None
    failed = GenerationRecord(
        image.key,
        "failed",
        seconds=result.seconds,
        passes=result.passes,
        peak_memory_mb=result.peak_memory_mb,
        error="blank image: every pixel has the same colour",
    )
    if is_blank(result.image.convert("RGB")):
        return failed, None
    png = encode_png(result.image)
    sha256 = hashlib.sha256(png).hexdigest()
    return replace(failed, status="done", error=None, image_sha256=sha256), png


@contextmanager
def progress_bar(what: str, total: int) -> Iterator[Any]:
    """A progress bar on standard error; rarer lines where that is a file."""
    from tqdm import tqdm

    interval = 0.2 if sys.stderr.isatty() else 10.0
    with tqdm(total=total, desc=what, unit="image", mininterval=interval, file=sys.stderr) as bar:
        yield bar
