"""``seedloom bench codec``: weights a CPU second of the seed search, beside the searches it replaces."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from formats.arguments import check_integers
from formats.errors import InputError
from seedloom.compared import exit_unless
from seedloom.options import Json
from sw_runtime.charts import Axis, Point, chart, check_chart, write_chart
from sw_runtime.json_files import figures_text

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from formats.block import BlockFormat

DEVIATION = 0.02
"""Of the Gaussian weights, as in a language model."""

MAXIMUM_BLOCKS = 1 << 22
"""Four times what the fastest search takes at once; their weights take half a gigabyte."""


@dataclass(frozen=True)
class CodecBenchmark:
    """Speeds of one format's searches on one thread, in weights per CPU second.

    ``path`` is the search that the kernel chose for so many blocks; ``naive`` is the paper's
    algorithm in NumPy, float64, every seed evaluated in full; ``torch`` the search in torch alone.
    ``exact``: the torch search found the same words.
    """

    path: str
    blocks: int
    weights_per_cpu_second: float
    naive: float
    torch: float
    times_naive: float
    times_torch: float
    exact: bool


def _speed(search: "Callable[[Tensor], Any]", targets: "Tensor") -> tuple[Any, float]:
    """What a search found, and its weights per CPU second."""
    start = time.process_time()
    found = search(targets)
    return found, targets.numel() / (time.process_time() - start)


def _naive_search(block_format: "BlockFormat") -> "Callable[[Tensor], list[np.intp]]":
    """Every seed's least-squares coefficients, rounded, and the error they make; the best seed a block."""
    import numpy as np

    from formats.seeds import entry_tables

    matrices = entry_tables(block_format).permute(1, 2, 0).double().numpy()
    inverses = np.linalg.pinv(matrices)
    low, high = block_format.coefficient_limits

    def search(targets: "Tensor") -> "list[np.intp]":
        best = []
        for target in targets.numpy():
            t = inverses @ target
            if block_format.odd_coefficients:
                rebuilt = 2 * np.floor(t / 2).clip(low, high) + 1
            else:
                exponent = np.frexp(np.abs(t).max(axis=1))[1] - 3
                unit = np.exp2(exponent.clip(0, block_format.maximum_shift))[:, None]
                rebuilt = np.rint(t / unit).clip(low, high) * unit
            errors = ((matrices @ rebuilt[..., None])[..., 0] - target) ** 2
            best.append(errors.sum(axis=1).argmin())
        return best

    return search


def measure_codec(
    names: Sequence[str] = (), blocks: int = 0, slow_blocks: int = 256, naive_blocks: int = 8
) -> dict[str, CodecBenchmark]:
    """Time the searches of the formats named, all presets if none.

    ``blocks`` 0 stands for 2^15, and for a full batch where the bucketed search is the faster.

    Raises
    ------
    InputError
        If a format is unknown, or a number of blocks is out of range.
    """
    import torch

    from formats.presets import PRESETS
    from formats.scales import row_scales
    from sw_runtime.progress import progress_bar
    from sw_runtime.search.search import BLOCKS_A_BATCH, encode_blocks, method_for

    some = range(1, MAXIMUM_BLOCKS + 1)
    check_integers(
        blocks=(blocks, range(MAXIMUM_BLOCKS + 1)), slow_blocks=(slow_blocks, some), naive_blocks=(naive_blocks, some)
    )
    for name in names:
        if name not in PRESETS:
            raise InputError(f"format must be one of {', '.join(PRESETS)}, not {name!r}")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    measured = {}
    for name in progress_bar(names or list(PRESETS), desc="formats", unit="format"):
        block_format = PRESETS[name]
        bucketed = method_for(BLOCKS_A_BATCH, block_format) == "bucketed"
        count = blocks or (BLOCKS_A_BATCH if bucketed else 1 << 15)
        generator = torch.Generator().manual_seed(0)
        weights = DEVIATION * torch.randn(1, max(count, slow_blocks) * block_format.block_size, generator=generator)
        targets = (weights.double() / row_scales(weights, block_format).double()).view(-1, block_format.block_size)

        def fast(part: "Tensor", block_format: "BlockFormat" = block_format) -> "Tensor":
            return encode_blocks(part, None, block_format)

        def alone(part: "Tensor", block_format: "BlockFormat" = block_format) -> "Tensor":
            return encode_blocks(part, None, block_format, method="torch")

        fast(targets[:1]), alone(targets[:1])  # compile, build tables
        words, speed = _speed(fast, targets[:count])
        torch_words, torch_speed = _speed(alone, targets[:slow_blocks])
        _, naive = _speed(_naive_search(block_format), targets[:naive_blocks])
        shared = min(count, slow_blocks)
        measured[name] = CodecBenchmark(
            path=method_for(count, block_format),
            blocks=count,
            weights_per_cpu_second=speed,
            naive=naive,
            torch=torch_speed,
            times_naive=speed / naive,
            times_torch=speed / torch_speed,
            exact=torch.equal(words[:shared], torch_words[:shared]),
        )
    torch.set_num_threads(threads)
    return measured


def speed_chart(measured: dict[str, CodecBenchmark]) -> str:
    """An SVG: weights per CPU second of each search over the format's bits."""
    from formats.presets import PRESETS

    series: dict[str, list[Point]] = {"C": [], "torch": [], "NumPy": []}
    for name, one in measured.items():
        for search, speed in zip(series, (one.weights_per_cpu_second, one.torch, one.naive), strict=True):
            label = f"{name}, {search}: {speed:,.0f} weights per CPU second"
            series[search].append(Point(PRESETS[name].word_bits / PRESETS[name].block_size, speed, label))
    return chart(series, Axis("bits per weight, without scales"), Axis("weights per CPU second", logarithmic=True))


def codec(
    format: Annotated[list[str] | None, typer.Option(help="Block format; repeatable. Default: all presets.")] = None,
    blocks: Annotated[int, typer.Option(help="Blocks for the search in C; 0: as many as it needs for full speed.")] = 0,
    slow_blocks: Annotated[int, typer.Option(help="Blocks for the search in torch.")] = 256,
    naive_blocks: Annotated[int, typer.Option(help="Blocks for the search in NumPy.")] = 8,
    plot: Annotated[Path | None, typer.Option(help="Also draw the speeds: an .svg file.")] = None,
    as_json: Json = False,
) -> None:
    """Measure the speed of the seed search in C, torch and NumPy, on one thread."""
    check_chart(plot)
    measured = measure_codec(format or (), blocks, slow_blocks, naive_blocks)
    exact = all(one.exact for one in measured.values())
    if plot:
        write_chart(plot, speed_chart(measured))
    if as_json:
        typer.echo(figures_text({"formats": {name: asdict(one) for name, one in measured.items()}}))
        exit_unless(exact)
        return
    typer.echo("| weights per CPU second | search | C | torch | NumPy | C over NumPy |\n|---|---|---:|---:|---:|---:|")
    for name, one in measured.items():
        cells = f"{one.weights_per_cpu_second:,.0f} | {one.torch:,.0f} | {one.naive:,.0f} | {one.times_naive:,.0f}"
        typer.echo(f"| {name} | {one.path} | {cells} |")
    typer.echo(f"\nC and torch found the same words: {'yes' if exact else 'NO'}")
    exit_unless(exact)
