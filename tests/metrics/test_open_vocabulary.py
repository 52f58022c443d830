"""Detectors of any noun, of the real classes at tiny size with random weights."""

import numpy as np
import pytest
import torch
from PIL import Image

from bench.errors import BenchError
from bench.judges import load_detector
from bench.judges.open_vocabulary import OpenVocabularyJudge, yolo_world, zero_shot

NOUNS = ["cat", "dog"]


@pytest.fixture(scope="module")
def images():
    """Two wide pictures and a square one."""
    rng = np.random.default_rng(0)
    return [
        Image.fromarray(rng.integers(0, 256, (h, w, 3), dtype=np.uint8))
        for w, h in ((80, 40), (80, 40), (64, 64))
    ]


@pytest.fixture(scope="module")
def owl_folder(tmp_path_factory):
    from transformers import (
        CLIPTokenizer,
        Owlv2Config,
        Owlv2ForObjectDetection,
        Owlv2ImageProcessorPil,
        Owlv2Processor,
    )

    letters = "abcdefghijklmnopqrstuvwxyz"
    words = [*letters, *(f"{c}</w>" for c in letters), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(
        vocab={w: k for k, w in enumerate(words)}, merges=[], pad_token="<|endoftext|>"
    )
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    torch.manual_seed(0)
    model = Owlv2ForObjectDetection(
        Owlv2Config(
            text_config={**sizes, "vocab_size": len(words), "num_attention_heads": 2,
                         "max_position_embeddings": 32},
            vision_config={**sizes, "image_size": 64, "patch_size": 16, "num_attention_heads": 2},
            projection_dim=16,
        )
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("judges") / "tiny-owl"
    model.save_pretrained(folder)
    images = Owlv2ImageProcessorPil(size={"height": 64, "width": 64})
    Owlv2Processor(images, tokenizer).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def dino_folder(tmp_path_factory):
    from transformers import (
        BertConfig,
        BertTokenizerFast,
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        GroundingDinoImageProcessorPil,
        GroundingDinoProcessor,
        SwinConfig,
    )

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "cat", "dog", "hot"]
    tokenizer = BertTokenizerFast(vocab={w: k for k, w in enumerate(words)})
    torch.manual_seed(0)
    model = GroundingDinoForObjectDetection(
        GroundingDinoConfig(
            backbone_config=SwinConfig(
                image_size=64, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2],
                window_size=4, out_indices=[2, 3, 4],
            ),
            text_config=BertConfig(
                vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                intermediate_size=32, max_position_embeddings=64,
            ),
            d_model=32, encoder_layers=1, encoder_ffn_dim=32, encoder_attention_heads=4,
            decoder_layers=2, decoder_ffn_dim=32, decoder_attention_heads=4, num_queries=12,
            max_text_len=32,
        )
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("judges") / "tiny-dino"
    model.save_pretrained(folder)
    size = {"shortest_edge": 128, "longest_edge": 256}
    images = GroundingDinoImageProcessorPil(size=size)
    GroundingDinoProcessor(images, tokenizer).save_pretrained(folder)
    return folder


def library(folder, image, nouns, text):
    """(label, score, box) of every query by the library's own post-processing."""
    from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

    model = AutoModelForZeroShotObjectDetection.from_pretrained(folder).eval()
    processor = AutoProcessor.from_pretrained(folder)
    inputs = processor(images=image, text=text, return_tensors="pt")
    with torch.no_grad():
        outputs = model(**inputs)
    sizes = [(image.height, image.width)]
    if model.config.model_type == "owlv2":
        (found,) = processor.post_process_grounded_object_detection(
            outputs, threshold=0.05, target_sizes=sizes, text_labels=[nouns]
        )
    else:
        (found,) = processor.post_process_grounded_object_detection(
            outputs, inputs.input_ids, threshold=0.05, text_threshold=0.05, target_sizes=sizes
        )
    w, h = image.size
    return [
        (label, score, *np.clip([x0 / w, y0 / h, x1 / w, y1 / h], 0, 1))
        for label, score, (x0, y0, x1, y1) in zip(
            found["text_labels"], found["scores"].tolist(), found["boxes"].tolist(), strict=True
        )
    ]


def test_owl_gives_the_librarys_boxes(owl_folder, images):
    judge = load_detector(str(owl_folder))
    for image in (images[0], images[2]):
        (found,) = judge.detect([image], [NOUNS])
        expected = library(owl_folder, image, NOUNS, [["a photo of a cat", "a photo of a dog"]])
        assert found
        for d in found:
            ours = (d.score, *d.box.to_list())
            assert any(d.label == e[0] and np.allclose(ours, e[1:], atol=1e-4) for e in expected)


def test_grounding_dino_gives_the_librarys_boxes_and_one_noun_each(dino_folder, images):
    (found,) = load_detector(str(dino_folder)).detect([images[0]], [NOUNS])
    expected = library(dino_folder, images[0], NOUNS, "cat. dog.")
    assert found and {d.label for d in found} <= set(NOUNS)
    for d in found:
        assert any(np.allclose(d.box.to_list(), e[2:], atol=1e-4) for e in expected)


def test_a_noun_of_two_words_has_its_own_tokens(dino_folder, images):
    judge = load_detector(str(dino_folder))
    (alone,) = judge.detect([images[0]], [["hot dog"]])
    assert alone and {d.label for d in alone} == {"hot dog"}
    assert judge.class_of("hot dog") == "hot dog"


@pytest.fixture(scope="module")
def world():
    """A random YOLO-World, sure enough of something to find it, with random text features."""
    from ultralytics import YOLOWorld

    torch.manual_seed(0)
    model = YOLOWorld("yolov8n-worldv2.yaml")
    model.overrides["imgsz"] = 64
    for head in model.model.model[-1].cv4:
        torch.nn.init.zeros_(head.bias)
    asked = []

    def features(nouns):
        asked.append(list(nouns))
        made = [torch.randn(512, generator=torch.Generator().manual_seed(len(n))) for n in nouns]
        return [f / f.norm() for f in made]

    return model, features, asked


def test_yolo_world_gives_what_ultralytics_gives_with_the_same_text_features(world, images):
    model, features, asked = world
    nouns = ["cat", "traffic light"]
    (found,) = OpenVocabularyJudge(
        lambda: yolo_world(model, features, "cpu"), {"name": "tiny"}
    ).detect([images[2]], [nouns])
    assert asked[-1] == nouns
    assert found and {d.label for d in found} <= set(nouns)
    model.model.get_text_pe = lambda text, **kwargs: torch.stack(features(text))[None]
    model.set_classes(nouns)
    (result,) = model.predict(images[2], conf=0.05, verbose=False)
    assert [d.score for d in found] == pytest.approx(result.boxes.conf.tolist(), abs=1e-4)
    labels = [nouns[int(k)] for k in result.boxes.cls.tolist()]
    assert [d.label for d in found] == labels
    for d, xyxyn in zip(found, result.boxes.xyxyn.tolist(), strict=True):
        assert d.box.to_list() == pytest.approx(np.clip(xyxyn, 0, 1), abs=1e-4)


@pytest.mark.parametrize("kind", ["owl", "dino", "world"])
def test_images_in_company_give_what_they_give_alone(kind, request, images):
    def judge():
        if kind == "world":
            model, features, _ = request.getfixturevalue("world")
            return OpenVocabularyJudge(lambda: yolo_world(model, features, "cpu"), {"name": "w"})
        return load_detector(str(request.getfixturevalue(f"{kind}_folder")))

    labels = [NOUNS, NOUNS, ["dog"]]
    together = judge().detect(images, labels)
    assert sum(map(len, together)) > 3
    for image, nouns, row in zip(images, labels, together, strict=True):
        (alone,) = judge().detect([image], [nouns])
        assert [d.label for d in row] == [d.label for d in alone]
        assert [d.score for d in row] == pytest.approx([d.score for d in alone], abs=1e-4)


def test_nothing_to_look_for_and_an_unknown_kind():
    def look(images, nouns):
        raise AssertionError("nothing was to be looked for")

    judge = OpenVocabularyJudge(lambda: look, {"name": "none"})
    assert judge.detect([Image.new("RGB", (8, 8))], [[]]) == [[]]

    class Model:
        class config:  # noqa: N801
            model_type = "owlv3"

    with pytest.raises(BenchError, match="owlv2"):
        zero_shot(Model, None, "cpu")
