"""The leaderboard says what the scores say, and no more."""

import csv
import io
import json

import numpy as np
import pandas as pd
import pytest

from bench.cli import main
from bench.errors import BenchError
from bench.leaderboard import Slice, build


def row_of(board, label, group="A"):
    return next(r for r in board.rows if (r.label, r.group) == (label, group))


def test_cells_are_plain_means_over_the_scored_images(frame):
    board = build(frame)
    for label in ("ast", "baseline"):
        for score in ("instance_success", "blip_vqa"):
            chosen = frame[(frame.method == label) & (frame.score == score)]
            cell = row_of(board, label).cell(score)
            assert cell.value == pytest.approx(chosen.value.mean())
            assert cell.images == len(chosen) == 24
            assert cell.interval.low < cell.value < cell.interval.high
            by_category = chosen.groupby("category").value.mean()
            for category, mean in by_category.items():
                part = row_of(board, label).cell(score, Slice("category", category))
                assert part.value == pytest.approx(mean)


def test_the_difference_is_paired_by_layout_and_seed(frame):
    shuffled = frame.sample(frac=1, random_state=1)
    found = row_of(build(shuffled), "ast").cell("blip_vqa").against
    wide = frame[frame.score == "blip_vqa"].pivot(
        index=["layout_digest", "seed"], columns="method", values="value"
    )
    delta = wide["ast"] - wide["baseline"]
    assert found.difference == pytest.approx(delta.mean())
    assert (found.wins, found.losses) == ((delta > 0).sum(), (delta < 0).sum())
    assert found.pairs == 24 and found.prompts == 12
    assert row_of(build(frame), "baseline").cell("blip_vqa").against is None


def test_missing_scores_leave_the_mean_alone_and_are_counted(frame):
    lost = (frame.method == "ast") & (frame.score == "blip_vqa") & (frame.category == "color")
    frame.loc[lost, "value"] = np.nan
    frame.loc[lost, "reason"] = "no question"
    board = build(frame)
    cell = row_of(board, "ast").cell("blip_vqa")
    kept = frame[(frame.method == "ast") & (frame.score == "blip_vqa")].value
    assert cell.value == pytest.approx(kept.mean())
    assert cell.images == 16 and cell.missing == {"no question": 8}
    assert cell.against.pairs == 16
    assert "no question (8 of ast)" in board.text()
    empty = row_of(board, "ast").cell("blip_vqa", Slice("category", "color"))
    assert empty.value is None and empty.rank is None


def test_category_cells_say_how_many_images_they_stand_for(frame):
    lost = (frame.method == "ast") & (frame.score == "blip_vqa") & (frame.layout_id == "layout-0")
    frame.loc[lost, ["value", "reason"]] = [np.nan, "no question"]
    board = build(frame)
    assert board.images(Slice("category", "color")) == 8
    lines = board.markdown().splitlines()
    assert any(line.count("(n = 8)") == 3 for line in lines)
    [cut] = [line for line in lines if line.startswith("| blip_vqa | ast") and "(n = 6)" in line]
    assert cut.count("(n = ") == 1
    assert "n = 8" in board.text()


def test_a_failed_method_does_not_rank_higher_for_its_failures(frame_of):
    """Ranks read only the images that every row has a score for."""
    frame = frame_of(skills=(("baseline", 0.4), ("twin", 0.4)), prompts=20)
    twin = frame.method == "twin"
    frame.loc[twin, "value"] = frame.loc[frame.method == "baseline", "value"].to_numpy()
    hard = twin & (frame.value < 0.5)
    frame.loc[hard, ["value", "status", "reason"]] = [np.nan, "failed", "out of memory"]
    board = build(frame)
    cells = [row_of(board, name).cell("instance_success") for name in ("twin", "baseline")]
    assert cells[0].value > cells[1].value
    assert [c.rank[0] for c in cells] == [1, 1] and not any(c.best for c in cells)
    assert cells[0].against.difference == 0


def test_coverage_counts_scored_failed_and_missing(frame):
    failed = (frame.method == "ast") & (frame.layout_id == "layout-0")
    frame.loc[failed, ["value", "status", "reason"]] = [np.nan, "failed", "out of memory"]
    absent = (frame.method == "ast") & (frame.layout_id == "layout-1")
    coverage = row_of(build(frame[~absent]), "ast").coverage
    assert (coverage.expected, coverage.scored) == (24, 20)
    assert (coverage.failed, coverage.missing) == (2, 2)
    cell = row_of(build(frame[~absent]), "ast").cell("blip_vqa")
    assert cell.missing == {"out of memory": 2, "not in this run": 2}
    every = "no instance_success, image_success, blip_vqa"
    assert f"{every}: out of memory (2 of ast)" in build(frame).text(200)


def test_cost_is_a_mean_over_images_not_over_scores(frame):
    first = frame.key == frame.key.iloc[0]
    frame.loc[first, "seconds"] = 25.0
    frame.loc[first, "peak_memory_mb"] = 900.0
    cost = row_of(build(frame), "baseline").cost
    assert cost.seconds == pytest.approx((23 * 1.0 + 25.0) / 24)
    assert cost.peak_memory_mb == 900 and cost.passes == 48


def test_protocols_are_never_ranked_together_and_the_difference_is_named(frame_of):
    weak = frame_of(protocol="p1", protocol_text={"settings": {"steps": 24}, "size": 128})
    strong = frame_of(
        protocol="p2",
        protocol_text={"settings": {"steps": 28}, "size": 128},
        skills=(("baseline", 0.9), ("ast", 0.95)),
    )
    board = build(pd.concat([weak, strong]))
    assert [row.group for row in board.rows] == ["A", "A", "B", "B"]
    assert row_of(board, "ast", "A").cell("instance_success").rank == (1, 1, 1)
    assert [d.field for d in board.differences] == ["settings.steps"]
    assert board.differences[0].values == {"A": "24", "B": "28"}
    for text in (board.text(), board.markdown()):
        assert "not ranked together" in text and "A: 24, B: 28" in text
    alone = row_of(build(weak), "ast").cell("blip_vqa").against
    assert row_of(board, "ast", "A").cell("blip_vqa").against.p == alone.p
    assert row_of(board, "ast", "A").cell("blip_vqa").against.p_holm >= alone.p_holm


def test_direction_of_a_score_decides_best_and_win(frame):
    up = build(frame)
    down = build(frame, higher_is_better={"instance_success": False})
    assert row_of(up, "ast").cell("instance_success").best
    assert row_of(down, "baseline").cell("instance_success").best
    a, b = (row_of(x, "ast").cell("instance_success").against for x in (up, down))
    assert (a.wins, a.difference) == (b.losses, b.difference)
    assert down.rows[0].label == "baseline"


def test_modes_of_one_score_become_two_columns(frame):
    other = frame[frame.score == "blip_vqa"].assign(mode="official", value=0.5)
    board = build(pd.concat([frame, other]))
    assert {"blip_vqa (fixed)", "blip_vqa (official)"} <= {c.key for c in board.columns}
    assert row_of(board, "ast").cell("blip_vqa (official)").value == 0.5


def test_two_images_for_one_place_are_refused(frame):
    twice = frame.assign(key=frame.key.str[::-1])
    with pytest.raises(BenchError, match="two different images.*compare"):
        build(pd.concat([frame, twice]))
    assert build(pd.concat([frame, frame])).to_json() == build(frame).to_json()


def test_categorical_texts_change_nothing(frame):
    texts = frame.select_dtypes(exclude="number").columns.difference(["details", "protocol_text"])
    assert build(frame.astype(dict.fromkeys(texts, "category"))).to_json() == build(frame).to_json()


def test_unusable_frames_are_refused_with_the_reason(frame):
    with pytest.raises(BenchError, match="lack the columns seed"):
        build(frame.drop(columns="seed"))
    with pytest.raises(BenchError, match="no scores"):
        build(frame.iloc[:0])
    with pytest.raises(BenchError, match="headline 'fid'"):
        build(frame, headline="fid")


def test_sentence_says_what_the_result_means(frame_of):
    clear = build(frame_of(prompts=24)).sentence()
    assert clear.startswith("ast places 0.")
    assert "the baseline 0." in clear and "on 24 prompts × 2 seeds" in clear
    assert clear.endswith("better beyond chance (p < 0.001).")
    swapped = build(frame_of(prompts=24, skills=(("baseline", 0.9), ("ast", 0.3)))).sentence()
    assert "worse beyond chance" in swapped and ": −0." in swapped
    close = build(frame_of(prompts=12, skills=(("baseline", 0.5), ("ast", 0.53)))).sentence()
    assert "chance alone could explain" in close and "prompts" in close
    few = build(frame_of(prompts=4)).sentence()
    assert "too few to tell (4 prompts: an interval needs 6)" in few
    alone = build(frame_of(skills=(("baseline", 0.5),))).sentence()
    assert alone.startswith("baseline places 0.")


def test_sentence_without_any_score_gives_the_reason(frame):
    frame["value"], frame["reason"] = np.nan, "not scored yet"
    board = build(frame)
    assert board.sentence() == "ast has no instance_success: not scored yet (24)."
    assert board.text() and board.markdown() and board.latex() and board.csv()
    assert row_of(board, "ast").coverage.missing == 24


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_text_fits_the_terminal(frame_of, width):
    text = build(pd.concat([frame_of(), frame_of(model="FLUX.1-dev")])).text(width)
    assert max(map(len, text.splitlines())) <= width
    assert "0." in text and "ast" in text and "\x1b" not in text
    assert "\x1b[" in build(frame_of()).text(width, color=True)


def test_json_csv_and_parquet_hold_the_same_cells(frame, tmp_path):
    board = build(frame)
    document = json.loads(json.dumps(board.to_json(), allow_nan=False))
    flat = pd.read_parquet(board.parquet(tmp_path / "board.parquet"))
    lines = list(csv.DictReader(io.StringIO(board.csv())))
    cells = [cell for row in document["rows"] for cell in row["cells"]]
    assert len(cells) == len(flat) == len(lines)
    for cell, (_, record), line in zip(cells, flat.iterrows(), lines, strict=True):
        assert cell["value"] == record["value"] == pytest.approx(float(line["value"]))
        assert cell["images"] == record["images"] == int(line["images"])
    assert document["sentence"] == board.sentence()


def test_scores_that_explain_stand_apart_and_in_a_family_of_their_own(frame):
    first = frame[frame.score == "instance_success"]
    more = [first.assign(score="size_error"), first.assign(score="leakage", value=0.5)]
    both = build(pd.concat([frame, *more]), higher_is_better={"size_error": False})
    assert [c.key for c in both.further] == ["size_error", "leakage"]
    plain = row_of(build(frame), "ast").cell("blip_vqa").against.p_holm
    assert row_of(both, "ast").cell("blip_vqa").against.p_holm == plain
    table, _, rest = both.text().partition("also: ")
    assert "size_error" not in table and rest.startswith("size_error, leakage")
    assert "What explains them" in both.markdown() and "leakage" in both.markdown()
    assert "leakage" not in both.latex()


def test_published_figures_stand_apart_and_only_where_they_mean_the_same(frame_of):
    board = build(frame_of(protocol_text={"suite": "t2i-compbench"}).assign(mode="official"))
    assert len(board.to_json()["published"]) == 6
    assert board.to_json()["published"][1]["figures"]["color"] == 0.5879
    before, _, after = board.markdown().partition("Published figures")
    assert "0.5879" in after and "arXiv 2506.07986" in after and "SDXL" not in before
    before, _, after = board.text(100).partition("Published figures")
    assert "0.588" in after and "SDXL" not in before
    assert max(map(len, board.text(60).splitlines())) <= 60
    assert {row.model for row in board.rows} == {"pocket-flux"}
    for text, mode in (({"suite": "pocket"}, "official"), ({"suite": "t2i-compbench"}, "fixed")):
        other = build(frame_of(protocol_text=text).assign(mode=mode))
        assert other.to_json()["published"] == [] and "Published" not in other.markdown()


def test_hostile_names_stay_text(frame):
    frame["method_label"] = frame.method.map(
        {"ast": "ast|<script>[x](javascript:1)_$&", "baseline": "baseline"}
    )
    board = build(frame)
    md = board.markdown()
    assert "ast\\|\\<script" in md and "](javascript" not in md
    assert len({line.count(" | ") for line in md.splitlines()[2:6]}) == 1
    assert r"\_\$\&" in board.latex()
    frame["method_label"] = frame.method.map({"ast": "[bold]ast[/bold]", "baseline": "b"})
    assert "[bold]ast[/bold]" in build(frame).text(200)


def test_latex_marks_the_best_and_escapes(frame):
    text = build(frame).latex()
    assert r"instance\_success $\uparrow$" in text
    assert text.count(r"\textbf{") == 3
    assert text.count(r"\\") == 3


def test_a_store_of_a_hundred_thousand_scores_takes_seconds(capsys):
    """A tenth of what ``perf leaderboard`` makes by default, which has ten seconds."""
    assert main(["perf", "leaderboard", "--scores", "100000", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["scores"], result["rows"], result["prompts"]) == (100_000, 5, 100)
    assert result["cpu_seconds"] < 10 and result["peak_mb"] < 1000
    assert main(["perf", "leaderboard", "--scores", "999"]) == 2
    assert "at least 1000 are needed" in capsys.readouterr().err
