"""The report beside the weights."""

from pathlib import Path

import pytest

from formats.errors import CheckpointError
from sw_runtime.fit.report import REPORT, LayerReport, read_report, report_text

LAYERS = {
    "first": LayerReport("scaled-4bit", "feedback", 0.1, 0.3, 0.2),
    "second": LayerReport("scaled-3bit", "plain"),
}


def test_what_was_written_is_read(tmp_path: Path) -> None:
    (tmp_path / REPORT).write_text(report_text({name: layer.as_json() for name, layer in LAYERS.items()}, {}))
    assert read_report(tmp_path) == LAYERS


def test_a_folder_without_one_has_no_reports(tmp_path: Path) -> None:
    assert read_report(tmp_path) == {}


def test_the_worst_error_is_the_greatest() -> None:
    assert [layer.worst for layer in LAYERS.values()] == [0.3, 0]


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "{}",
        '{"layers": [1]}',
        '{"layers": {"first": 1}}',
        '{"layers": {"first": {"colour": 1}}}',
        '{"layers": {"first": {"format": "fp16", "method": "plain", "error": "small"}}}',
        '{"layers": {"first": {"format": "fp16", "method": "plain", "error": NaN}}}',
    ],
)
def test_a_damaged_report_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / REPORT).write_text(text)
    message = r"report\.json (is damaged|cannot be read) \(.+\); copy the folder again or compress the model again"
    with pytest.raises(CheckpointError, match=message):
        read_report(tmp_path)
