from dataclasses import replace

import pytest

from papers.claim import Claim, Finding, verdict

FASTER = Claim("it is 3 times as fast", "table 2", "as reported", "speed-up", 3.0, "a large model", neutral=1)
SMALLER = replace(FASTER, quantity="size, MB", theirs=(10.0, 90.0), neutral=500, higher=False, tolerance=0)


def found(ours: float | None, **fields: object) -> Finding:
    return Finding(ours, "a toy", "host", **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ours", "expected"),
    [
        (3.5, "reproduced"),
        (2.8, "reproduced"),  # a tenth of the effect of 2 may be missing
        (2.79, "direction only"),
        (1.01, "direction only"),
        (1.0, "not reproduced"),
        (0.7, "not reproduced"),
    ],
)
def test_more_is_better_up_to_the_papers_figure_less_the_tolerance(ours: float, expected: str) -> None:
    assert verdict(FASTER, found(ours)) == expected


@pytest.mark.parametrize(
    ("ours", "expected"),
    [(5, "reproduced"), (90, "reproduced"), (91, "direction only"), (500, "not reproduced"), (900, "not reproduced")],
)
def test_less_is_better_down_to_the_weaker_end_of_a_range(ours: float, expected: str) -> None:
    assert verdict(SMALLER, found(ours)) == expected


def test_the_whole_interval_must_be_better_than_no_effect() -> None:
    assert verdict(FASTER, found(4.0, interval=(1.1, 7.0))) == "reproduced"
    assert verdict(FASTER, found(4.0, interval=(0.9, 7.0))) == "not reproduced"
    assert verdict(SMALLER, found(50.0, interval=(20.0, 500.0))) == "not reproduced"


def test_what_stands_in_settles_nothing() -> None:
    assert verdict(FASTER, found(9.0, stand_in="digits")) == "direction only"
    assert verdict(FASTER, found(0.9, stand_in="digits")) == "not reproduced"


def test_without_a_figure_of_the_papers_only_the_direction_can_be_told() -> None:
    unknown = replace(FASTER, theirs=None)
    assert verdict(unknown, found(9.0)) == "direction only"
    assert verdict(unknown, found(1.0)) == "not reproduced"


def test_another_quantity_is_no_more_than_the_mechanism() -> None:
    assert verdict(FASTER, found(None, instead="half the misses")) == "mechanism only"


@pytest.mark.parametrize("finding", [(None, ""), (1.0, "half the misses")])
def test_a_finding_is_either_of_the_claims_quantity_or_of_another(finding: tuple[float | None, str]) -> None:
    with pytest.raises(ValueError, match="a finding has a value, or says what was measured instead; give one"):
        found(finding[0], instead=finding[1])
