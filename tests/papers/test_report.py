import json

from papers.claim import Finding
from papers.report import Report, on, yes_or_no

REPORT = Report(
    "emulated",
    {
        "work": Finding(2.5, "a toy", "host", (2.0, 3.0), stand_in="digits"),
        "score": Finding(None, "a toy", "host", instead="0.7"),
    },
    {"tokens computed, %": 63.71234, "all equal": "yes"},
    {"curve": [1, 2]},
)


def test_json_holds_everything() -> None:
    read = json.loads(REPORT.json())
    assert read["device"] == "emulated"
    assert read["findings"]["work"] == {
        "ours": 2.5,
        "scale": "a toy",
        "ran": "host",
        "interval": [2.0, 3.0],
        "stand_in": "digits",
        "instead": "",
    }
    assert read["figures"] == {"tokens computed, %": 63.71234, "all equal": "yes"}
    assert read["details"] == {"curve": [1, 2]}


def test_a_report_comes_back_from_its_json() -> None:
    assert Report.of(json.loads(REPORT.json())) == REPORT


def test_a_place_is_called_by_what_it_is() -> None:
    assert [on(device) for device in ("simulated", "emulated", "board")] == ["RTL simulated", "emulated", "board"]


def test_a_failed_check_stands_out() -> None:
    assert [yes_or_no(True), yes_or_no(False)] == ["yes", "NO"]
