"""What a compression will need, before it begins: memory, disk, and time by small samples timed on this machine."""

from collections import Counter
from dataclasses import dataclass

import torch

from formats.fp16 import FP16
from formats.plurals import number_of
from formats.presets import PALETTES, mixed_formats
from sw_runtime.compress.encode import MATRICES_A_GROUP, groups_at_once
from sw_runtime.compress.plan import Plan
from sw_runtime.compress.timing import calibration_tokens, seconds
from sw_runtime.cores import cores
from sw_runtime.fit.row_blocks import WEIGHTS_A_BLOCK
from sw_runtime.nn.layer_classes import layer_class
from sw_runtime.nn.places import Place

LIBRARIES = 10**9
"""Bytes that torch, transformers and small buffers take beside weights and hidden states."""

FORMING = 2
"""Further float64 matrices [columns, columns] while a group's statistics are factored; one group does so at a time."""

BLOCK_BYTES = 48
"""Of a weight in the block of rows that a thread searches: float32, its targets and their errors in float64, words."""

COPIES, PALETTE_COPIES = 3, 6
"""The largest matrix, in float32, that layers take at once: its group is searched, judged and packed. A palette's codes
are 8 bytes per weight until they are packed."""


@dataclass(frozen=True)
class Estimate:
    """What a compression will need.

    Parameters
    ----------
    memory
        Bytes at the peak that the system cannot take back, by what takes them.
    disk
        Bytes in the output folder at the peak, finished parts beside the result.
    converted
        Bytes in the cache that a GGUF file is converted to first; 0 of another source.
    result
        Bytes of the result's weights.
    seconds
        By what it is spent on.
    layers
        Number of layers by format; where bits are shared out, by the formats that are chosen from.
    coverage
        What share of the weights is compressed, and what stays dense and why, in words.
    """

    memory: dict[str, int]
    disk: int
    converted: int
    result: int
    seconds: dict[str, float]
    layers: dict[str, int]
    coverage: str

    @property
    def time(self) -> str:
        """The whole time in words."""
        return in_words(sum(self.seconds.values()))

    @property
    def peak(self) -> int:
        """All of the memory."""
        return sum(self.memory.values())

    def __str__(self) -> str:
        taken = " + ".join(f"{count / 1e9:.1f} GB {what}" for what, count in self.memory.items() if count)
        cached = f", and {self.converted / 1e9:.2f} GB in the cache, to which the GGUF file is converted first"
        spent = ", ".join(f"{what} {in_words(seconds)}" for what, seconds in self.seconds.items() if seconds >= 1)
        layers = ", ".join(f"{number} in {format}" for format, number in self.layers.items())
        return "\n".join(
            [
                f"time: about {self.time} on {number_of(cores(), 'core')}" + (f" ({spent})" if spent else ""),
                f"memory: at most {self.peak / 1e9:.1f} GB ({taken})",
                f"disk: {self.disk / 1e9:.2f} GB while it works, {self.result / 1e9:.2f} GB of weights at the end"
                + (cached if self.converted else ""),
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
    """What a planned compression will need; takes seconds, and writes nothing.

    Parameters
    ----------
    threads
        Threads of the search; all cores when not given.
    """
    packed = sum(_packed_bytes(job, name) for name in job.places)
    result = packed + _dense_bytes(job)
    return Estimate(
        memory=_memory(job, threads or cores()),
        disk=packed + result,
        converted=job.source.converted,
        result=result,
        seconds=seconds(job, threads or cores()),
        layers=dict(Counter(_format(job, name) for name in job.places).most_common()),
        coverage=str(job.coverage),
    )


def _format(job: Plan, name: str) -> str:
    """Of a layer; which of the mixed formats it gets is known when its sensitivity is measured."""
    if name in job.sharing_bits:
        return " or ".join(mixed_formats(job.request.format))
    return job.formats[name]


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


def _memory(job: Plan, threads: int) -> dict[str, int]:
    """Bytes by what takes them."""
    matrices = [place.rows * place.columns for place in job.places.values()]
    found = peak_memory(
        largest=max(matrices),
        columns=max(place.columns for place in job.places.values()),
        tokens=calibration_tokens(job),
        token_bytes=int(job.model.dtype.itemsize),
        threads=threads,
        copies=PALETTE_COPIES if any(format in PALETTES for format in job.formats.values()) else COPIES,
    )
    if job.source.views is not None:
        found["no views of files"] = job.source.views.held
    if job.request.polish:
        found["polish"] = 4 * sum(matrices)  # the compressed model, decoded, beside the original
    return found


def peak_memory(
    largest: int, columns: int, tokens: int, token_bytes: int, threads: int, copies: int = COPIES
) -> dict[str, int]:
    """Bytes that a compression takes at its peak, whatever the size of the model, by what takes them.

    Parameters
    ----------
    largest
        Weights of the largest matrix.
    columns
        Columns of the widest.
    tokens
        Of the calibration; 0 without one.
    token_bytes
        Bytes of a number of the model's hidden states.
    threads
        Threads of the search.
    copies
        How often the largest matrix is held.
    """
    groups = groups_at_once(columns, threads) * MATRICES_A_GROUP + FORMING
    return {
        "libraries": LIBRARIES,
        f"{copies} x the largest matrix": copies * 4 * largest,
        "blocks of rows": threads * min(WEIGHTS_A_BLOCK, largest) * BLOCK_BYTES,
        "statistics": groups * 8 * columns**2 if tokens else 0,
        "hidden states": 8 * tokens * columns * token_bytes,
    }
