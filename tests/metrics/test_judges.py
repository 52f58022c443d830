"""Judges of the real classes at tiny size: the libraries' own results, alone and in batches."""

import numpy as np
import pytest
import torch
from PIL import Image

from bench.errors import BenchError
from bench.judges import JudgeSet, judge_digest, judge_spec, load_clip, load_detector
from bench.judges.cache import Memory, image_key, remembered
from bench.judges.detector import YoloJudge, YoloParts, class_name, to_box
from bench.judges.specs import calibration
from metrics.base import Sample
from metrics.clip_score import CLIPScore
from metrics.three_in_one import layout_parts, official_parts

TEXTS = ["a red dog", "a blue bus and a cat", "two cats", "a chair", "a car", "an apple"]


def test_clip_score_is_the_cosine_of_open_clips_features(clip_folder, pictures, make_layout):
    import open_clip

    name = f"local-dir:{clip_folder}"
    model, preprocess = open_clip.create_model_from_pretrained(name)
    tokenizer = open_clip.get_tokenizer(name)
    model.eval()
    expected = []
    for image, text in zip(pictures, TEXTS, strict=True):
        with torch.no_grad():
            a = model.encode_image(preprocess(image)[None])[0]
            b = model.encode_text(tokenizer([text]))[0]
        expected.append(float(a @ b / (a.norm() * b.norm())))
    metric = CLIPScore.create(JudgeSet({"clip": str(clip_folder)}))
    samples = [
        Sample(i, make_layout(t, [(t.split()[-1], t.split()[-1], [], (0, 0, 1, 1))]))
        for i, t in zip(pictures, TEXTS, strict=True)
    ]
    given = [s[0].value for s in metric.score(samples)]
    assert given == pytest.approx(expected, abs=1e-5)
    assert np.ptp(given) > 1e-3


def test_clip_encodes_an_image_once(clip_folder, pictures):
    judge = load_clip(str(clip_folder))
    seen = []
    judge.parts.model.visual.register_forward_pre_hook(lambda m, args: seen.append(len(args[0])))
    for _ in range(2):
        judge.cosine([pictures[0]] * 3, TEXTS[:3])
    assert sum(seen) == 1


YOLO_YAML = """
nc: 3
backbone:
  - [-1, 1, Conv, [8, 3, 2]]
  - [-1, 1, Conv, [16, 3, 2]]
  - [-1, 1, Conv, [16, 3, 2]]
  - [-1, 1, Conv, [16, 3, 2]]
head:
  - [[2, 3], 1, Detect, [nc]]
"""


@pytest.fixture(scope="module")
def yolo(tmp_path_factory):
    """A random YOLO that is sure enough of something to find it."""
    from ultralytics import YOLO

    path = tmp_path_factory.mktemp("yolo") / "tiny.yaml"
    path.write_text(YOLO_YAML)
    torch.manual_seed(0)
    made = YOLO(str(path), task="detect")
    made.model.names = {0: "Dog", 1: "cat", 2: "bus"}
    with torch.no_grad():
        for layers in made.model.model[-1].cv3:
            layers[-1].bias.fill_(-0.5)
            layers[-1].weight.mul_(20)
    return made


def test_yolo_gives_what_ultralytics_gives(yolo, pictures):
    judge = YoloJudge(lambda: YoloParts(yolo, 64), {"name": "tiny"})
    assert judge.classes == ("dog", "cat", "bus")
    found = judge.detect(pictures, [[]] * len(pictures))
    assert sum(map(len, found)) > 3
    for image, row in zip(pictures, found, strict=True):
        (result,) = yolo.predict(image, imgsz=64, conf=0.05, verbose=False)  # PIL: RGB
        assert [d.score for d in row] == pytest.approx(result.boxes.conf.tolist(), abs=1e-4)
        for d, xyxyn in zip(row, result.boxes.xyxyn.tolist(), strict=True):
            assert d.box.to_list() == pytest.approx(np.clip(xyxyn, 0, 1), abs=1e-4)
        assert [d.score for d in row] == sorted((d.score for d in row), reverse=True)


def test_yolo_finds_the_same_in_company(yolo, pictures):
    together = YoloJudge(lambda: YoloParts(yolo, 64), {"name": "a"}, batch_size=4).detect(
        [*pictures, pictures[0]], [[]] * 7
    )
    for image, row in zip(pictures, together, strict=False):
        (alone,) = YoloJudge(lambda: YoloParts(yolo, 64), {"name": "b"}).detect([image], [[]])
        assert [d.label for d in row] == [d.label for d in alone]
        assert [d.score for d in row] == pytest.approx([d.score for d in alone], abs=1e-5)


def test_a_weights_file_and_the_shipped_export_are_opened_once(yolo, pictures, tmp_path):
    yolo.save(tmp_path / "tiny.pt")
    judge = load_detector(str(tmp_path / "tiny.pt"))
    assert judge.class_of("dog") == "dog"
    expected = YoloJudge(lambda: YoloParts(yolo, 640), {"name": "tiny"}).detect(pictures[:1], [[]])
    found = judge.detect(pictures[:1], [[]])
    assert [d.score for d in found[0]] == pytest.approx([d.score for d in expected[0]], abs=1e-3)

    import onnxruntime

    opened = []
    real = onnxruntime.InferenceSession

    def session(*args, **kwargs):
        opened.append(args)
        return real(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnxruntime, "InferenceSession", session)
        shipped = load_detector("pocket-yolo")
        assert shipped.class_of("dog") == "dog" and shipped.class_of("zebra crossing") is None
        shipped.detect(pictures[:2], [[], []])
        shipped.detect(pictures[2:4], [[], []])
    assert len(opened) == 1


def test_open_clip_knows_the_weights_of_t2i_compbench():
    import open_clip

    spec = judge_spec("clip", "openai-vit-b-32")
    assert (spec.source, spec.tag) in open_clip.list_pretrained()


def test_names_of_nouns():
    coco = ["person", "tv", "couch", "dining table", "dog"]
    assert class_name("dog", coco) == "dog"
    assert class_name("television", coco) == "tv"
    assert class_name("girl", coco) == "person"
    assert class_name("girl", [*coco, "girl"]) == "girl"
    assert class_name("zebra", coco) is None


def test_boxes_are_cut_to_the_image():
    assert to_box(-0.1, 0.2, 1.3, 0.9).to_list() == [0, 0.2, 1, 0.9]
    assert to_box(1.1, 0.2, 1.3, 0.9) is None
    assert to_box(0.5, 0.2, 0.5, 0.9) is None


def depth_anything():
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

    backbone = Dinov2Config(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, image_size=28, patch_size=14,
        intermediate_size=32, out_features=["stage1", "stage2", "stage3", "stage4"],
        reshape_hidden_states=False,
    )  # fmt: skip
    return DepthAnythingForDepthEstimation(
        DepthAnythingConfig(
            backbone_config=backbone, reassemble_hidden_size=16, patch_size=14,
            neck_hidden_sizes=[8, 8, 16, 16], fusion_hidden_size=8, head_hidden_size=8,
        )
    )  # fmt: skip


def dpt():
    from transformers import DPTConfig, DPTForDepthEstimation

    return DPTForDepthEstimation(
        DPTConfig(
            hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=32,
            image_size=28, patch_size=14, backbone_out_indices=[0, 1, 2, 3],
            neck_hidden_sizes=[8, 8, 16, 16], fusion_hidden_size=8,
        )
    )  # fmt: skip


@pytest.mark.parametrize("make", [depth_anything, dpt])
def test_depth_maps_have_the_images_size_and_are_the_librarys(make, tmp_path, pictures):
    from transformers import DPTImageProcessor

    from bench.judges import load_depth

    torch.manual_seed(0)
    model = make().eval()
    model.save_pretrained(tmp_path)
    processor = DPTImageProcessor(
        size={"height": 28, "width": 28}, ensure_multiple_of=14, do_pad=False
    )
    processor.save_pretrained(tmp_path)
    maps = load_depth(str(tmp_path)).depth(pictures)
    assert [m.shape for m in maps] == [(p.height, p.width) for p in pictures]
    for image, ours in zip(pictures, maps, strict=True):
        with torch.no_grad():
            outputs = model(**processor(images=image, return_tensors="pt"))
        size = [(image.height, image.width)]
        (expected,) = processor.post_process_depth_estimation(outputs, size)
        assert np.allclose(ours, expected["predicted_depth"], atol=1e-4)
    assert max(np.ptp(m) for m in maps) > 0


def test_unknown_judges_are_named_with_the_closest():
    with pytest.raises(BenchError, match="did you mean 'pocket-blip'"):
        judge_spec("vqa", "poket-blip")
    with pytest.raises(BenchError, match="judge role"):
        JudgeSet({"vqua": "pocket-blip"})
    with pytest.raises(BenchError, match="yolo11x"):
        judge_spec("detector", "pocket-blip")


def test_a_folder_of_another_kind_says_what_is_needed(tmp_path):
    with pytest.raises(BenchError, match="open_clip_config.json"):
        load_clip(str(tmp_path))
    with pytest.raises(BenchError, match="ONNX|onnx"):
        load_detector(str(tmp_path))


def test_digest_follows_weights_and_calibration_but_not_the_card(blip_folder, tmp_path):
    import shutil

    def digest_of(name, change):
        folder = tmp_path / name
        shutil.copytree(blip_folder, folder)
        change(folder)
        return judge_digest(str(folder), "vqa")

    plain = digest_of("plain", lambda f: None)
    assert digest_of("card", lambda f: (f / "README.md").write_text("x")) == plain
    warm = digest_of("warm", lambda f: (f / "calibration.json").write_text('{"temperature": 2}'))
    assert warm != plain
    other = digest_of("other", lambda f: (f / "model.safetensors").write_bytes(b"x"))
    assert len({plain, warm, other}) == 3


@pytest.mark.parametrize("text", ["{}", '{"temperature": 0}', '{"temperature": "hot"}', "nonsense"])
def test_a_broken_calibration_is_named(tmp_path, text):
    (tmp_path / "calibration.json").write_text(text)
    with pytest.raises(BenchError, match="calibration.json"):
        calibration(str(tmp_path))


def test_memory_forgets_the_oldest_and_asks_for_each_key_once():
    memory = Memory(2)
    asked = []

    def make(new):
        asked.extend(new)
        return [f"v{k}" for k in new]

    assert remembered(memory, ["a", "b", "a"], make) == ["v0", "v1", "v0"]
    assert remembered(memory, ["a", "c"], make) == ["v0", "v1"]
    assert memory.get("b") is None
    assert asked == [0, 1, 1]


def test_image_keys_differ_with_pixels_and_size():
    a = Image.new("RGB", (4, 2))
    assert image_key(a) == image_key(a.copy())
    assert image_key(a) != image_key(Image.new("RGB", (2, 4)))
    assert image_key(a) != image_key(Image.new("RGB", (4, 2), "red"))


def test_parts_of_complex_prompts(make_layout):
    from pathlib import Path

    data = Path(__file__).parents[2].parent / "shared" / "t2i-compbench"
    assert official_parts("a dog and a cat") == ("attribute", "spatial", "action")
    from bench.types import Relation

    things = [("a dog", "dog", [], (0, 0, 0.4, 0.4)), ("a cat", "cat", [], (0.5, 0, 0.9, 0.4))]
    assert layout_parts(make_layout("a dog and a cat", things)) == ("attribute",)
    both = [Relation(0, "left_of", 1), Relation(0, "action", 1)]
    assert layout_parts(make_layout("a dog and a cat", things, both)) == (
        "attribute",
        "spatial",
        "action",
    )
    if not data.is_dir():
        pytest.skip("the official prompt lists are not here")
    for name, parts in (("spatial", ("attribute", "spatial")), ("action", ("attribute", "action"))):
        lines = (data / f"complex_val_{name}.txt").read_text().splitlines()
        assert {official_parts(line.strip()) for line in lines if line.strip()} == {parts}
