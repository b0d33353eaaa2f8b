import json

import pytest

from papers.report import Figure, Report, yes_or_no

REPORT = Report(
    "SomePaper (arXiv 1234.5678)",
    "SmolLM2-135M, 8 texts",
    "emulated",
    [Figure("tokens computed, %", 63.71234, "63.7", "second-hand"), Figure("lossless", "yes")],
    {"curve": [1, 2]},
)


def test_the_table_shows_both_figures_and_the_mark() -> None:
    lines = REPORT.table().splitlines()
    assert lines[0] == "SomePaper (arXiv 1234.5678): SmolLM2-135M, 8 texts; emulated device"
    assert lines[-2:] == ["| tokens computed, % | 63.71 | 63.7 | second-hand |", "| lossless | yes |  |  |"]


def test_json_holds_everything() -> None:
    read = json.loads(REPORT.json())
    assert read["figures"][0] == {
        "name": "tokens computed, %",
        "ours": 63.71234,
        "paper": "63.7",
        "mark": "second-hand",
    }
    assert read["details"] == {"curve": [1, 2]}


def test_a_papers_figure_without_a_mark_is_refused() -> None:
    with pytest.raises(ValueError, match="figure 'speed-up': a paper's figure needs its mark, and a mark its figure"):
        Figure("speed-up", 2.0, "2.8")


def test_a_mark_without_a_figure_is_refused() -> None:
    with pytest.raises(ValueError, match="a mark its figure"):
        Figure("speed-up", 2.0, mark="unverified")


def test_a_failed_check_stands_out() -> None:
    assert [yes_or_no(True), yes_or_no(False)] == ["yes", "NO"]
