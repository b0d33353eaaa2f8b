"""What a compression will need, before it begins: memory, disk, and time by small samples timed on this machine."""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor, nn

from formats.fp16 import FP16
from sw_runtime.compress.plan import Plan
from sw_runtime.cores import cores
from sw_runtime.fit.covariance import CHUNK_TOKENS, input_statistics
from sw_runtime.fit.encoders import Inputs, encoder_of
from sw_runtime.fit.workers import Threads
from sw_runtime.nn.layer_classes import layer_class
from sw_runtime.nn.places import Place
from sw_runtime.texts.calibration import WINDOWS, longest_window

LIBRARIES = 10**9
"""Bytes that torch, transformers and the search take beside weights and hidden states."""

MOMENTS = 18
"""Matrices [columns, columns] of float64 that two inputs' statistics, and their factors, take at once."""

SAMPLE_COLUMNS = 1024
"""Most columns of a sample: what wider layers need is reckoned from it."""

SAMPLE_ROWS = 8
"""Rows of a sample, a thread."""

SAMPLE_TOKENS = 256
"""Tokens of a sampled product."""


@dataclass(frozen=True)
class Estimate:
    """What a compression will need.

    Parameters
    ----------
    memory
        Bytes at the peak that the system cannot take back.
    disk
        Bytes in the output folder at the peak, finished parts beside the result.
    result
        Bytes of the result's weights.
    seconds
        By what it is spent on.
    layers
        Number of layers by format; where bits are shared out, of the format that it begins with.
    coverage
        What share of the weights is compressed, and what stays dense and why, in words.
    """

    memory: int
    disk: int
    result: int
    seconds: dict[str, float]
    layers: dict[str, int]
    coverage: str

    @property
    def time(self) -> str:
        """The whole time in words."""
        return in_words(sum(self.seconds.values()))

    def __str__(self) -> str:
        spent = ", ".join(f"{what} {in_words(seconds)}" for what, seconds in self.seconds.items() if seconds >= 1)
        layers = ", ".join(f"{number} in {format}" for format, number in self.layers.items())
        return "\n".join(
            [
                f"time: about {self.time} on {cores()} cores" + (f" ({spent})" if spent else ""),
                f"memory: about {self.memory / 1e9:.1f} GB",
                f"disk: {self.disk / 1e9:.2f} GB while it works, {self.result / 1e9:.2f} GB of weights at the end",
                f"layers: {layers}",
                self.coverage,
            ]
        )


def in_words(seconds: float) -> str:
    """A duration in the unit that suits it."""
    for unit, name in ((3600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{max(1, round(seconds))} s"


def estimate(job: Plan, threads: int | None = None) -> Estimate:
    """What a planned compression will need, but for the steps of ``polish``; takes seconds, and writes nothing.

    Parameters
    ----------
    threads
        Threads of the search; all cores when not given.
    """
    packed = sum(_packed_bytes(job, name) for name in job.places)
    result = packed + _dense_bytes(job)
    return Estimate(
        memory=_memory(job),
        disk=packed + result,
        result=result,
        seconds=_seconds(job, threads or cores()),
        layers=dict(Counter(job.formats.values()).most_common()),
        coverage=str(job.coverage),
    )


def _packed_bytes(job: Plan, name: str) -> int:
    """Of a compressed layer; where bits are shared out, the mean of all."""
    place, bits = job.places[name], job.request.bits
    if bits is not None and job.formats[name] != FP16:
        return round(bits * place.rows * place.columns / 8)
    return _stored_bytes(place, job.formats[name])


def _stored_bytes(place: Place, format: str) -> int:
    with torch.device("meta"):
        return layer_class(format).empty(place.columns, place.rows, format, bias=False).stored_bytes


def _dense_bytes(job: Plan) -> int:
    """Of everything that is stored as it is; a head that was tied leaves its embedding."""
    chosen = {f"{name}.weight" for name in job.places}
    parameters = {id(p): p for name, p in job.model.named_parameters(remove_duplicate=False) if name not in chosen}
    return sum(parameter.nbytes for parameter in parameters.values())


def _tokens(job: Plan) -> int:
    """Tokens of the calibration; 0 without one."""
    return 0 if job.request.calibration_text is None else WINDOWS * longest_window(job.model)


def _memory(job: Plan) -> int:
    """Three of the largest matrix in float32, what is no view of a file, hidden states and statistics of a text."""
    matrices = [place.rows * place.columns for place in job.places.values()]
    columns = max(place.columns for place in job.places.values())
    held = 0 if job.source.views is None else job.source.views.held
    statistics = MOMENTS * 8 * columns**2 if _tokens(job) else 0
    hidden = 8 * _tokens(job) * columns * int(job.model.dtype.itemsize)
    decoded = 4 * sum(matrices) if job.request.polish else 0  # the compressed model beside the original
    return LIBRARIES + 3 * 4 * max(matrices) + held + statistics + hidden + decoded


def _seconds(job: Plan, threads: int) -> dict[str, float]:
    """Seconds by what they are spent on."""
    weights = sum(place.rows * place.columns for place in job.places.values())
    tokens = _tokens(job)
    seconds = {"search": sum(_search_seconds(job, format, threads) for format in set(job.formats.values()))}
    if tokens:
        inputs = {(name.rpartition(".")[0], place.columns) for name, place in job.places.items()}
        moments, factor = _statistics_seconds()
        seconds["running the text"] = 2 * weights * _product_seconds(job, tokens)
        seconds["statistics"] = sum(tokens * columns**2 * moments + columns**3 * factor for _, columns in inputs)
    if job.request.writes_its_text:
        seconds["writing the text"] = longest_window(job.model) * weights * _product_seconds(job, WINDOWS)
    return seconds


def _search_seconds(job: Plan, format: str, threads: int) -> float:
    """A few rows of the layer in the middle, encoded, and all weights of the format reckoned from them."""
    sizes = {name: place.rows * place.columns for name, place in job.places.items() if job.formats[name] == format}
    middle = sorted(sizes, key=lambda name: sizes[name])[len(sizes) // 2]
    sample = _sample(job.places[middle], SAMPLE_ROWS * threads)
    encoder, inputs = encoder_of(format), Inputs(None)
    method = encoder.methods[-1]
    if _tokens(job):
        generator = torch.Generator().manual_seed(0)
        inputs = Inputs(input_statistics(torch.randn(2 * sample.shape[1], sample.shape[1], generator=generator)))
        method = encoder.methods[0]

    def encode() -> object:
        return encoder.encode([sample], method, inputs, Threads(threads), None)

    encode()  # compiles the search
    return _timed(encode) / sample.numel() * sum(sizes.values())


def _product_seconds(job: Plan, tokens: int) -> float:
    """Seconds for a weight that multiplies so many tokens at once."""
    sample = _sample(next(iter(job.places.values())), SAMPLE_COLUMNS)
    sampled = min(tokens, SAMPLE_TOKENS)
    inputs = torch.ones(sampled, sample.shape[1], dtype=sample.dtype)
    return _timed(lambda: nn.functional.linear(inputs, sample)) / sample.numel() * tokens / sampled


def _statistics_seconds() -> tuple[float, float]:
    """Seconds for a token and an entry of its moments, and for a cubed column of what feedback makes of them."""
    columns = SAMPLE_COLUMNS // 2
    tokens = torch.randn(CHUNK_TOKENS, columns, generator=torch.Generator().manual_seed(0))
    statistics = input_statistics(tokens)
    return (
        _timed(lambda: input_statistics(tokens)) / (CHUNK_TOKENS * columns**2),
        _timed(lambda: Inputs(statistics)) / columns**3,
    )


def _sample(place: Place, rows: int) -> Tensor:
    """The first rows and columns of a layer's weights."""
    return place.weights[:rows, :SAMPLE_COLUMNS].contiguous()


def _timed(work: Callable[[], object]) -> float:
    """Seconds of work: the middle one of three runs, as other programs may disturb one."""
    seconds = []
    for _ in range(3):
        begun = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begun)
    return median(seconds)
