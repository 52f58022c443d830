"""Reading the official prompt files."""

import hashlib
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.prompts.t2i_compbench import CATEGORIES, read_category

OFFICIAL = Path(__file__).parents[2].parent / "shared" / "t2i-compbench"


def test_line_ends_full_stops_and_blank_lines(tmp_path):
    content = "a red cat and a dog.\r\n\r\n  two boats  \r\nan owl"
    (tmp_path / "color_val.txt").write_bytes(content.encode())
    prompts = read_category(tmp_path, "color")
    assert [(p.line, p.text) for p in prompts] == [
        (1, "a red cat and a dog."), (3, "two boats"), (4, "an owl"),
    ]  # fmt: skip
    assert prompts[0].sha256 == hashlib.sha256(b"a red cat and a dog.").hexdigest()


def test_checkout_of_the_official_repository(tmp_path):
    folder = tmp_path / "examples" / "dataset"
    folder.mkdir(parents=True)
    (folder / "color_val.txt").write_text("a red cat\n")
    assert [p.text for p in read_category(tmp_path, "color")] == ["a red cat"]


def test_missing_unreadable_and_unknown(tmp_path):
    with pytest.raises(BenchError, match=r"color_val\.txt is missing"):
        read_category(tmp_path, "color")
    with pytest.raises(BenchError, match="unknown category .* 'colour'; did you mean 'color'"):
        read_category(tmp_path, "colour")
    (tmp_path / "color_val.txt").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(BenchError, match=r"color_val\.txt cannot be read"):
        read_category(tmp_path, "color")


@pytest.mark.skipif(not OFFICIAL.is_dir(), reason="the official prompt files are not here")
def test_every_official_file_has_300_prompts():
    for category in CATEGORIES:
        prompts = read_category(OFFICIAL, category)
        assert len(prompts) == 300
        assert all(p.text and p.text == p.text.strip() for p in prompts)
