"""The figures of docs/compression.md, from the measurements kept beside it.

``python benchmarks/plots.py`` draws docs/compression-rate.svg and docs/compression-layers.svg from
docs/compression-weights.json (``python benchmarks/weight_error.py``) and docs/compression-text.json
(``seedloom eval FOLDER … --baseline all --layers --json``).
"""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

DOCS = Path(__file__).parents[1] / "docs"
FAMILIES = {
    "scaled": ("tab:blue", "o"),
    "trellis": ("tab:red", "D"),
    "paper": ("tab:orange", "s"),
    "rtn": ("tab:gray", "^"),
}
"""Colour and marker of the formats whose names start so."""


PANELS = 3
"""Side by side."""


def read(name: str) -> Any:
    """A measurement."""
    return json.loads((DOCS / name).read_text(encoding="utf-8"))


def draw_weight_errors(axes: Axes, measured: list[dict[str, Any]]) -> None:
    """Relative weight error over bits, below it what no code can do on Gaussian weights."""
    for family, (colour, marker) in FAMILIES.items():
        rows = sorted((row["bits"], row["error"]) for row in measured if row["name"].startswith(family))
        axes.plot(*zip(*rows, strict=True), color=colour, marker=marker, label=family)
    bits = [2.0, 4.25]
    axes.plot(bits, [2**-rate for rate in bits], "k:", label="Gaussian bound, 2^-bits")
    axes.set(yscale="log", xlabel="bits per weight", ylabel="relative weight error", title="MiniLM's weights")
    axes.legend()


def draw_divergences(axes: Axes, evaluation: dict[str, Any]) -> None:
    """KL divergence over bits, with standard errors: a circle a folder, a triangle a baseline."""
    colours = mpl.colormaps["tab20"]
    points = [("o", judged) for judged in evaluation["folders"]] + [("^", judged) for judged in evaluation["baselines"]]
    for number, (marker, judged) in enumerate(points):
        divergence = judged["quality"]["divergence"]
        axes.errorbar(
            judged["bits"],
            divergence["mean"],
            divergence["error"],
            marker=marker,
            color=colours(number % colours.N),
            linestyle="",
            label=label(judged),
        )
    axes.set(
        yscale="log", xlabel="bits per weight", ylabel="KL divergence, nats per token", title="SmolLM2-135M on text"
    )
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=7)  # beside the points, not over them


def label(judged: dict[str, Any]) -> str:
    """A folder's or baseline's name without the model's."""
    return str(judged["name"]).removeprefix("SmolLM2-135M-Instruct-")


def draw_layers(axes: Axes, judged: dict[str, Any]) -> None:
    """Output error of every matrix over its layer's number."""
    errors: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for name, error in judged["layers"].items():
        parts = name.split(".")
        if "layers" in parts:
            errors[parts[-1]].append((int(parts[parts.index("layers") + 1]), error))
    for kind, points in errors.items():
        axes.plot(*zip(*points, strict=True), marker=".", label=kind)
    axes.set(yscale="log", xlabel="layer", title=label(judged))


def draw_rate(weights: list[dict[str, Any]], evaluation: dict[str, Any]) -> None:
    """docs/compression-rate.svg."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(13, 4.5), layout="constrained")
    draw_weight_errors(left, weights)
    draw_divergences(right, evaluation)
    save(figure, "compression-rate.svg")


def draw_all_layers(folders: list[dict[str, Any]]) -> None:
    """docs/compression-layers.svg, a panel a folder."""
    lines = -(-len(folders) // PANELS)
    figure, panels = plt.subplots(
        lines, PANELS, figsize=(5.5 * PANELS, 4 * lines), sharey=True, squeeze=False, layout="constrained"
    )
    for axes in panels.flat[len(folders) :]:
        axes.remove()
    for axes, judged in zip(panels.flat, folders, strict=False):
        draw_layers(axes, judged)
    for axes in panels[:, 0]:
        axes.set_ylabel("relative output error, original's inputs")
    panels[0][0].legend(ncols=2, fontsize=7)
    save(figure, "compression-layers.svg")


def save(figure: Any, name: str) -> None:
    """Write a figure without a date, so that the same measurements give the same file."""
    figure.savefig(DOCS / name, metadata={"Date": None})


def main() -> None:
    """Draw both."""
    mpl.rcParams["svg.hashsalt"] = "seedloom"
    weights, evaluation = read("compression-weights.json"), read("compression-text.json")
    draw_rate(weights, evaluation)
    draw_all_layers([judged for judged in evaluation["folders"] if judged["layers"]])


if __name__ == "__main__":
    main()
