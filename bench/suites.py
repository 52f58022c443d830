"""Suites: the prompts with layouts that a run goes through."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench import registry
from bench.errors import BenchError, unknown_name
from bench.identity import digest
from bench.types import Layout

POCKET_SUITES = Path(__file__).parent / "pocket" / "suite"
"""Where the frozen layouts of the pocket suites lie."""
SCENES = Path(__file__).parent / "scenes"
"""Where the layouts of the complex scenes lie."""


@dataclass(frozen=True, slots=True)
class Suite:
    """Layouts under one name.

    A registered suite is a function ``(data: Path | None, categories: Sequence[str]) -> Suite``; it
    may give more than these categories (none means all), and is cut to them afterwards.
    """

    name: str
    layouts: tuple[Layout, ...]
    skip_unknown_words: bool = False
    """Whether prompts with words that a model does not know are left out (and counted) rather than
    refused: for suites that were not made for the model."""

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over the ids and the layouts' digests, in order."""
        return digest([[layout.id, layout.digest] for layout in self.layouts])

    @property
    def categories(self) -> tuple[str, ...]:
        """In order of appearance."""
        return tuple(dict.fromkeys(layout.category for layout in self.layouts))

    def select(self, categories: Sequence[str] = (), limit: int | None = None) -> Suite:
        """The suite cut to some categories, and to ``limit`` prompts taken from them in turn.

        Raises BenchError for a category that the suite does not have.
        """
        for category in categories:
            if category not in self.categories:
                raise unknown_name(f"category of suite {self.name}", category, self.categories)
        layouts = [e for e in self.layouts if not categories or e.category in categories]
        if limit is not None:
            layouts = _in_turn(layouts, limit)
        return replace(self, layouts=tuple(layouts))


def load_suite(name: str, *, data: Path | None = None, categories: Sequence[str] = ()) -> Suite:
    """The suite behind a name or ``module:attribute``, cut to the categories.

    Raises BenchError for unknown names and categories, and when its data is not there.
    """
    suite = registry.resolve("suite", name)(data, categories)
    if not isinstance(suite, Suite):
        raise BenchError(f"suite {name!r} gave a {type(suite).__name__}; it must give a Suite")
    return suite.select(categories)


def layouts_suite(path: Path) -> Suite:
    """A suite from a JSONL file of layouts, named after the file."""
    from bench.layouts.io import read_layouts

    return Suite(path.stem, tuple(read_layouts(path)))


def pocket(data: Path | None, categories: Sequence[str]) -> Suite:
    """48 prompts of the pocket grammar, from the held-out combinations only."""
    return _shipped("pocket", POCKET_SUITES, data)


def pocket_tune(data: Path | None, categories: Sequence[str]) -> Suite:
    """Prompts of the pocket grammar's tuning split: tune on these, never on ``pocket``."""
    return _shipped("pocket-tune", POCKET_SUITES, data)


def complex_scenes(data: Path | None, categories: Sequence[str]) -> Suite:
    """15 scenes of our own with 4 to 9 instances each and sketches painted by hand."""
    return _shipped("complex-scenes", SCENES, data)


def t2i_compbench(data: Path | None, categories: Sequence[str]) -> Suite:
    """The official T2I-CompBench validation prompts in a folder, with the shipped layouts."""
    if data is None:
        raise BenchError(
            "suite t2i-compbench needs --data DIR, a folder with the official *_val.txt files"
        )
    from bench.layouts.frozen import load_layouts
    from bench.prompts.t2i_compbench import CATEGORIES

    for category in categories:
        if category not in CATEGORIES:
            raise unknown_name("category of suite t2i-compbench", category, CATEGORIES)
    layouts = load_layouts(data, categories)
    return Suite("t2i-compbench", tuple(layouts), skip_unknown_words=True)


def _shipped(name: str, folder: Path, data: Path | None) -> Suite:
    if data is not None:
        raise BenchError(f"suite {name} is shipped with the package and takes no --data")
    return replace(layouts_suite(folder / f"{name}.jsonl"), name=name)


def _in_turn(layouts: Iterable[Layout], limit: int) -> list[Layout]:
    """The first ``limit`` layouts when the categories take turns, in the suite's own order."""
    seen: dict[str, int] = {}
    ranked = []
    for position, layout in enumerate(layouts):
        turn = seen[layout.category] = seen.get(layout.category, -1) + 1
        ranked.append((turn, position, layout))
    chosen = sorted(ranked, key=lambda r: r[:2])[:limit]
    return [layout for _, _, layout in sorted(chosen, key=lambda r: r[1])]
