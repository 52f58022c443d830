"""How fast the metrics are: our BLIP-VQA against the official procedure, and images a second."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.errors import BenchError
from bench.judges.pixels import ImageInput
from bench.judges.vqa import MAX_TOKENS, BlipJudge, BlipParts, first_logits
from metrics.base import Metric
from metrics.blip_vqa import MAX_QUESTIONS, chunk_questions, combine

PROMPTS = (
    "a red apple and a green bench",
    "a blue bowl and a wooden chair",
    "a black cat and a yellow bus",
    "a metallic clock and a fluffy rabbit",
)
"""Two questions each, as most of the benchmark's prompts have."""
REAL_SIZES: Mapping[str, int] = {"image_size": 480, "patch_size": 16}
"""BLIP-VQA base: ViT-B/16 at 480 pixels; transformers' other defaults are its sizes."""
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
YES, NO, DEC, ENC = 2748, 2053, 30522, 30523
"""Ids in BERT's vocabulary with BLIP's two tokens behind it."""


def random_blip(
    vision: Mapping[str, int] = REAL_SIZES, text: Mapping[str, int] | None = None, seed: int = 0
) -> BlipParts:
    """A BLIP of real size (or with other sizes) with random weights and a word-level tokenizer."""
    import torch
    from transformers import BertTokenizerFast, BlipConfig, BlipForQuestionAnswering

    torch.manual_seed(seed)
    config = BlipConfig(
        vision_config=dict(vision), text_config={"vocab_size": ENC + 1, **(text or {})}
    )
    special = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103}
    vocabulary = {**special, "yes": YES, "no": NO, "[DEC]": DEC, "[ENC]": ENC, "?": 1029}
    words = sorted({word for prompt in PROMPTS for word in prompt.split()})
    vocabulary |= {word: 5000 + k for k, word in enumerate(words)}
    size = config.vision_config.image_size
    return BlipParts(
        model=BlipForQuestionAnswering(config).eval(),
        tokenizer=BertTokenizerFast(vocab=vocabulary),
        images=ImageInput(size, size, CLIP_MEAN, CLIP_STD),
        enc=ENC,
        dec=DEC,
        yes=YES,
        no=NO,
    )


def official_procedure(
    parts: BlipParts, images: Sequence[Any], questions: Sequence[Sequence[str]]
) -> list[float]:
    """Scores as the published script computes them, but with the model built once.

    For each of 8 slots every image is encoded, and asked its question of that slot or, without
    one, the empty question, whose answer counts as 1.
    """
    import torch

    answers: list[list[float]] = [[] for _ in images]
    with torch.inference_mode():
        for slot in range(MAX_QUESTIONS):
            asked = [q[slot] if slot < len(q) else "" for q in questions]
            pixels = torch.from_numpy(parts.images(images))
            shown = parts.model.vision_model(pixel_values=pixels)[0]
            tokens = parts.tokenizer(
                asked,
                padding="longest",
                truncation=True,
                max_length=MAX_TOKENS,
                return_tensors="pt",
            )
            tokens.input_ids[:, 0] = parts.enc
            states = parts.model.text_encoder(
                tokens.input_ids,
                attention_mask=tokens.attention_mask,
                encoder_hidden_states=shown,
                encoder_attention_mask=torch.ones(shown.shape[:2], dtype=torch.long),
            )[0]
            lengths = tokens.attention_mask.sum(dim=1).tolist()
            logits = first_logits(parts, [s[:n] for s, n in zip(states, lengths, strict=True)])
            chance = torch.softmax(logits, dim=1)[:, [parts.yes, parts.no]]
            for k, (yes, no) in enumerate(chance.tolist()):
                if asked[k]:
                    answers[k].append(yes / (yes + no))
    return [combine(row, rounding=True) for row in answers]


def compare_blip(parts: BlipParts, *, images: int, repeats: int = 1) -> dict[str, Any]:
    """Time both ways on the same random images; the best of ``repeats`` counts.

    Keys: ``official_seconds``, ``our_seconds``, ``ratio``, ``max_difference`` (of the scores),
    ``images``, ``questions``, ``parameters``, ``pixels``. ``cpu_ratio`` is the ratio of the
    process's own CPU seconds, which other processes on the machine do not change much.
    """
    import numpy as np
    from PIL import Image

    from bench.judges import load_judge

    if images < 1 or repeats < 1:
        raise BenchError(f"images is {images}, repeats is {repeats}; both must be at least 1")
    rng = np.random.default_rng(0)
    side = parts.images.height
    shown = [
        Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8))
        for _ in range(images)
    ]
    parser = load_judge("parser", "en_core_web_sm")
    asked = [chunk_questions(parser.parse(PROMPTS[k % len(PROMPTS)])) for k in range(images)]

    def ours() -> list[float]:
        judge = BlipJudge(lambda: parts, {"name": "perf"})  # a new one remembers nothing
        return [combine(a, rounding=True) for a in judge.ask(shown, asked)]

    official, expected = _best(lambda: official_procedure(parts, shown, asked), repeats)
    our, given = _best(ours, repeats)
    return {
        "official_seconds": official.wall,
        "our_seconds": our.wall,
        "ratio": official.wall / our.wall,
        "cpu_ratio": official.cpu / our.cpu,
        "max_difference": max(abs(a - b) for a, b in zip(expected, given, strict=True)),
        "images": images,
        "questions": sum(map(len, asked)),
        "parameters": sum(p.numel() for p in parts.model.parameters()),
        "pixels": side,
    }


@dataclass(frozen=True, slots=True)
class _Time:
    """Seconds."""

    wall: float
    cpu: float
    """Of all threads of this process."""


def _best(work: Callable[[], list[float]], repeats: int) -> tuple[_Time, list[float]]:
    times, result = [], []
    for _ in range(repeats):
        started = time.perf_counter(), time.process_time()
        result = work()
        times.append(_Time(time.perf_counter() - started[0], time.process_time() - started[1]))
    return _Time(min(t.wall for t in times), min(t.cpu for t in times)), result


def metric_speeds(
    metrics: Sequence[str], judges: Mapping[str, str], *, scenes: int = 240, device: str = "cpu"
) -> list[dict[str, Any]]:
    """Images a second of each metric on clean pocket scenes, the judges' loading not counted.

    Every metric gets judges of its own, so that none lives on another's answers; the last row,
    ``all together``, scores the same images with all of them and shared judges, as a run does.
    ``cpu_images_per_second`` counts the process's CPU seconds on all cores.
    """
    from bench.calibrate.faults import FAULTS, Case, make_cases
    from bench.calibrate.run import make_metric, pocket_judges
    from bench.judges import JudgeSet
    from bench.scoring import BATCH
    from metrics.base import Sample

    cases: list[Case] = []
    for fault in FAULTS:
        cases += [c for c in make_cases(fault, max(2, scenes // len(FAULTS))) if c.severity == 0]
    samples = [Sample(case.image, case.layout) for case in cases]

    def judge_set() -> JudgeSet:
        return pocket_judges(cases, judges, device=device)

    def row(name: str, mode: str, made: Sequence[Metric]) -> dict[str, Any]:
        for metric in made:  # loads the judges
            metric.score(samples[:1])
        wall, cpu = time.perf_counter(), time.process_time()
        for metric in made:
            for start in range(1, len(samples), BATCH):
                metric.score(samples[start : start + BATCH])
        count = len(samples) - 1
        return {
            "metric": name,
            "mode": mode,
            "images_per_second": count / (time.perf_counter() - wall),
            "cpu_images_per_second": count / (time.process_time() - cpu),
        }

    rows = []
    for text in metrics:
        metric = make_metric(text, judge_set())
        rows.append(row(metric.name, metric.mode, [metric]))
    shared = judge_set()
    together = [make_metric(text, shared) for text in metrics]
    return [*rows, row("all together", "both", together)]


def run_score(*, images: int = 4, repeats: int = 1, scenes: int = 240) -> dict[str, Any]:
    """``perf score``: BLIP-VQA at real size, BLIP-VQA of the pocket suite, every metric's speed.

    Keys: ``blip_vqa`` and ``blip_vqa_pocket`` (see `compare_blip`), ``metrics`` (see
    `metric_speeds`), ``threads``.
    """
    import torch

    from bench.calibrate.run import METRICS
    from bench.judges import load_vqa
    from bench.models import POCKET_JUDGES

    pocket = load_vqa(POCKET_JUDGES["vqa"]).parts
    return {
        "blip_vqa": compare_blip(random_blip(), images=images, repeats=repeats),
        "blip_vqa_pocket": compare_blip(pocket, images=64, repeats=repeats),
        "metrics": metric_speeds(METRICS, POCKET_JUDGES, scenes=scenes),
        "threads": torch.get_num_threads(),
    }


def score_text(result: Mapping[str, Any]) -> str:
    """The document of `run_score` as text."""
    lines = []
    for key, title in (
        ("blip_vqa", "BLIP-VQA base, random weights"),
        ("blip_vqa_pocket", "pocket BLIP-VQA"),
    ):
        row = result[key]
        lines += [
            f"{title}: {row['parameters'] / 1e6:.0f} M parameters, {row['pixels']} px, "
            f"{row['images']} images, {row['questions']} questions, {result['threads']} threads",
            f"  official procedure {row['official_seconds']:8.2f} s",
            f"  ours               {row['our_seconds']:8.2f} s   {row['ratio']:.1f} times faster "
            f"({row['cpu_ratio']:.1f} in CPU time), scores differ by at most "
            f"{row['max_difference']:.1e}",
        ]
    lines += [
        f"{row['metric'] + ' (' + row['mode'] + ')':<24} {row['images_per_second']:8.1f} images/s"
        for row in result["metrics"]
    ]
    return "\n".join(lines)
