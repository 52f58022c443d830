"""AST against a dense reference written from the paper's definition, token by token."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from bench.attention.seam import AttentionCall
from bench.attention.sites import Order, Site
from bench.attention.tokens import TextSegment, TextSequence
from bench.errors import BenchError
from bench.methods.ast import AST, CLASSES, published_windows
from bench.methods.base import Batch, Encoded
from bench.types import Box, Instance, Layout

PROMPT = "two red cats and a wooden table in a park , a dog that is blue"
WORDS = PROMPT.split()
TEXT, GRID, LAYERS = 24, (4, 5), 6


def span(first: int, last: int) -> tuple[int, int]:
    """Characters of the words first..last."""
    start = len(" ".join(WORDS[:first])) + (first > 0)
    return start, len(" ".join(WORDS[: last + 1]))


def instance(
    phrase: tuple[int, int], noun: int, attributes: tuple[int, ...], box: Box, depth: int = 0
) -> Instance:
    where = span(*phrase)
    return Instance(
        phrase=PROMPT[slice(*where)],
        phrase_span=where,
        noun=WORDS[noun],
        noun_span=span(noun, noun),
        attributes=tuple(WORDS[a] for a in attributes),
        attribute_spans=tuple(span(a, a) for a in attributes),
        box=box,
        depth=depth,
    )


# Words by class, for the reference: instance -> (attributes, rest).
CLASSES_OF = [({1}, {0, 2}), ({1}, {0, 2}), ({5}, {4, 6}), ({15}, {11, 12})]
BACKGROUND = {8, 9}
LAYOUT = Layout(
    id="x",
    prompt=PROMPT,
    category="color",
    instances=(
        instance((0, 2), 2, (1,), Box(0, 0, 0.4, 0.5)),
        instance((0, 2), 2, (1,), Box(0.6, 0, 1, 0.5)),
        instance((4, 6), 6, (5,), Box(0, 0.5, 0.8, 1), depth=1),
        instance((11, 12), 12, (15,), Box(0.6, 0.5, 1, 1), depth=0),  # hides part of the table
    ),
    background_span=span(8, 9),
)


def word_tokenizer() -> Any:
    vocabulary = {w: i for i, w in enumerate(["<pad>", "</s>", "<unk>", *dict.fromkeys(WORDS)])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


TOKENIZER = word_tokenizer()


def site(layer: int, order: Order = "text_first") -> Site:
    return Site(layer - 1, layer, LAYERS, f"b.{layer}", "double", order)


def batch(layouts: tuple[Layout, ...] = (LAYOUT,)) -> Batch:
    return Batch(
        layouts=layouts,
        sequence=TextSequence((TextSegment(TOKENIZER, 0, TEXT),)),
        grid=GRID,
        sites=tuple(site(n) for n in range(1, LAYERS + 1)),
        steps=10,
        device=torch.device("cpu"),
    )


def call(order: Order, layer: int, seed: int, step: int = 0, timestep: float = 900.0) -> Any:
    torch.manual_seed(seed)
    n = TEXT + GRID[0] * GRID[1]
    q, k, v = torch.randn(3, 1, 2, n, 4) * 1.5
    text, image = site(layer, order).split(n, TEXT)
    return AttentionCall(site(layer, order), step, 10, timestep, text, image, q, k, v)


def regions() -> list[set[int]]:
    """Image tokens of each instance, the nearer one winning; boxes sampled at cell centres."""
    owner: dict[int, int] = {}
    for k in sorted(range(4), key=lambda k: -LAYOUT.instances[k].depth):
        box = LAYOUT.instances[k].box
        for y in range(GRID[0]):
            for x in range(GRID[1]):
                cx, cy = (x + 0.5) / GRID[1], (y + 0.5) / GRID[0]
                if box.x0 <= cx < box.x1 and box.y0 <= cy < box.y1:
                    owner[y * GRID[1] + x] = k
    return [{t for t, o in owner.items() if o == k} for k in range(4)]


def reference(c: AttentionCall, ast: AST, window: set[str], background: bool = True) -> Tensor:
    """Section by section as the paper defines it, on dense float64 maps."""
    where = regions()
    tokens = GRID[0] * GRID[1]
    rest = set(range(tokens)) - set().union(*where)
    segments = [*where, rest]

    i2i = np.zeros((tokens, tokens))
    i2i_instances = np.zeros((tokens, tokens))
    for number, segment in enumerate(segments):
        for i in segment:
            for j in segment:
                i2i[i, j] = 1
                if number < 4:
                    i2i_instances[i, j] = 1
    t2t = np.eye(TEXT)
    phrases = [a | r for a, r in CLASSES_OF] + ([BACKGROUND] if background else [])
    for phrase in phrases:
        for i in phrase:
            for j in phrase:
                t2t[i, j] = 1
    i2t = np.zeros((tokens, TEXT))
    for k, (attributes, others) in enumerate(CLASSES_OF):
        words = (attributes if "attribute" in window else set()) | (
            others if "instance" in window else set()
        )
        for i in where[k]:
            for j in words:
                i2t[i, j] = 1
    if "background" in window and background:
        for i in rest:
            for j in BACKGROUND:
                i2t[i, j] = 1

    rho = (c.timestep / 1000) ** ast.decay
    size = 1 - ast.image_size * i2i.sum(1) / tokens
    size_instances = 1 - ast.image_size * i2i_instances.sum(1) / tokens
    size_text = np.maximum(1 - ast.text_size * t2t.sum(1) / TEXT, 0)
    size_cross = size if "background" in window else size_instances

    q, k, v = (x[0].double() for x in (c.query, c.key, c.value))
    out = torch.empty_like(q)
    text = list(range(c.text.start, c.text.stop))
    image = list(range(c.image.start, c.image.stop))
    for h in range(q.shape[0]):
        a = torch.softmax(q[h] @ k[h].T / math.sqrt(q.shape[-1]), -1).numpy().copy()
        new = a.copy()

        def tune(rows: list[int], cols: list[int], m: np.ndarray, s: np.ndarray, w: float) -> None:
            block = a[np.ix_(rows, cols)]  # noqa: B023
            new[np.ix_(rows, cols)] = block * np.exp(s[:, None] * w * rho * (m - block))  # noqa: B023

        if "i2i" in window:
            tune(image, image, i2i, size, ast.i2i)
        if "t2t" in window:
            tune(text, text, t2t, size_text, ast.t2t)
        if window & {"instance", "attribute", "background"}:
            tune(image, text, i2t, size_cross, ast.i2t)
        new = new / (new.sum(1, keepdims=True) + 1e-12)
        out[h] = torch.from_numpy(new) @ v[h]
    return out[None]


@given(
    window=st.sets(st.sampled_from(CLASSES), min_size=1),
    order=st.sampled_from(["text_first", "image_first"]),
    seed=st.integers(0, 1000),
    timestep=st.floats(1, 1000),
    strengths=st.tuples(*[st.sampled_from([0.5, 3.5, 5.0])] * 3),
    sizes=st.tuples(st.sampled_from([0.0, 1.0]), st.sampled_from([0.0, 4.0, 12.0])),
    decay=st.sampled_from([0.0, 1.0, 3.0]),
)
@settings(max_examples=40, deadline=None)
def test_equals_the_paper(
    window: set[str],
    order: Order,
    seed: int,
    timestep: float,
    strengths: tuple[float, ...],
    sizes: tuple[float, float],
    decay: float,
) -> None:
    ast = AST(*strengths, *sizes, decay, windows=(tuple(window),) * LAYERS)
    update = ast.attention(batch())
    assert update is not None
    c = call(order, 3, seed, timestep=timestep)
    got = update(c)
    assert got is not None
    torch.testing.assert_close(got.double(), reference(c, ast, window), atol=1e-5, rtol=1e-5)


def test_a_missing_background_phrase() -> None:
    from dataclasses import replace

    plain = replace(LAYOUT, background_span=None)
    ast = AST(windows="all")
    update = ast.attention(batch((plain,)))
    assert update is not None
    c = call("text_first", 2, 7)
    expected = reference(c, ast, set(CLASSES), background=False)
    torch.testing.assert_close(update(c).double(), expected, atol=1e-5, rtol=1e-5)


def test_samples_of_a_batch_do_not_meet() -> None:
    from dataclasses import replace

    other = replace(LAYOUT, instances=LAYOUT.instances[2:], background_span=None)
    a, b = call("text_first", 2, 1), call("text_first", 2, 2)
    ast = AST(windows="all")
    one, two = ast.attention(batch((LAYOUT,))), ast.attention(batch((other,)))
    both = ast.attention(batch((LAYOUT, other)))
    assert one and two and both
    joined = {n: torch.cat([getattr(a, n), getattr(b, n)]) for n in ("query", "key", "value")}
    from dataclasses import replace as change

    got = both(change(a, **joined))
    torch.testing.assert_close(got, torch.cat([one(a), two(b)]), atol=1e-6, rtol=1e-6)


def test_steps_and_windows_that_are_not_tuned_are_left_to_the_model() -> None:
    update = AST(windows=((), *[("t2t",)] * 5), tuned_steps=0.5).attention(batch())
    assert update is not None
    assert update(call("text_first", 1, 0)) is None
    assert update(call("text_first", 2, 0, step=4)) is not None
    assert update(call("text_first", 2, 0, step=5)) is None
    assert update(call("image_only", 2, 0)) is None


def test_rows_outside_the_window_are_the_models_own_to_the_bit() -> None:
    c = call("text_first", 2, 3)
    update = AST(windows=(("instance",),) * LAYERS).attention(batch())
    assert update is not None
    assert torch.equal(update(c)[:, :, c.text], c.attend(c.text))


def test_zero_strengths_leave_the_model_alone() -> None:
    assert AST(t2t=0.0, i2t=0.0, i2i=0.0).attention(batch()) is None
    assert AST(tuned_steps=0.0).attention(batch()) is None


def test_published_windows() -> None:
    windows = dict(enumerate(published_windows(57), start=1))
    both = {"i2i", "t2t"}
    expected = {
        range(1, 6): set(),
        range(6, 20): both | {"instance"},
        range(20, 25): both | {"instance", "background"},
        range(25, 35): both | {"instance", "attribute"},
        range(35, 51): both | {"attribute"},
        range(51, 58): {"attribute"},
    }
    for layers, classes in expected.items():
        assert all(set(windows[n]) == classes for n in layers)
    assert AST.create("flux-published").layer_windows(57) == published_windows(57)
    assert AST.create().layer_windows(57) == published_windows(57)


@pytest.mark.parametrize("layers", [9, 24, 38])
def test_scaled_windows_keep_the_fractions(layers: int) -> None:
    windows = published_windows(layers)
    assert len(windows) == layers
    for classes, share in ((("i2i",), 45), (("attribute",), 33), (("instance",), 29)):
        count = sum(set(classes) <= set(w) for w in windows)
        assert abs(count / layers - share / 57) <= 1 / layers


class Counting:
    """Encodes a text as 100 * words + position."""

    def encode(self, texts: list[str]) -> Encoded:
        rows = [(100.0 * len(t.split()) + torch.arange(TEXT))[:, None] for t in texts]
        return Encoded(torch.stack(rows), torch.full((len(texts), 1), -1.0))


def test_phrases_are_encoded_alone_and_put_in_place() -> None:
    sampler: Any = Counting()
    prompts = Encoded(torch.zeros(1, TEXT, 1), torch.zeros(1, 1))
    out = AST().text(batch(), prompts, sampler)
    expected = torch.zeros(TEXT)
    for first, last in ((0, 2), (4, 6), (8, 9), (11, 12)):
        count = last - first + 1
        expected[first : last + 1] = 100.0 * count + torch.arange(count)
    assert torch.equal(out.sequence[0, :, 0], expected)
    assert out.pooled is prompts.pooled and not prompts.sequence.any()
    assert AST(phrase_embeddings=False).text(batch(), prompts, sampler) is prompts


def test_arguments_are_the_identity() -> None:
    assert AST.create().args == {
        "t2t": 3.5,
        "i2t": 5.0,
        "i2i": 3.5,
        "image_size": 1.0,
        "text_size": 4.0,
        "decay": 3.0,
        "tuned_steps": 0.5,
        "phrase_embeddings": True,
        "windows": "scaled",
    }
    made = AST.create("flux-published", {"i2t": 4})
    assert made.args["i2t"] == 4.0 and isinstance(made.args["i2t"], float)
    assert made.args["windows"][5] == ["i2i", "t2t", "instance"]
    again = AST.create(None, made.args)
    assert again == made and again.args == made.args


@pytest.mark.parametrize(
    ("preset", "overrides", "message"),
    [
        ("flux-publishd", {}, "did you mean 'flux-published'"),
        (None, {"i2tt": 4.0}, "argument of method ast 'i2tt'; did you mean 'i2t'"),
        (None, {"i2t": "much"}, "ast.i2t must be a finite number, not 'much'"),
        (None, {"i2t": True}, "ast.i2t must be a finite number"),
        (None, {"i2t": float("nan")}, "finite"),
        (None, {"i2t": -1}, "ast.i2t must be 0 or more"),
        (None, {"phrase_embeddings": 1}, "must be true or false"),
        (None, {"tuned_steps": 1.5}, r"0\.\.1"),
        (None, {"windows": "scale"}, "did you mean 'scaled'"),
        (None, {"windows": [["instanc"]]}, "did you mean 'instance'"),
        (None, {"windows": ["instance"]}, "a layer is a list of classes"),
        (None, {"windows": 3}, "a name or a list of lists"),
    ],
)
def test_bad_arguments_are_named(preset: Any, overrides: Any, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        AST.create(preset, overrides)


def test_windows_of_another_depth_are_refused() -> None:
    with pytest.raises(BenchError, match="lists 57 layers and the model has 6"):
        AST.create("flux-published").attention(batch())
