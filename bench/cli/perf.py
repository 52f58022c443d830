"""``perf``: time attention, generation, scoring and the leaderboard."""

from __future__ import annotations

import argparse
from typing import Any

from bench.cli.options import integers, names
from bench.cli.output import add_json, emit


def configure(parser: argparse.ArgumentParser) -> None:
    parser.description = "Time things side by side in one run, on this machine."
    what = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    attention = what.add_parser(
        "attention",
        help="stock attention, AST as published, and our kernel: time and extra memory",
    )
    attention.add_argument("--image-tokens", type=integers, default=(1024, 4096), metavar="N,...")
    attention.add_argument("--dtypes", type=names, default=("float32", "bfloat16"))
    generate = what.add_parser("generate", help="whole generations: AST over baseline")
    generate.add_argument("--model", default="pocket-flux", help="name, or a diffusers folder")
    generate.add_argument("--images", type=int, default=8, metavar="N", help="in one batch")
    generate.add_argument("--steps", type=int, help="denoising steps (default: the model's)")
    score = what.add_parser(
        "score",
        help="BLIP-VQA against the official procedure, and images a second of every metric",
    )
    score.add_argument("--images", type=int, default=4, metavar="N", help="at BLIP's real size")
    score.add_argument(
        "--scenes", type=int, default=240, metavar="N", help="pocket scenes for every metric"
    )
    leaderboard = what.add_parser(
        "leaderboard", help="from a store of many scores to its leaderboard: time and memory"
    )
    leaderboard.add_argument("--scores", type=int, default=1_000_000, metavar="N", help="made up")
    add_json(leaderboard)
    for one, repeats in ((attention, 3), (generate, 3), (score, 1)):
        one.add_argument(
            "--repeats", type=int, default=repeats, metavar="N", help="the best counts"
        )
        add_json(one)


def execute(args: argparse.Namespace) -> int:
    if args.what == "leaderboard":
        from bench.perf_leaderboard import leaderboard_text, run_leaderboard

        result = run_leaderboard(args.scores)
        emit(args, result, leaderboard_text(result))
        return 0
    if args.what == "score":
        from bench.perf_score import run_score, score_text

        result = run_score(images=args.images, repeats=args.repeats, scenes=args.scenes)
        emit(args, result, score_text(result))
        return 0
    from bench.perf import run_attention, run_generate

    if args.what == "attention":
        result = run_attention(args.image_tokens, args.dtypes, repeats=args.repeats)
        emit(args, result, attention_text(result))
    else:
        result = run_generate(
            args.model, images=args.images, repeats=args.repeats, steps=args.steps
        )
        emit(args, result, generate_text(result))
    return 0


def attention_text(result: dict[str, Any]) -> str:
    lines = [
        f"{result['heads']} heads of {result['dim']}, {result['text_tokens']} text tokens, "
        f"{result['threads']} threads",
        f"{'image':>6} {'dtype':<9} {'kind':<6} {'seconds':>8} {'x sdpa':>7} "
        f"{'extra MB':>9} {'of dense':>8}",
    ]
    for row in result["rows"]:
        figures = (
            f"{row['seconds']:8.3f} {row['time_ratio']:7.2f} {row['extra_mb']:9.1f} "
            + (f"{row['memory_ratio']:8.1%}" if row["memory_ratio"] is not None else f"{'-':>8}")
            if row["note"] is None
            else row["note"]
        )
        lines.append(f"{row['image_tokens']:>6} {row['dtype']:<9} {row['kind']:<6} {figures}")
    return "\n".join(lines)


def generate_text(result: dict[str, Any]) -> str:
    lines = [
        f"{result['model']}, {result['images']} images in a batch, {result['steps']} steps, "
        f"{result['threads']} threads"
    ]
    lines += [
        f"{row['method']:<9} {row['seconds']:.3f} s an image, {row['passes']} passes, "
        f"peak {row['peak_memory_mb']:.0f} MB"
        for row in result["rows"]
    ]
    lines.append(f"AST over baseline: {result['ratio']:.3f}")
    return "\n".join(lines)
