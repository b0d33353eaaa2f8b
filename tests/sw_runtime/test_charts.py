"""Charts: every point is where its value says, and has its name."""

import re
import xml.etree.ElementTree as ElementTree

import pytest

from formats.errors import InputError
from sw_runtime.charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, Point, chart

SVG = "{http://www.w3.org/2000/svg}"
RATIO, NUMBER = Axis("ratio", logarithmic=True), Axis("number")


def places(text: str) -> dict[str, tuple[float, float]]:
    """Where points are, by name."""
    root = ElementTree.fromstring(text)
    return {
        str(circle.findtext(f"{SVG}title")): (float(circle.attrib["cx"]), float(circle.attrib["cy"]))
        for circle in root.iter(f"{SVG}circle")
        if circle.find(f"{SVG}title") is not None
    }


def test_equal_ratios_are_equal_distances_on_a_logarithmic_axis() -> None:
    points = [Point(x, y, f"<{x}>") for x, y in ((0, 1), (1, 10), (2, 100))]
    found = places(chart({"a & b": points}, NUMBER, RATIO))
    (x0, y0), (x1, y1), (x2, y2) = (found[f"<{x}>"] for x in range(3))
    assert x2 - x1 == pytest.approx(x1 - x0, abs=0.2)
    assert y0 - y1 == pytest.approx(y1 - y2, abs=0.2)
    assert LEFT < x0 < x2 < WIDTH - RIGHT
    assert TOP < y2 < y0 < HEIGHT - BOTTOM


def test_series_are_joined_and_named() -> None:
    text = chart({"one": [Point(1, 2, "p"), Point(2, 3, "q")], "two": [Point(1, 1, "r")]}, NUMBER, NUMBER, joined=True)
    root = ElementTree.fromstring(text)
    assert len(list(root.iter(f"{SVG}polyline"))) == 2
    assert {"one", "two", "number"} <= {element.text for element in root.iter(f"{SVG}text")}


@pytest.mark.parametrize(
    ("axis", "low", "high"), [(RATIO, 1.5, 8), (RATIO, 0.11, 0.3), (RATIO, 1, 1e6), (NUMBER, 0, 7), (NUMBER, -3, 1e9)]
)
def test_ticks_are_some_and_within_the_axis(axis: Axis, low: float, high: float) -> None:
    ticks = axis.ticks(low, high)
    assert 2 <= len(ticks) <= 14
    assert all(low <= tick <= high for tick in ticks)


def test_one_point_alone_has_a_place() -> None:
    assert len(places(chart({"one": [Point(3, 3, "p")]}, NUMBER, RATIO))) == 1


def test_the_text_is_the_same_every_time() -> None:
    series = {"one": [Point(1, 2, "p")]}
    assert chart(series, NUMBER, NUMBER) == chart(series, NUMBER, NUMBER)
    assert not re.search(r"20\d\d-", chart(series, NUMBER, NUMBER))


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(InputError, match="there is nothing to draw; measure something first"):
        chart({"one": []}, NUMBER, NUMBER)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_what_has_no_place_is_refused_by_name(value: float) -> None:
    with pytest.raises(InputError, match=r"p is .*, which has no place on an axis of ratio"):
        chart({"one": [Point(1, value, "p")]}, NUMBER, RATIO)
