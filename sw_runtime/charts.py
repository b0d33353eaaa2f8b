"""Charts as SVG, for pages and files: points over two axes, each point with its name.

Written here, as a page needs names that show under the pointer, and lines that follow its text's colour.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from formats.errors import InputError
from sw_runtime.disk_errors import check_writable

WIDTH, HEIGHT = 760, 380
LEFT, RIGHT, TOP, BOTTOM = 70, 190, 16, 46
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#ee8866", "#77aadd", "#999933", "#777777")
"""Paul Tol's bright colours and more, told apart by most eyes."""


@dataclass(frozen=True)
class Point:
    """Where it is, and what it is called."""

    x: float
    y: float
    name: str


@dataclass(frozen=True)
class Axis:
    """An axis.

    Parameters
    ----------
    label
        What it measures, and in which unit.
    logarithmic
        Equal distances are equal ratios; values are above 0 then.
    """

    label: str
    logarithmic: bool = False

    def ticks(self, low: float, high: float) -> list[float]:
        """Round values from ``low`` to ``high``."""
        if self.logarithmic:
            decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
            steps = (1,) if len(decades) > 4 else (1, 2, 5)
            found = [step * 10.0**decade for decade in decades for step in steps if low <= step * 10.0**decade <= high]
            if len(found) > 1:  # else the span is so short that equal steps serve
                return found
        step = 10.0 ** math.floor(math.log10((high - low) / 4))
        step *= next(factor for factor in (1, 2, 5, 10) if (high - low) / (factor * step) <= 6)
        return [step * number for number in range(math.ceil(low / step), math.floor(high / step) + 1)]

    def share(self, value: float, low: float, high: float) -> float:
        """Where a value is between the ends: 0 to 1."""
        if self.logarithmic:
            value, low, high = math.log(value), math.log(low), math.log(high)
        return (value - low) / (high - low)


def chart(series: Mapping[str, Sequence[Point]], x_axis: Axis, y_axis: Axis, joined: bool = False) -> str:
    """An SVG of several series of points; ``joined`` draws a line from each point to the next.

    Raises
    ------
    InputError
        If there is no point, or one is not finite, or not above 0 on a logarithmic axis, naming it.
    """
    points = [point for each in series.values() for point in each]
    if not points:
        raise InputError("there is nothing to draw; measure something first")
    for point in points:
        for axis, value in ((x_axis, point.x), (y_axis, point.y)):
            if not math.isfinite(value) or (axis.logarithmic and value <= 0):
                raise InputError(f"{point.name} is {value}, which has no place on an axis of {axis.label}")
    x_ends = _ends(x_axis, [point.x for point in points])
    y_ends = _ends(y_axis, [point.y for point in points])

    def place(point: Point) -> tuple[float, float]:
        x = LEFT + x_axis.share(point.x, *x_ends) * (WIDTH - LEFT - RIGHT)
        return round(x, 1), round(HEIGHT - BOTTOM - y_axis.share(point.y, *y_ends) * (HEIGHT - TOP - BOTTOM), 1)

    drawn = [*_grid(x_axis, y_axis, x_ends, y_ends)]
    for number, (name, each) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        if joined:
            path = " ".join(f"{x},{y}" for x, y in map(place, each))
            drawn.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        for point in each:
            x, y = place(point)
            title = f"<title>{escape(point.name)}</title>"
            drawn.append(f'<circle cx="{x}" cy="{y}" r="3.5" fill="{colour}">{title}</circle>')
        if number < (HEIGHT - TOP - BOTTOM) // 16:
            y = TOP + 12 + 16 * number
            drawn.append(f'<circle cx="{WIDTH - RIGHT + 16}" cy="{y - 4}" r="4" fill="{colour}"/>')
            drawn.append(f'<text x="{WIDTH - RIGHT + 26}" y="{y}">{escape(name)}</text>')
    style = 'font-family="sans-serif" font-size="12" fill="currentColor"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" {style}>'
    return "\n".join([head, *drawn, "</svg>"]) + "\n"


def check_chart(file: Path | None) -> None:
    """Refuse a file that no chart can be written to, before anything is measured; make its folder.

    Raises
    ------
    InputError
        If its name does not end with .svg, it is a folder, or the system does not let it be written.
    OSError
        If the disk is full.
    """
    if file is None:
        return
    if file.suffix != ".svg":
        raise InputError(f"a chart's name ends with .svg, not as {file.name!r} does")
    if file.is_dir():
        raise InputError(f"{file} is a folder; name a file for the chart")
    check_writable(file.parent, file)


def write_chart(file: Path, svg: str) -> None:
    """Write a chart as a file of its own, on white whatever the viewer's colours."""
    head, rest = svg.split("\n", 1)
    file.write_text(f'{head}\n<rect width="100%" height="100%" fill="#fff"/>\n{rest}', encoding="utf-8")


def _ends(axis: Axis, values: list[float]) -> tuple[float, float]:
    """A little more than the values span."""
    low, high = min(values), max(values)
    if axis.logarithmic:
        room = max((high / low) ** 0.06, 1.1)
        return low / room, high * room
    room = 0.06 * (high - low) or 0.5
    return low - room, high + room


def _grid(x_axis: Axis, y_axis: Axis, x_ends: tuple[float, float], y_ends: tuple[float, float]) -> Iterator[str]:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    line = 'stroke="currentColor" stroke-opacity="0.15"'
    for value in x_axis.ticks(*x_ends):
        x = round(LEFT + x_axis.share(value, *x_ends) * (right - LEFT), 1)
        yield f'<line x1="{x}" y1="{TOP}" x2="{x}" y2="{bottom}" {line}/>'
        yield f'<text x="{x}" y="{bottom + 16}" text-anchor="middle">{value:,.6g}</text>'
    for value in y_axis.ticks(*y_ends):
        y = round(bottom - y_axis.share(value, *y_ends) * (bottom - TOP), 1)
        yield f'<line x1="{LEFT}" y1="{y}" x2="{right}" y2="{y}" {line}/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{value:,.6g}</text>'
    middle = (TOP + bottom) / 2
    yield f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_axis.label)}</text>'
    yield (
        f'<text x="14" y="{middle}" text-anchor="middle" transform="rotate(-90 14 {middle})">'
        f"{escape(y_axis.label)}</text>"
    )
