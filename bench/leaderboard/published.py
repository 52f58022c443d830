"""Published T2I-CompBench figures: reference rows that are shown apart and never ranked."""

from __future__ import annotations

from dataclasses import dataclass

from bench.leaderboard.table import Leaderboard

CATEGORIES = ("color", "shape", "texture", "spatial", "3d_spatial", "numeracy", "complex")
"""Order of the figures: BLIP-VQA for the first three, then UniDet 2D, 3D, numeracy, 3-in-1."""

PUBLISHED_TITLE = (
    "Published figures, made under protocols of their own; not ranked with the rows above"
)


@dataclass(frozen=True, slots=True)
class Published:
    """One model's figures as somebody published them."""

    model: str
    source: str
    """Whose evaluation it is, and where they published it."""
    transcribed: bool
    """Copied from a third party's table, not from the source's own."""
    figures: tuple[float | None, ...]
    """In the order of ``CATEGORIES``; None where none was given."""

    @property
    def cited(self) -> str:
        """The source as it is shown."""
        return f"{self.source}{' (transcribed)' if self.transcribed else ''}"


_ELLA = "ELLA, arXiv 2403.05135"
_COGVIEW = "CogView4, github.com/THUDM/CogView4"
_TACA = "TACA, arXiv 2506.07986"

PUBLISHED = (
    Published("SD1.5", _ELLA, True, (0.3750, 0.3724, 0.4159, 0.1204, None, None, None)),
    Published("SDXL", _COGVIEW, False, (0.5879, 0.4687, 0.5299, 0.2133, 0.3566, 0.4988, 0.3237)),
    Published(
        "SD3-medium", _COGVIEW, False, (0.8132, 0.5885, 0.7334, 0.3200, 0.4084, 0.6174, 0.3771)
    ),
    Published("SD3.5-medium", _TACA, False, (0.7890, 0.5770, 0.7328, 0.2087, None, None, 0.4441)),
    Published(
        "FLUX.1-dev", _COGVIEW, False, (0.7572, 0.5066, 0.6300, 0.2700, 0.3992, 0.6165, 0.3628)
    ),
    Published("FLUX.1-dev", _TACA, False, (0.7678, 0.5064, 0.6756, 0.2066, None, None, 0.4359)),
)
"""Made with the scorers' current code, 300 prompts a category and 10 images a prompt. The two
clusters of the last column for one model show how far protocols differ."""


def fitting(board: Leaderboard) -> tuple[Published, ...]:
    """The published rows, if the board has official scores on T2I-CompBench; else none.

    Other suites have categories of the same names, whose figures mean something else.
    """
    official = any(column.mode == "official" for column in board.columns)
    suites = {str(text.get("suite", "")) for text in board.protocols.values()}
    return PUBLISHED if official and "t2i-compbench" in suites else ()
