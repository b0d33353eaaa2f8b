"""Tables for palettised weights: one-dimensional k-means, started at the optimum of a histogram.

A table's k values split its weights, in their order, into k runs. The best split of a histogram into runs is
found exactly by dynamic programming (Wang and Song 2011, Ckmeans.1d.dp); Lloyd's steps on the weights themselves
then remove what the histogram rounds. Its bins lie as the entries of a fine table would, as dense as the cube
root of the weights' density (Panter and Dite 1951): a few far weights get bins of their own.
"""

import torch
from torch import Tensor, nn

from formats.palette import PaletteMatrix, quantise_tables
from formats.palette_format import ROWS_A_TABLE

BINS = 192
"""Runs of weights that the dynamic programme sees."""

LLOYD_STEPS = 12

GROUPS_A_STEP = 64
"""Most tables fitted at once: about 20 MB for the costs of all runs."""

AT_ONCE = 1 << 21
"""Weights taken at once: bounds the memory for float64 copies."""


def palettise(weights: Tensor, code_bits: int, importance: Tensor | None = None) -> PaletteMatrix:
    """A matrix with a table for every 16 rows.

    Parameters
    ----------
    weights
        [rows, columns], any float dtype; the last table serves what is left of the rows.
    code_bits
        4 or 2.
    importance
        Weight of each column's squared error, [columns]; all alike when not given.
    """
    groups = min(GROUPS_A_STEP, max(1, AT_ONCE // (ROWS_A_TABLE * weights.shape[1])))
    found = [_palettised(rows, 1 << code_bits, importance) for rows in torch.split(weights, groups * ROWS_A_TABLE)]
    return PaletteMatrix(*(torch.cat(parts) for parts in zip(*found, strict=True)))


def _palettised(weights: Tensor, entries: int, importance: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Codes, tables and scales of rows that share no table with others."""
    rows, columns = weights.shape
    groups = -(-rows // ROWS_A_TABLE)
    padded = nn.functional.pad(weights.double(), (0, 0, 0, groups * ROWS_A_TABLE - rows))
    present = torch.zeros_like(padded)
    present[:rows] = 1.0 if importance is None else importance.double().clamp(min=0)
    values, counts = padded.view(groups, -1), present.view(groups, -1)
    counts = torch.where(counts.sum(dim=1, keepdim=True) > 0, counts, 1.0)
    tables, scales = quantise_tables(_fit(values, counts, entries))
    codes = _nearest(values, tables * scales.double()[:, None]).view(-1, columns)[:rows]
    return codes, tables, scales


def _fit(values: Tensor, counts: Tensor, entries: int) -> Tensor:
    """Ascending tables of weighted values: float64 [groups, n] twice → [groups, entries]."""
    tables = _best_split(values, counts, entries)
    for _ in range(LLOYD_STEPS):
        codes = _nearest(values, tables)
        shares = torch.zeros_like(tables).scatter_add_(1, codes, counts)
        sums = torch.zeros_like(tables).scatter_add_(1, codes, counts * values)
        tables = torch.where(shares > 0, sums / shares, tables).sort(dim=1).values
    return tables


def _nearest(values: Tensor, tables: Tensor) -> Tensor:
    """Place of the nearest entry, the lower of two: [groups, n], ascending [groups, k] → int64 [groups, n]."""
    middles = (tables[:, 1:] + tables[:, :-1]) / 2
    return torch.searchsorted(middles.contiguous(), values.contiguous())


def _best_split(values: Tensor, counts: Tensor, entries: int) -> Tensor:
    """Means of the runs of bins whose squared errors add up to the least: [groups, entries], ascending."""
    order = values.argsort(dim=1, stable=True)
    ordered, weights = values.gather(1, order), counts.gather(1, order)
    ends = _bin_ends(ordered)

    def at_ends(terms: Tensor) -> Tensor:
        return nn.functional.pad(terms.cumsum(dim=1), (1, 0)).gather(1, ends)

    total, first, second = (at_ends(weights * ordered**power) for power in (0, 1, 2))

    def run(sums: Tensor) -> Tensor:
        return sums[:, None, :] - sums[:, :, None]  # [groups, from, to]

    mass = run(total)
    cost = (run(second) - run(first).square() / mass.clamp(min=1e-300)).clamp(min=0)
    cost = cost.masked_fill(torch.ones(BINS + 1, BINS + 1).tril(-1).bool(), torch.inf)
    best, origins = cost[:, 0], []
    for _ in range(entries - 1):
        best, origin = (best[:, :, None] + cost).min(dim=1)
        origins.append(origin)
    end = torch.full((len(values), 1), BINS)
    means = []
    for origin in (*reversed(origins), torch.zeros_like(best, dtype=torch.int64)):
        start = origin.gather(1, end)
        shares = total.gather(1, end) - total.gather(1, start)
        mean = (first.gather(1, end) - first.gather(1, start)) / shares.clamp(min=1e-300)
        place = ends.gather(1, start).clamp(max=values.shape[1] - 1)
        means.append(torch.where(shares > 0, mean, ordered.gather(1, place)))
        end = start
    return torch.cat(means[::-1], dim=1).sort(dim=1).values


def _bin_ends(ordered: Tensor) -> Tensor:
    """Where bins end among ascending values, a 0 before them: [groups, n] → int64 [groups, BINS + 1].

    A gap between neighbours is one over the density there, so the cube root of the density over the gap is gap^(2/3).
    """
    spread = nn.functional.pad(ordered.diff(dim=1).pow(2 / 3).cumsum(dim=1), (1, 0))
    ends = torch.searchsorted(spread, spread[:, -1:] * torch.arange(BINS + 1) / BINS)
    ends[:, -1] = ordered.shape[1]
    return ends  # some bins are empty where values are few
