"""The pocket detector: an ultralytics YOLO with heads at strides 8 and 16, shipped as ONNX."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from bench.models import POCKET_MODELS
from bench.pocket.judges.calibrate import calibration_error, fit_temperature, logit
from bench.pocket.judges.data import SEEN, SIZE, UNTOUCHED, Sample, images, make_sample, spoiled
from bench.pocket.judges.degrade import Image
from bench.pocket.judges.distort import closer, distorted
from bench.pocket.judges.drawn import drawn_samples
from bench.pocket.judges.intervals import bootstrap
from bench.pocket.judges.loop import Losses, Schedule, fit
from bench.pocket.judges.redrawn import (
    LEFT_ALONE,
    PLAIN,
    STEERED,
    RedrawnPool,
    generator_beside,
    redrawn_samples,
)
from bench.pocket.world.splits import Split
from bench.pocket.world.vocabulary import NOUNS

BATCH = 48
ALONE, BY_AST = 0.2, 0.4
"""Shares of training pictures that the generator has drawn anew: alone, and steered by AST."""
DISTORTED = 0.6
"""Share of training pictures whose things are drawn as by a weak hand (``distort``)."""
DRAWN, CLOSER = 0.4, 0.7
"""In the second training: share of pictures that the generator drew from nothing, and share of the
pictures in its hand of which only a part is shown."""
TURNED, GRAY = 0.5, 0.1
"""Shares of training pictures whose hues are turned, and that have no colours. Training lacks
the held-out pairs of noun and colour, so colours would tell what a thing is not."""
SCHEDULE = Schedule(steps=4000, lr=2.5e-3, muon_lr=0.01)
HAND = Schedule(steps=3900, lr=1.2e-3, muon_lr=0.005, warmup=50, decay_share=0.6)
"""A second training after the first, with parts of the pictures in the generator's hand."""
PHASES = {"schedule": SCHEDULE, "hand": HAND}
"""The trainings in their order, by the argument of ``train`` that takes each."""
Array = npt.NDArray[Any]
_INDEX = {noun: k for k, noun in enumerate(NOUNS)}


def model_yaml() -> dict[str, Any]:
    """The model in ultralytics' YAML form: YOLO11's blocks, narrow, without stride 32.

    Things are 25 to 110 of 128 pixels wide, so a grid of 16 x 16 and one of 8 x 8 hold them all.
    """
    return {
        "nc": len(NOUNS),
        "backbone": [
            [-1, 1, "Conv", [32, 3, 2]],
            [-1, 1, "Conv", [80, 3, 2]],
            [-1, 1, "Conv", [160, 3, 2]],
            [-1, 2, "C3k2", [160, False, 0.5]],
            [-1, 1, "Conv", [256, 3, 2]],
            [-1, 2, "C3k2", [256, False, 0.5]],
            [-1, 1, "SPPF", [256, 5]],
        ],
        "head": [
            [-1, 1, "nn.Upsample", [None, 2, "nearest"]],
            [[-1, 3], 1, "Concat", [1]],
            [-1, 1, "C3k2", [160, False]],
            [-1, 1, "Conv", [160, 3, 2]],
            [[-1, 6], 1, "Concat", [1]],
            [-1, 1, "C3k2", [256, False]],
            [[9, 12], 1, "Detect", ["nc"]],
        ],
    }


def train(
    out_dir: Path,
    *,
    schedule: Schedule = SCHEDULE,
    hand: Schedule = HAND,
    batch: int = BATCH,
    seed: int = 0,
    resume: bool = True,
    stop_after: int | None = None,
) -> None:
    """Train from nothing; writes ``checkpoint.safetensors`` and, once done, the model folder.

    The schedule ``hand`` follows with checkpoints in a folder ``hand``. The pictures in the
    generator's hand are those of ``RedrawnPool.beside``.
    """
    from ultralytics.nn.tasks import DetectionModel

    pools = RedrawnPool.beside(out_dir), RedrawnPool.beside(out_dir, STEERED)
    torch.manual_seed(seed)
    model = DetectionModel(model_yaml(), verbose=False)
    model.args = SimpleNamespace(box=7.5, cls=0.5, dfl=1.5)  # ultralytics' default loss weights
    model.names = dict(enumerate(NOUNS))
    criterion = model.init_criterion()

    def step_losses(step: int) -> Losses:
        second = step >= schedule.steps
        samples = [_training_sample(pools, seed, step * batch + k, second) for k in range(batch)]
        pixels = torch.from_numpy(images(samples)).permute(0, 3, 1, 2).float() / 255
        with torch.autocast("cpu", torch.bfloat16):
            found = model(pixels.contiguous(memory_format=torch.channels_last))
        found = {k: v.float() if torch.is_tensor(v) else v for k, v in found.items()}
        losses, parts = criterion(found, _targets(samples))
        return {"loss": losses.sum() / batch, **parts}

    fit(
        out_dir,
        model,
        step_losses,
        schedule,
        convolutional=True,
        resume=resume,
        stop_after=stop_after,
    )
    if stop_after is None or stop_after >= schedule.steps:
        fit(
            out_dir / "hand",
            model,
            lambda step: step_losses(schedule.steps + step),
            hand,
            convolutional=True,
            resume=resume,
        )
        finish(model, out_dir / "model", generator_beside(out_dir))


def _training_sample(
    pools: tuple[RedrawnPool, RedrawnPool], seed: int, index: int, second: bool
) -> Sample:
    """Picture ``index`` of the first or the second training."""
    rng = np.random.default_rng([seed, index, 1])
    if second and rng.random() < DRAWN:
        drawn = drawn_samples()
        sample, untouched = drawn[int(rng.integers(len(drawn)))], LEFT_ALONE
        return _seen(closer(sample, rng) if rng.random() < CLOSER else sample, rng, untouched)
    chance = rng.random()
    if chance < ALONE + BY_AST:
        sample, untouched = pools[0 if chance < ALONE else 1].pick(rng), LEFT_ALONE
        if second and rng.random() < CLOSER:
            sample = closer(sample, rng)
    else:
        sample, untouched = make_sample("train", seed, index, degraded=False), UNTOUCHED
    if rng.random() < DISTORTED:
        sample = distorted(sample, rng)
    return _seen(sample, rng, untouched)


def _seen(sample: Sample, rng: np.random.Generator, untouched: float) -> Sample:
    """The picture as the detector learns from it: spoiled, in other colours."""
    sample = spoiled(sample, rng, untouched=untouched)
    return replace(sample, image=recolored(sample.image, rng))


def recolored(image: Image, rng: np.random.Generator) -> Image:
    """The picture in other colours, in grays, or as it is."""
    chance = rng.random()
    if chance < GRAY:
        return np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=-1)
    if chance < GRAY + TURNED:
        turned = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)
        turned[..., 0] += np.uint8(rng.integers(256))  # a full turn has 256 steps and wraps
        return np.asarray(cv2.cvtColor(turned, cv2.COLOR_HSV2RGB_FULL), np.uint8)
    return image


def finish(
    model: torch.nn.Module, folder: Path, generator: Path, n: int = 1500, *, seed: int = 71
) -> None:
    """Calibrate on degraded and redrawn pictures of the tuning split and export.

    The temperature goes into the last layer of the class branch, so the file's own scores are
    calibrated and no reader needs to know of it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    export(model, folder / "model.onnx")
    samples = [make_sample("tune", seed, k) for k in range(n)]
    for hand in (PLAIN, STEERED):
        samples += redrawn_samples(generator, "tune", n // 10, hand)
    found = predict(load(folder), samples, conf=0.05)
    rows = [_matched(sample, boxes) for sample, boxes in zip(samples, found, strict=True)]
    right, score = (np.concatenate([row[k] for row in rows]) for k in (0, 1))
    temperature = fit_temperature(logit(score), right)
    with torch.no_grad():
        for branch in model.model[-1].cv3:
            branch[-1].weight /= temperature
            branch[-1].bias /= temperature
    export(model, folder / "model.onnx")


def export(model: torch.nn.Module, path: Path) -> None:
    """Write the model as ONNX with ultralytics' own exporter (names and size in its metadata)."""
    from ultralytics import YOLO

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "pocket-yolo.yaml"
        source.write_text(json.dumps(model_yaml()))
        yolo = YOLO(str(source), task="detect", verbose=False)
        yolo.model.load_state_dict(model.state_dict())
        yolo.model.names = dict(enumerate(NOUNS))
        yolo.model.pt_path = str(Path(folder) / "model.pt")
        shutil.move(yolo.export(format="onnx", imgsz=SIZE, verbose=False), path)


def load(folder: Path) -> Any:
    """The shipped detector as an ``ultralytics.YOLO``."""
    from ultralytics import YOLO

    return YOLO(str(folder / "model.onnx"), task="detect")


def evaluate(
    folder: Path, n: int = 500, *, split: Split = "test", seed: int = 91
) -> dict[str, Any]:
    """mAP at IoU 0.5 on ``n`` clean held-out renders, with a 95 % interval over renders.

    Instances of which less than ``SEEN`` is visible are neither asked for nor counted as wrong
    when found. Also the same on degraded renders, with the calibration of the scores there, and on
    at most 128 pictures that pocket-flux has redrawn, alone and with AST.
    """
    yolo = load(folder)
    generator = POCKET_MODELS / "pocket-flux"
    out: dict[str, Any] = {}
    rows: list[Row] = []
    for name, samples in (
        ("redrawn", redrawn_samples(generator, split, min(n, 128))),
        ("redrawn_by_ast", redrawn_samples(generator, split, min(n, 128), STEERED)),
        ("clean", [make_sample(split, seed, k, degraded=False) for k in range(n)]),
        ("degraded", [make_sample(split, seed, k) for k in range(n)]),
    ):
        found = predict(yolo, samples)
        rows = [_matched(sample, boxes) for sample, boxes in zip(samples, found, strict=True)]
        out[name] = bootstrap(rows, _map50)
    right, score = (np.concatenate([row[k] for row in rows]) for k in (0, 1))
    counted = score >= 0.3  # the least score that the localization metric looks at
    sure = score >= 0.8
    return {
        **out["clean"],
        "degraded": out["degraded"],
        "redrawn": out["redrawn"],
        "redrawn_by_ast": out["redrawn_by_ast"],
        "calibration_error": calibration_error(score[counted], right[counted]),
        "right_when_above_0.8": float(right[sure].mean()),
    }


def predict(yolo: Any, samples: list[Sample], conf: float = 0.01) -> list[Array]:
    """Detections of each picture: rows of x0, y0, x1, y1 (pixels), score, class."""
    found: list[Array] = []
    for start in range(0, len(samples), 32):
        part = [np.ascontiguousarray(s.image[..., ::-1]) for s in samples[start : start + 32]]
        results = yolo.predict(part, conf=conf, verbose=False)
        found.extend(r.boxes.data.cpu().numpy() for r in results)
    return found


Row = tuple[Array, Array, Array, Array]


def _matched(sample: Sample, found: Array) -> Row:
    """Per picture: right or wrong and score and class of each detection, class of each instance.

    Greedy by score, one detection an instance, as PASCAL VOC and COCO do.
    """
    things = sample.scene.instances
    boxes = np.array([t.box for t in things]) * SIZE
    classes = np.array([_INDEX[t.noun] for t in things])
    asked = np.array(sample.visible) >= SEEN
    taken = np.zeros(len(things), bool)
    right, score, label = [], [], []
    for row in found[np.argsort(-found[:, 4], kind="stable")]:
        overlap = _iou(row[:4], boxes) * (classes == row[5]) * ~taken
        best = int(overlap.argmax())
        hit = bool(overlap[best] >= 0.5)
        if hit:
            taken[best] = True
            if not asked[best]:
                continue
        right.append(hit)
        score.append(row[4])
        label.append(row[5])
    return np.array(right, bool), np.array(score), np.array(label, int), classes[asked]


def _map50(rows: list[Row]) -> float:
    """Mean over classes of the area under the interpolated precision-recall curve (COCO style)."""
    right, score, label, truth = (np.concatenate([r[k] for r in rows]) for k in range(4))
    order = np.argsort(-score, kind="stable")
    right, label = right[order], label[order]
    found = []
    for noun in np.unique(truth):
        hits = right[label == noun]
        wanted = int((truth == noun).sum())
        if not hits.size:
            found.append(0.0)
            continue
        recall = np.cumsum(hits) / wanted
        precision = np.cumsum(hits) / np.arange(1, hits.size + 1)
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        at = np.searchsorted(recall, np.linspace(0, 1, 101))  # COCO's 101 recall levels
        found.append(float(np.append(envelope, 0.0)[at].mean()))
    return float(np.mean(found))


def _iou(box: Array, boxes: Array) -> Array:
    low, high = np.maximum(box[:2], boxes[:, :2]), np.minimum(box[2:], boxes[:, 2:])
    inter = np.prod(np.clip(high - low, 0, None), axis=1)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return np.asarray(inter / (area + np.prod(box[2:] - box[:2]) - inter))


def _targets(samples: list[Sample]) -> dict[str, torch.Tensor]:
    """Boxes (whole things, occluded parts included) in the form that ultralytics' loss reads."""
    rows = [
        (
            k,
            _INDEX[t.noun],
            (t.box[0] + t.box[2]) / 2,
            (t.box[1] + t.box[3]) / 2,
            t.box[2] - t.box[0],
            t.box[3] - t.box[1],
        )
        for k, sample in enumerate(samples)
        for t, seen in zip(sample.scene.instances, sample.visible, strict=True)
        if seen >= SEEN
    ]
    table = torch.tensor(rows, dtype=torch.float32)
    return {"batch_idx": table[:, 0], "cls": table[:, 1:2], "bboxes": table[:, 2:]}
