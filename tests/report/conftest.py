"""A made-up run in the form of ``Run.frame()``, with or without real pictures."""

import hashlib
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw

CATEGORIES = ("color", "spatial", "numeracy")
NOUNS = ("cat", "dog", "bus", "cup")


def key_of(*parts):
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def instances_of(rng, count):
    """Targets on a row, left to right."""
    width = 1 / count
    return [
        {
            "phrase": f"a red {NOUNS[i]}",
            "noun": NOUNS[i],
            "attributes": ["red"],
            "box": [i * width + 0.02, 0.2, (i + 1) * width - 0.02, 0.8],
        }
        for i in range(count)
    ]


def localize(rng, targets, skill):
    """Details of a localization score: a detection for a target with chance ``skill``."""
    detections, matches, instances = [], [], []
    for i, target in enumerate(targets):
        found = bool(rng.random() < skill)
        if found:
            x0, y0, x1, y1 = target["box"]
            matches.append([i, len(detections), 0.7])
            detections.append(
                {"label": target["noun"], "score": 0.9, "box": [x0 + 0.03, y0, x1, y1 - 0.05]}
            )
        instances.append(
            {
                "present": found,
                "iou": 0.7 if found else None,
                "attribute_ok": found or None,
                "success": found,
            }
        )
    detections.append({"label": "<b>bird</b>", "score": 0.3, "box": [0.4, 0.02, 0.5, 0.12]})
    return {
        "targets": targets,
        "detections": detections,
        "matches": matches,
        "instances": instances,
    }


def draw(path, targets, details, size):
    image = Image.new("RGB", (size, size), "#8fb3d9")
    pen = ImageDraw.Draw(image)
    for detection in details["detections"]:
        x0, y0, x1, y1 = (v * size for v in detection["box"])
        pen.ellipse([x0, y0, x1, y1], fill="#c0392b")
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def make_frame(
    *,
    prompts=12,
    seeds=2,
    skills=(("baseline", 0.4), ("ast", 0.8)),
    run_dir=None,
    size=64,
    model="pocket-flux",
    protocol="p1",
    protocol_text=None,
    hostile=None,
    rng_seed=0,
):
    """One row per (image, score); pictures are drawn when ``run_dir`` is given."""
    rng = np.random.default_rng(rng_seed)
    protocol_text = {"steps": 24, "size": "128x128"} if protocol_text is None else protocol_text
    rows = []
    for p in range(prompts):
        count = 1 + p % 4
        targets = instances_of(rng, count)
        prompt = f"prompt {p}: " + " and ".join(t["phrase"] for t in targets)
        if hostile is not None and p == 0:
            prompt = hostile
        ease = rng.uniform(-0.2, 0.2)
        for seed in range(seeds):
            for method, skill in skills:
                key = key_of(p, seed, method, model, protocol)
                details = localize(rng, targets, np.clip(skill + ease, 0, 1))
                image = f"images/{key}.png"
                if run_dir is not None:
                    draw(run_dir / image, targets, details, size)
                hits = np.mean([i["success"] for i in details["instances"]])
                scores = {
                    "instance_success": ("localization", float(hits), details),
                    "image_success": ("localization", float(hits == 1), details),
                    "blip_vqa": (
                        "blip_vqa",
                        float(np.clip(hits + rng.normal(0, 0.1), 0, 1)),
                        {"questions": [["a red cat?", 0.7]]},
                    ),
                }
                for name, (metric, value, detail) in scores.items():
                    rows.append(
                        {
                            "key": key,
                            "layout_id": f"layout-{p}",
                            "layout_digest": key_of("layout", p),
                            "category": CATEGORIES[p % 3],
                            "prompt": prompt,
                            "n_instances": count,
                            "seed": 42 + seed,
                            "model": model,
                            "method": method,
                            "method_label": method,
                            "metric": metric,
                            "mode": "fixed",
                            "score": name,
                            "value": value,
                            "reason": None,
                            "details": detail,
                            "image": image,
                            "status": "done",
                            "seconds": 1.0 if method == "baseline" else 1.1,
                            "passes": 48,
                            "peak_memory_mb": 512.0,
                            "protocol": protocol,
                            "protocol_text": protocol_text,
                        }
                    )
    return pd.DataFrame(rows)


@pytest.fixture(scope="session")
def frame_of():
    return make_frame


@pytest.fixture
def frame():
    return make_frame()
