"""BLIP-VQA against the official procedure, written out step by step."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bench.errors import BenchError
from bench.judges import JudgeSet, judge_digest, load_judge, load_vqa
from bench.judges.vqa import BlipJudge, load_blip, token_ids
from bench.types import Box, Detection
from metrics.base import Sample
from metrics.blip_vqa import (
    FIXED,
    OFFICIAL,
    BlipVQA,
    chunk_questions,
    clean_question,
    combine,
    instance_questions,
    instance_things,
)

PROMPTS = [
    "a red apple and a blue dog",
    "a green bus on the left of a yellow car",
    "the chair",
    "a big red dog, a blue cat and a wooden chair.",
    "two red cats",
    "a cat in front of a dog",
]


def official_procedure(folder, images, prompts, nlp):
    """The published script: eight slots, every image encoded for each, one padded batch a slot."""
    parts = load_blip(str(folder))
    model, tokenizer = parts.model.eval(), parts.tokenizer
    size = parts.images.height
    mean = np.array([0.48145466, 0.4578275, 0.40821073])
    std = np.array([0.26862954, 0.26130258, 0.27577711])
    pixels = torch.stack(
        [
            torch.tensor(
                ((np.asarray(i.resize((size, size), 3)) / 255.0 - mean) / std).transpose(2, 0, 1)
            ).float()
            for i in images
        ]
    )
    reward = torch.zeros(len(images), 8)
    for slot in range(8):
        questions = []
        for prompt in prompts:
            chunks = [
                c.text
                for c in nlp(prompt).noun_chunks
                if c.text not in ["top", "the side", "the left", "the right"]
            ]
            questions.append(chunks[slot].lower() + "?" if len(chunks) > slot else "")
        with torch.no_grad():
            image = model.vision_model(pixel_values=pixels)[0]
            tokens = tokenizer(
                questions, padding="longest", truncation=True, max_length=35, return_tensors="pt"
            )
            tokens.input_ids[:, 0] = tokenizer.convert_tokens_to_ids("[ENC]")
            states = model.text_encoder(
                tokens.input_ids,
                attention_mask=tokens.attention_mask,
                encoder_hidden_states=image,
                encoder_attention_mask=torch.ones(image.shape[:2], dtype=torch.long),
            )[0]
            start = torch.tensor([[tokenizer.convert_tokens_to_ids("[DEC]")]])
            # One by one without padding, which is what BLIP's own masked cross-attention gives;
            # the library's class drops that mask.
            lengths = tokens.attention_mask.sum(dim=1).tolist()
            logits = torch.cat(
                [
                    model.text_decoder(start, encoder_hidden_states=s[None, :n]).logits[:, 0]
                    for s, n in zip(states, lengths, strict=True)
                ]
            )
        prob = torch.softmax(logits, dim=1)
        yes = prob[:, tokenizer.convert_tokens_to_ids("yes")]
        no = prob[:, tokenizer.convert_tokens_to_ids("no")]
        for k, question in enumerate(questions):
            answer = f"{(yes / (yes + no))[k]:.4f}"
            reward[k, slot] = float(answer) if question else 1
    final = reward[:, 0]
    for slot in range(1, 8):
        final = final * reward[:, slot]
    return [float(f"{v.item():.4f}") for v in final]


@pytest.fixture(scope="module")
def parser():
    return load_judge("parser", "en_core_web_sm")


@pytest.fixture(scope="module")
def vqa(blip_folder):
    return load_vqa(str(blip_folder))


def samples(pictures, make_layout):
    """Prompts with a layout that says little; the official form reads only the prompt."""
    out = []
    for image, prompt in zip(pictures, PROMPTS, strict=True):
        last = prompt.split()[-1].strip(".")
        out.append(Sample(image, make_layout(prompt, [(last, last, (), (0.1, 0.1, 0.9, 0.9))])))
    return out


def test_official_scores_are_those_of_the_published_procedure(
    pictures, blip_folder, vqa, parser, make_layout
):
    metric = BlipVQA(vqa, parser)
    given = [s[0].value for s in metric.score(samples(pictures, make_layout))]
    expected = official_procedure(blip_folder, pictures, PROMPTS, parser.parse)
    assert given == pytest.approx(expected, abs=1e-4)
    assert len(set(given)) > 3, "random weights give different answers"


def test_answers_do_not_depend_on_company(pictures, vqa, blip_folder):
    questions = [["a red apple?", "a dog?", "two big blue cats?"], [], ["a bus?"]]
    together = vqa.ask(pictures[:3], questions)
    assert [len(row) for row in together] == [3, 0, 1]
    assert len({a for row in together for a in row}) == 4
    for image, texts, row in zip(pictures, questions, together, strict=False):
        for text, answer in zip(texts, row, strict=True):
            alone = load_vqa(str(blip_folder)).ask([image], [[text]])[0][0]
            assert answer == pytest.approx(alone, abs=1e-6)


def test_one_image_is_encoded_once_whoever_asks(pictures, blip_folder):
    judge = load_vqa(str(blip_folder))
    seen = []
    judge.parts.model.vision_model.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(len(kwargs["pixel_values"])), with_kwargs=True
    )
    judge.ask([pictures[0]] * 3 + [pictures[1]], [["a dog?"], ["a cat?"], ["a dog?"], ["a dog?"]])
    judge.ask([pictures[0].copy()], [["a bus?"]])
    assert sum(seen) == 2


def test_temperature_divides_the_logits_and_stands_in_the_identity(pictures, make_blip, tmp_path):
    folder = make_blip(tmp_path / "warm")
    plain = load_vqa(str(folder)).ask(pictures[:1], [["a red dog?"]])[0][0]
    before = judge_digest(str(folder), "vqa")
    (folder / "calibration.json").write_text('{"temperature": 2.5}')
    judge = BlipJudge(lambda: load_blip(str(folder)), {"name": "warm"}, temperature=2.5)
    warm = judge.ask(pictures[:1], [["a red dog?"]])[0][0]
    assert np.log(plain / (1 - plain)) == pytest.approx(2.5 * np.log(warm / (1 - warm)), rel=1e-4)
    assert judge.identity["temperature"] == 2.5
    assert before != ""


def test_a_checkpoint_that_lacks_weights_is_refused(make_blip, tmp_path, pictures):
    from safetensors.torch import load_file, save_file

    folder = make_blip(tmp_path / "broken")
    weights = load_file(folder / "model.safetensors")
    dropped = next(k for k in weights if "text_encoder" in k)
    save_file({k: v for k, v in weights.items() if k != dropped}, folder / "model.safetensors")
    with pytest.raises(BenchError, match="no complete BLIP"):
        load_vqa(str(folder)).ask(pictures[:1], [["a dog?"]])


def test_a_tokenizer_without_blips_words_takes_the_rows_behind_berts(blip_folder):
    """Salesforce's export names neither [DEC] nor [ENC]; the model has their rows."""
    parts = load_blip(str(blip_folder))

    class Without:
        unk_token_id = parts.tokenizer.unk_token_id

        def convert_tokens_to_ids(self, word):
            known = word not in ("[DEC]", "[ENC]")
            return parts.tokenizer.convert_tokens_to_ids(word) if known else self.unk_token_id

    assert token_ids(Without(), parts.model.config) == (parts.enc, parts.dec, parts.yes, parts.no)

    class Mute(Without):
        def convert_tokens_to_ids(self, word):
            return self.unk_token_id

    with pytest.raises(BenchError, match="yes=None"):
        token_ids(Mute(), parts.model.config)


def test_chunks_of_relation_phrases_are_skipped_as_published(parser):
    asked = chunk_questions(parser.parse("a green bus on the left of a yellow car"))
    assert asked == ["a green bus?", "a yellow car?"]
    many = parser.parse(" and ".join(["a red dog"] * 12))
    assert len(chunk_questions(many)) == 8


def test_cleaning():
    assert clean_question('A (big) "Dog".?') == "a big dog?"
    assert len(clean_question("word " * 70 + "?").split()) == 50


def test_fixed_questions_come_from_the_layout(make_layout):
    layout = make_layout(
        "two red dogs, a cat and the chair is wooden",
        [
            ("two red dogs", "dog", ["red"], (0, 0, 0.3, 0.3)),
            ("two red dogs", "dog", ["red"], (0.5, 0, 0.8, 0.3)),
            ("a cat", "cat", [], (0, 0.5, 0.3, 0.8)),
            ("the chair is wooden", "chair", ["wooden"], (0.5, 0.5, 0.8, 0.8)),
        ],
    )
    assert instance_questions(layout)[1:] == ["a cat?", "a wooden chair?"]


def test_a_prompt_without_chunks_is_perfect_officially_and_unscored_when_fixed(
    vqa, parser, pictures, make_layout
):
    layout = make_layout("and", [("and", "and", [], (0, 0, 1, 1))])
    sample = Sample(pictures[0], layout)
    official = BlipVQA(vqa, parser).score([sample])[0][0]
    assert official.value == 1.0
    assert "gives 1" in official.details["note"]
    fixed = BlipVQA(vqa, parser, None, replace(OFFICIAL, unparsed="none")).score([sample])[0][0]
    assert fixed.value is None
    assert "no noun phrase" in fixed.reason


@given(st.lists(st.floats(0, 1), max_size=8))
def test_product_is_bounded_and_rounding_is_small(probabilities):
    exact = combine(probabilities, rounding=False)
    assert 0 <= exact <= 1
    assert combine(probabilities, rounding=True) == pytest.approx(exact, abs=5e-4)


class Eyes:
    """A VQA judge that says yes to a colour as far as it is anywhere in what it is shown."""

    identity = {"name": "eyes"}  # noqa: RUF012
    colors = {"red": (255, 0, 0), "blue": (0, 0, 255), "green": (0, 255, 0)}  # noqa: RUF012

    def ask(self, images, questions):
        return [
            [0.9 if self.sees(image, self.colors[text.split()[1]]) else 0.1 for text in texts]
            for image, texts in zip(images, questions, strict=True)
        ]

    def sees(self, image, color):
        return bool((np.asarray(image) == color).all(axis=2).any())


class Finder:
    """A detector that finds what it is told in every image."""

    identity = {"name": "finder"}  # noqa: RUF012

    def __init__(self, **boxes):
        self.found = [
            Detection(noun, 0.9, Box(*box)) for noun, places in boxes.items() for box in places
        ]

    def class_of(self, noun):
        return noun if noun != "unicorn" else None

    def detect(self, images, labels):
        return [[d for d in self.found if d.label in wanted] for wanted in labels]


LEFT, RIGHT = (0.0, 0.2, 0.4, 0.8), (0.6, 0.2, 1.0, 0.8)
RED, BLUE = (255, 0, 0), (0, 0, 255)


def two_things(left, right):
    pixels = np.full((100, 100, 3), 230, np.uint8)
    pixels[30:70, 10:30], pixels[30:70, 70:90] = left, right
    return Image.fromarray(pixels)


def scored(image, layout, detector, fixes):
    judges = {"vqa": Eyes(), "detector": detector}
    return BlipVQA.with_fixes(judges, fixes).score([Sample(image, layout)])[0][0]


def test_regions_tell_a_swapped_attribute_that_the_whole_image_does_not(make_layout):
    layout = make_layout(
        "a red dog and a blue cat",
        [("a red dog", "dog", ["red"], LEFT), ("a blue cat", "cat", ["blue"], RIGHT)],
    )
    finder = Finder(dog=[LEFT], cat=[RIGHT])
    right, swapped = two_things(RED, BLUE), two_things(BLUE, RED)
    whole = replace(FIXED, regions=False)
    assert scored(swapped, layout, finder, whole).value == pytest.approx(0.81)
    assert scored(right, layout, finder, FIXED).value == pytest.approx(0.81)
    score = scored(swapped, layout, finder, FIXED)
    assert score.value == pytest.approx(0.01)
    assert score.details["regions"] == [1, 1]


def test_what_is_not_found_is_asked_about_the_whole_image(make_layout):
    layout = make_layout(
        "a red dog and a blue unicorn",
        [("a red dog", "dog", ["red"], LEFT), ("a blue unicorn", "unicorn", ["blue"], RIGHT)],
    )
    score = scored(two_things(BLUE, RED), layout, Finder(), FIXED)
    assert score.value == pytest.approx(0.81) and score.details["regions"] == [0, 0]


def test_as_many_regions_count_as_there_shall_be(make_layout):
    layout = make_layout(
        "two red dogs",
        [("two red dogs", "dog", ["red"], LEFT), ("two red dogs", "dog", ["red"], RIGHT)],
    )
    assert instance_things(layout)[0].alone == "a red dog?"
    image, both = two_things(RED, BLUE), Finder(dog=[LEFT, RIGHT])
    assert scored(image, layout, both, FIXED).value == pytest.approx((0.9 + 0.1) / 2)
    third = Finder(dog=[LEFT, RIGHT, (0.05, 0.2, 0.38, 0.8)])
    assert scored(image, layout, third, FIXED).value == pytest.approx(0.9), "the best two"


def test_create_reads_roles_and_modes(blip_folder):
    judges = JudgeSet({"vqa": str(blip_folder)})
    assert BlipVQA.create(judges).mode == "official"
    with pytest.raises(BenchError, match="--judge detector"):
        BlipVQA.create(judges, "fixed")
    fixed = BlipVQA.create({"vqa": judges["vqa"], "detector": Finder()}, "fixed")
    assert fixed.fixes == FIXED
    assert fixed.identity["judges"]["detector"] == Finder.identity
    assert fixed.identity["judges"]["vqa"]["digest"] == judge_digest(str(blip_folder), "vqa")
    with pytest.raises(BenchError, match="did you mean 'fixed'"):
        BlipVQA.create(judges, "fixd")
    with pytest.raises(BenchError, match="--judge vqa"):
        BlipVQA.create(JudgeSet({}))
