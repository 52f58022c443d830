"""Visual questions by BLIP, each image encoded once and its questions packed into one pass.

The question encoder computes keys and values of all image patches in every layer, which costs far
more than the question's few words. So all questions about an image stand in one sequence: each sees
itself only (a block-diagonal mask), counts its positions from 0, and all share the image's keys and
values. The result is that of one pass a question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError
from bench.judges.cache import Memory, image_key, remembered
from bench.judges.pixels import ImageInput

if TYPE_CHECKING:
    import torch

    from bench.judges.specs import JudgeSpec

MAX_TOKENS = 35
"""Tokens of a question that the official script keeps."""
PACK_TOKENS = 256
"""Tokens of questions in one row at most: the mask grows with the square."""
ANSWERS = 1_000_000
EMBEDDING_BYTES = 512 * 2**20


@dataclass(frozen=True)
class BlipParts:
    """A loaded BLIP and what must be known about its tokenizer."""

    model: Any
    """`transformers.BlipForQuestionAnswering` in evaluation mode."""
    tokenizer: Any
    images: ImageInput
    enc: int
    """Id of [ENC], which stands in place of the question's first token."""
    dec: int
    """Id of [DEC], the decoder's first token."""
    yes: int
    no: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What the first decoder step says."""

    yes: float
    """P(yes) / (P(yes) + P(no)), 0..1."""
    mass: float
    """P(yes) + P(no) over the whole vocabulary, 0..1; near 1 for a model that answers."""


class BlipJudge:
    """A BLIP that answers yes-or-no questions; see `metrics.base.VQAJudge`.

    P(yes) is the softmax over the whole vocabulary at the first decoder step, restricted to "yes"
    and "no" (T2I-CompBench's form), with the logits divided by the judge's temperature.
    """

    def __init__(
        self,
        load: Callable[[], BlipParts],
        identity: Mapping[str, Any],
        *,
        temperature: float = 1.0,
        device: str = "cpu",
        batch_size: int = 16,
    ) -> None:
        """``load`` is called once, when the first question comes; ``batch_size`` counts images."""
        self.identity: Mapping[str, Any] = {**identity, "temperature": temperature}
        self._load = load
        self._temperature = temperature
        self._device = device
        self._batch_size = batch_size
        self._answers: Memory[Answer] = Memory(ANSWERS)
        self._embeddings: Memory[Any] = Memory(EMBEDDING_BYTES, lambda t: int(t.nbytes))

    @cached_property
    def parts(self) -> BlipParts:
        parts = self._load()
        parts.model.to(self._device).eval()
        return parts

    def ask(self, images: Sequence[Any], questions: Sequence[Sequence[str]]) -> list[list[float]]:
        """Probability of "yes" against "no" (0..1) for each question about each image."""
        return [[a.yes for a in row] for row in self.answers(images, questions)]

    def answers(
        self, images: Sequence[Any], questions: Sequence[Sequence[str]]
    ) -> list[list[Answer]]:
        """The same with the share of the vocabulary's probability that "yes" and "no" have."""
        if len(images) != len(questions):
            raise ValueError(f"{len(images)} images but {len(questions)} lists of questions")
        prints = [image_key(image) for image in images]
        flat = [(k, text) for k, texts in enumerate(questions) for text in texts]
        keys = [(prints[k], text) for k, text in flat]

        def make(positions: list[int]) -> list[Answer]:
            wanted: dict[bytes, list[int]] = {}
            for position in positions:
                wanted.setdefault(keys[position][0], []).append(position)
            groups = list(wanted.values())
            made: dict[int, Answer] = {}
            for start in range(0, len(groups), self._batch_size):
                batch = groups[start : start + self._batch_size]
                shown = [images[flat[group[0]][0]] for group in batch]
                asked = [[flat[p][1] for p in group] for group in batch]
                found = self._batch(shown, [keys[g[0]][0] for g in batch], asked)
                for group, row in zip(batch, found, strict=True):
                    made.update(zip(group, row, strict=True))
            return [made[position] for position in positions]

        given = iter(remembered(self._answers, keys, make))
        return [[next(given) for _ in texts] for texts in questions]

    def _batch(
        self, images: list[Any], prints: list[bytes], questions: list[list[str]]
    ) -> list[list[Answer]]:
        """Answers about some different images."""
        import torch

        with torch.inference_mode():
            encoded = remembered(
                self._embeddings,
                prints,
                lambda new: list(self._encode([images[k] for k in new])),
            )
            rows: list[tuple[int, list[list[int]]]] = []
            for k, texts in enumerate(questions):
                rows += [(k, part) for part in _packed([self._tokens(t) for t in texts])]
            states = self._question_states([encoded[k] for k, _ in rows], [r for _, r in rows])
            answers = iter(self._decode(states))
        return [[next(answers) for _ in texts] for texts in questions]

    def _encode(self, images: list[Any]) -> torch.Tensor:
        """(N, patches + 1, width) image states."""
        import torch

        pixels = torch.from_numpy(self.parts.images(images)).to(self._device)
        states: torch.Tensor = self.parts.model.vision_model(pixel_values=pixels)[0]
        return states

    def _tokens(self, question: str) -> list[int]:
        ids = self.parts.tokenizer(question, truncation=True, max_length=MAX_TOKENS)["input_ids"]
        return [self.parts.enc, *ids[1:]]

    def _question_states(
        self, images: list[torch.Tensor], rows: list[list[list[int]]]
    ) -> list[torch.Tensor]:
        """(tokens, width) for each question of each row, in order."""
        import torch

        length = max(sum(map(len, row)) for row in rows)
        ids = torch.zeros(len(rows), length, dtype=torch.long)
        positions = torch.zeros_like(ids)
        owner = torch.full_like(ids, -1)  # padding belongs to no question and sees only itself
        for r, row in enumerate(rows):
            at = 0
            for q, tokens in enumerate(row):
                span = slice(at, at + len(tokens))
                ids[r, span] = torch.tensor(tokens)
                positions[r, span] = torch.arange(len(tokens))
                owner[r, span] = q
                at += len(tokens)
        image = torch.stack(images)
        apart = owner[:, :, None] != owner[:, None, :]
        mask = torch.zeros(apart.shape, dtype=image.dtype).masked_fill(
            apart, torch.finfo(image.dtype).min
        )
        states = self.parts.model.text_encoder(
            input_ids=ids.to(self._device),
            position_ids=positions.to(self._device),
            attention_mask=mask[:, None].to(self._device),
            encoder_hidden_states=image,
        )[0]
        out = []
        for r, row in enumerate(rows):
            at = 0
            for tokens in row:
                out.append(states[r, at : at + len(tokens)])
                at += len(tokens)
        return out

    def _decode(self, states: list[torch.Tensor]) -> list[Answer]:
        """The answer to each question from its (tokens, width) states."""
        import torch

        logits = first_logits(self.parts, states).double() / self._temperature
        yes, no = logits[:, self.parts.yes], logits[:, self.parts.no]
        chance = torch.sigmoid(yes - no)
        mass = (torch.logaddexp(yes, no) - logits.logsumexp(dim=1)).exp()
        return [Answer(y, m) for y, m in zip(chance.tolist(), mass.tolist(), strict=True)]


def first_logits(parts: BlipParts, states: Sequence[torch.Tensor]) -> torch.Tensor:
    """(questions, vocabulary) logits of the first decoder step.

    Questions of one length go together: transformers' BLIP (5.23) drops the mask of
    cross-attention, so that padding would take part in the answer. BLIP's own code masks it, which
    is the same as no padding.
    """
    import torch

    by_length: dict[int, list[int]] = {}
    for k, state in enumerate(states):
        by_length.setdefault(len(state), []).append(k)
    found: list[torch.Tensor] = [torch.empty(0)] * len(states)
    for members in by_length.values():
        together = torch.stack([states[k] for k in members])
        logits = parts.model.text_decoder(
            input_ids=torch.full((len(members), 1), parts.dec, device=together.device),
            encoder_hidden_states=together,
            use_cache=False,
        ).logits[:, 0]
        for k, row in zip(members, logits, strict=True):
            found[k] = row
    return torch.stack(found)


def _packed(questions: list[list[int]]) -> list[list[list[int]]]:
    """Consecutive questions in rows of at most ``PACK_TOKENS`` tokens."""
    rows: list[list[list[int]]] = []
    room = 0
    for tokens in questions:
        if len(tokens) > room:
            rows.append([])
            room = PACK_TOKENS
        rows[-1].append(tokens)
        room -= len(tokens)
    return rows


def token_ids(tokenizer: Any, config: Any) -> tuple[int, int, int, int]:
    """Ids of [ENC], [DEC], yes and no.

    BLIP adds [DEC] and then [ENC] behind BERT's vocabulary; Salesforce's exported tokenizers lack
    the words but the model has the rows, so an unknown [ENC] is the row after the decoder's first
    token. Raises BenchError for a tokenizer that cannot answer.
    """

    def known(word: str) -> int | None:
        token = tokenizer.convert_tokens_to_ids(word)
        return None if token is None or token == tokenizer.unk_token_id else int(token)

    found_dec = known("[DEC]")
    dec = int(config.text_config.bos_token_id) if found_dec is None else found_dec
    found_enc = known("[ENC]")
    enc = dec + 1 if found_enc is None else found_enc
    yes, no = known("yes"), known("no")
    size = int(config.text_config.vocab_size)
    if yes is None or no is None or not (0 <= enc < size and 0 <= dec < size):
        raise BenchError(
            f"this tokenizer gives [ENC]={enc}, [DEC]={dec}, yes={yes}, no={no} for a model of "
            f"{size} words; a BLIP-VQA judge needs all four"
        )
    return enc, dec, yes, no


def load_blip(source: str) -> BlipParts:
    """Load a BLIP from a folder or the hub; BenchError if weights are missing or do not fit."""
    from transformers import AutoTokenizer, BlipForQuestionAnswering, BlipImageProcessorPil

    model, report = BlipForQuestionAnswering.from_pretrained(source, output_loading_info=True)
    lacking = sorted({*report["missing_keys"], *map(str, report["mismatched_keys"])})
    if lacking:
        raise BenchError(
            f"{source} is no complete BLIP for question answering: {len(lacking)} weights are "
            f"missing or of another shape, for example {lacking[0]}; get the judge again"
        )
    tokenizer = AutoTokenizer.from_pretrained(source)
    images = ImageInput.of(BlipImageProcessorPil.from_pretrained(source))
    size = int(model.config.vision_config.image_size)
    if (images.height, images.width) != (size, size):
        raise BenchError(
            f"{source}: the preprocessor makes {images.width}x{images.height} pixels, "
            f"the model wants {size}x{size}"
        )
    enc, dec, yes, no = token_ids(tokenizer, model.config)
    return BlipParts(model.float(), tokenizer, images, enc, dec, yes, no)


def open_blip(spec: JudgeSpec, identity: Mapping[str, Any], device: str) -> BlipJudge:
    from bench.judges.specs import calibration

    return BlipJudge(
        lambda: load_blip(spec.source),
        identity,
        temperature=calibration(spec.source),
        device=device,
    )
