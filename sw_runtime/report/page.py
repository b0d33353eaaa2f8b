"""The page of ``seedloom report``: one file, nothing from elsewhere."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from hw.board.boards import BOARDS
from sw_runtime.charts import Axis, Point, chart
from sw_runtime.compress.coverage import read_coverage
from sw_runtime.compress.divergence import read_divergence
from sw_runtime.device.board.fitting import fit
from sw_runtime.device.protocol import MatrixShape
from sw_runtime.fit.report import LayerReport, read_report
from sw_runtime.nn.folder import CompressedLayer, compressed_config, describe

DEPTH = re.compile(r"\.(\d+)\.")
"""A layer's number in the model's stack, as every family names it."""


@dataclass(frozen=True)
class Sample:
    """A text's beginning, and what follows it; ``original`` is None where the original was not asked."""

    prompt: str
    compressed: str
    original: str | None = None


def page(folder: Path, sample: Sample | None = None) -> str:
    """The page of a compressed folder, from what is stored in it; boards' figures are derived.

    Raises
    ------
    FileNotFoundError, CheckpointError
        If the folder is not a complete compressed model, or its report is damaged.
    """
    contents, reports = describe(folder), read_report(folder)
    shapes = [MatrixShape(layer.format, layer.rows, layer.columns) for layer in contents.layers]
    config = compressed_config(folder)
    template = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template("page.html")
    return template.render(
        name=folder.resolve().name,
        contents=contents,
        formats=Counter(layer.format for layer in contents.layers).most_common(),
        divergence=read_divergence(folder),
        coverage=read_coverage(folder),
        reports=reports,
        errors=_error_of(reports),
        chart=_layer_chart(contents.layers, _error_of(reports)),
        boards=[fit(board, shapes, config) for board in BOARDS.values()],
        sample=sample,
    )


def _error_of(reports: Mapping[str, LayerReport]) -> dict[str, float]:
    """A layer's relative output error on text held out; that of its worst row where there was no text."""
    found = {name: report.worst or report.row_error for name, report in reports.items()}
    return {name: error for name, error in found.items() if error}


def _layer_chart(layers: list[CompressedLayer], errors: Mapping[str, float]) -> Any:
    """Errors over the place in the stack, a colour a kind of layer; None where no errors are stored."""
    series: dict[str, list[Point]] = defaultdict(list)
    last = 0
    for layer in layers:
        number = DEPTH.search(f".{layer.name}.")
        last = int(number[1]) if number else last
        if error := errors.get(layer.name):
            kind = layer.name.rpartition(".")[2]
            series[kind].append(Point(last, error, f"{layer.name}, {layer.format}: {error:.4f}"))
    if not series:
        return None
    return Markup(chart(series, Axis("layer of the stack"), Axis("relative error", logarithmic=True)))
