"""Searches mixes and tables for the trellis formats, and prints error and encoding time side by side.

``python benchmarks/trellis_code_search.py [seconds]`` draws mixes at random for windows of 10 and 12 bits,
improves the best by moving single taps, fits each one's table to what its indices are used for (Lloyd),
and judges all at 3 bits on Gaussian rows, rows of a Student-t distribution with 5 degrees of freedom, and
rows of MiniLM; the code that ships is judged beside them.
"""

import random
import sys
import time

import torch
from torch import Tensor

from benchmarks.trellis import minilm_rows
from formats.presets import TRELLIS_PRESETS
from formats.trellis import TrellisFormat, odd_table
from golden_models.trellis import indices, integer_weights, windows
from sw_runtime.search.trellis import encode

SHIPPED = TRELLIS_PRESETS["trellis-3bit"]
TAIL = (55, 61, 66, 74, 92, 127)
"""The table's last entries, kept as they are: a table fitted to Gaussian rows alone clips real ones."""


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


def random_masks(window_bits: int, index_bits: int = 8, taps: int = 3) -> tuple[int, ...]:
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
    return TrellisFormat(code.name, code.window_bits, code.fresh_bits, tuple(masks), code.table)


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
        entries = means.round().clamp(0, 127).long().sort().values.tolist()[: half - len(TAIL)]
        code = TrellisFormat(code.name, code.window_bits, code.fresh_bits, code.masks, odd_table((*entries, *TAIL)))
    return code


def error(code: TrellisFormat, rows: Tensor) -> float:
    """Relative error of plain encoding."""
    words = encode(rows, code, torch.ones(len(rows)), threads=1).words
    return float((integer_weights(words, code, rows.shape[1]) - rows).norm() / rows.norm())


def searched(window_bits: int, rows: Tensor, seconds: float) -> TrellisFormat:
    """The best code found in so many seconds: half of them for random mixes, half for moved taps."""
    end, best, least, tried = time.monotonic() + seconds, SHIPPED, float("inf"), 0
    while (left := end - time.monotonic()) > 0:
        try:
            if left > seconds / 2 or best is SHIPPED:
                code = TrellisFormat(f"{window_bits}:8", window_bits, (3,), random_masks(window_bits), SHIPPED.table)
            else:
                code = with_moved_tap(best)
        except ValueError:  # a mask without taps, or slices reached twice
            continue
        code, tried = fitted(code, rows, 1), tried + 1
        if (found := error(code, rows)) < least:
            best, least = code, found
    print(f"{window_bits} bits: {tried} mixes tried")
    return fitted(best, rows, 3)


def main() -> None:
    """Search, judge and print."""
    random.seed(0)
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    training = torch.cat([rows_of("Gaussian", 8, 1), rows_of("MiniLM", 8, 1)])
    codes = {"shipped, 12:8": SHIPPED} | {f"{bits}:8": searched(bits, training, seconds) for bits in (10, 12)}
    judges = {name: rows_of(name, 48, 2) for name in ("Gaussian", "Student-t", "MiniLM")}
    for name, code in codes.items():
        start = time.process_time()
        errors = " | ".join(f"{error(code, rows):.4f}" for rows in judges.values())
        speed = sum(rows.numel() for rows in judges.values()) / (time.process_time() - start) / 1000
        print(f"| {name} | {errors} | {speed:.0f} | {' '.join(map(hex, code.masks))} |")


if __name__ == "__main__":
    main()
