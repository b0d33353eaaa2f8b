"""Searches mixes and tables for the trellis formats, and prints error, encoding speed and area side by side.

``python benchmarks/trellis_code_search.py [seconds]`` draws mixes at random for windows of 10 to 16 bits and tables of
256 or 128 entries, so many CPU-seconds for each size. It improves the best by moving single taps, fits each one's table
to what its indices are used for (Lloyd), and judges all at 3 bits on Gaussian rows, rows of a Student-t distribution
with 5 degrees of freedom, and rows of MiniLM. Speeds are thousands of weights encoded a CPU-second by one thread,
without and with feedback; areas are LUT4 of an ECP5 that the generator of eight weights a cycle takes. The code that
ships is judged beside them.
"""

import random
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.trellis import minilm_rows
from formats.presets import TRELLIS_PRESETS
from formats.trellis import UPPER_HALF, TrellisFormat, odd_table
from golden_models.trellis import indices, integer_weights, windows
from hw.engine.trellis import TrellisGenerator
from sw_runtime.search.trellis import encode
from synth.flow import Flow

SHIPPED = TRELLIS_PRESETS["trellis-3bit"]
SIZES = ((10, 8), (12, 8), (14, 8), (16, 8), (12, 7))
"""Bits of a window and of the table's index."""

TAILS = {8: (55, 61, 66, 74, 92, 127), 7: (61, 74, 127)}
"""The last entries of a table by its index bits, kept as they are: a table fitted to Gaussian rows clips real ones."""


def rows_of(name: str, count: int, seed: int) -> Tensor:
    """Rows of 384 weights, each of a root mean square of 26."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(count, 384, generator=generator)
    if name == "Student-t":
        weights /= torch.randn(count, 384, 5, generator=generator).square().mean(dim=-1).sqrt()
    if name == "MiniLM":
        every = minilm_rows()
        weights = every[torch.randperm(len(every), generator=generator)[:count]]
    return 26 * weights / weights.square().mean(dim=1, keepdim=True).sqrt()


def random_masks(window_bits: int, index_bits: int, taps: int = 3) -> tuple[int, ...]:
    """A mix whose newest four bits each lead one top index bit, with ``taps`` older bits at most."""
    masks = []
    for j in range(index_bits):
        newest = index_bits - 1 - j
        older = range(min(newest + 1, 4), window_bits)
        masks.append(sum(1 << i for i in random.sample(older, random.randint(1, taps))) | (newest < 4) << newest)
    return tuple(masks)


def with_moved_tap(code: TrellisFormat) -> TrellisFormat:
    """The code with one older window bit put into a mask, or taken out."""
    masks = list(code.masks)
    j = random.randrange(len(masks))
    masks[j] ^= 1 << random.randrange(max(min(len(masks) - j, 4), 0), code.window_bits)
    return replace(code, masks=tuple(masks))


def fitted(code: TrellisFormat, rows: Tensor, rounds: int) -> TrellisFormat:
    """The code with its table fitted to rows of integers' units: each weight the mean of what it stands for."""
    for _ in range(rounds):
        words = encode(rows, code, torch.ones(len(rows)), threads=1).words
        used = indices(windows(words, code), code)[:, : rows.shape[1]].flatten()
        half, centred = len(code.table) // 2, rows.flatten().double() + 0.5
        upper = used >= half
        place = torch.where(upper, used - half, half - 1 - used)
        sums = torch.zeros(half, dtype=torch.float64).index_add_(0, place, torch.where(upper, centred, -centred))
        means = sums / place.bincount(minlength=half).clamp(min=1) - 0.5
        tail = TAILS[code.index_bits]
        entries = means.round().clamp(0, 127).long().sort().values.tolist()[: half - len(tail)]
        code = replace(code, table=odd_table((*entries, *tail)))
    return code


def error(code: TrellisFormat, rows: Tensor) -> float:
    """Relative error of plain encoding."""
    words = encode(rows, code, torch.ones(len(rows)), threads=1).words
    return float((integer_weights(words, code, rows.shape[1]) - rows).norm() / rows.norm())


def searched(window_bits: int, index_bits: int, rows: Tensor, seconds: float) -> TrellisFormat:
    """The best code found in so many CPU-seconds: half of them for random mixes, half for moved taps."""
    table = odd_table(UPPER_HALF[:: 1 << 8 - index_bits])
    end, best, least, tried = time.process_time() + seconds, None, float("inf"), 0
    while (left := end - time.process_time()) > 0:
        try:
            if left > seconds / 2 or best is None:
                masks = random_masks(window_bits, index_bits)
                code = TrellisFormat(f"{window_bits}:{index_bits}", window_bits, (3,), masks, table)
            else:
                code = with_moved_tap(best)
        except ValueError:  # a mask without taps, or slices reached twice
            continue
        code, tried = fitted(code, rows, 1), tried + 1
        if (found := error(code, rows)) < least:
            best, least = code, found
    assert best is not None
    print(f"{best.name}: {tried} mixes tried", flush=True)
    return fitted(best, rows, 3)


def speed(code: TrellisFormat, rows: Tensor, factor: Tensor | None) -> float:
    """Thousands of weights encoded a CPU-second."""
    start = time.process_time()
    encode(rows, code, torch.ones(len(rows)), factor, threads=1)
    return rows.numel() / (time.process_time() - start) / 1000


def feedback_factor(columns: int) -> Tensor:
    """Of inputs that share a quarter as many directions: float64 [columns, columns]."""
    mixed = torch.randn(columns // 4, columns, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    covariance = mixed.T @ mixed / columns + 0.02 * torch.eye(columns, dtype=torch.float64)
    factor: Tensor = torch.linalg.cholesky(torch.linalg.inv(covariance), upper=True)
    return factor


def main() -> None:
    """Search, judge and print."""
    random.seed(0)
    torch.set_num_threads(1)
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    training = torch.cat([rows_of("Gaussian", 8, 1), rows_of("MiniLM", 8, 1)])
    codes = [searched(*size, training, seconds) for size in SIZES]
    judges = [rows_of(name, 48, 2) for name in ("Gaussian", "Student-t", "MiniLM")]
    factor, flow = feedback_factor(384), Flow(Path("build/synth"))
    for code in (replace(SHIPPED, name="12:8, shipped"), *codes):
        errors = " | ".join(f"{error(code, rows):.4f}" for rows in judges)
        plain, feedback = speed(code, judges[0], None), speed(code, judges[0][:8], factor)
        area = flow.ecp5(TrellisGenerator(code))
        masks = " ".join(map(hex, code.masks))
        print(f"| {code.name} | {errors} | {plain:.0f} | {feedback:.0f} | {area.lut4} | {masks} |", flush=True)


if __name__ == "__main__":
    main()
