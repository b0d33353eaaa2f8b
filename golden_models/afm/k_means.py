"""k-means in one dimension, solved exactly: the tables of palettised weights.

The clusters of a best solution are runs of the sorted values, so dynamic programming over where runs end finds it
(Wang and Song 2011, Ckmeans.1d.dp). Best starts of a last run rise with its end; halving the ends again and
again therefore leaves few starts to try: k · n · log n of them for n values and k runs.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float64]
Places = NDArray[np.int64]


def k_means(values: Tensor, entries: int, weights: Tensor | None = None) -> Tensor:
    """Tables of the least squared error that any tables have.

    Parameters
    ----------
    values
        [groups, n]; every row gets a table of its own.
    entries
        Values in a table, k.
    weights
        How much each value's squared error counts, [groups, n], not negative; alike when not given or all 0.

    Returns
    -------
    float64 [groups, k], ascending. Where fewer than k values differ, the largest fills the table.
    """
    weights = torch.ones_like(values) if weights is None else weights
    groups = zip(values.double().numpy(), weights.double().numpy(), strict=True)
    return torch.from_numpy(np.stack([_table(group, shares, entries) for group, shares in groups]))


def _table(values: Floats, weights: Floats, entries: int) -> Floats:
    """The best k values for one group: ascending [k]."""
    distinct, place = np.unique(values, return_inverse=True)
    mass = np.bincount(place, weights if weights.any() else None)
    distinct, mass = distinct[mass > 0], mass[mass > 0]
    if len(distinct) <= entries:
        return np.pad(distinct, (0, entries - len(distinct)), mode="edge")
    centre = np.average(distinct, weights=mass)  # large sums would take digits from the differences below
    masses, sums = (np.concatenate(([0.0], terms.cumsum())) for terms in (mass, mass * (distinct - centre)))
    ends = np.array(_run_ends(masses, sums, entries))
    table: Floats = np.diff(sums[ends]) / np.diff(masses[ends]) + centre
    return table


def _run_ends(masses: Floats, sums: Floats, runs: int) -> list[int]:
    """Where the best runs of sorted values end, a 0 before them.

    Runs of the least squared error are those of the largest sum²/mass, added up over the runs: the squares of
    the values themselves are in every solution. Masses and sums are those of the first 0, 1, … n values.
    """
    best = np.full(len(masses), -np.inf)
    best[0] = 0.0  # no run ends before the first value
    starts = []
    for _ in range(runs):
        best, start = _one_more_run(best, masses, sums)
        starts.append(start)
    ends = [len(masses) - 1]
    for start in reversed(starts):
        ends.append(int(start[ends[-1]]))
    return ends[::-1]


def _one_more_run(best: Floats, masses: Floats, sums: Floats) -> tuple[Floats, Places]:
    """For every end the most that a further run gives, and where that run starts, the first of equals: [n + 1] twice.

    Ends are taken in the order n/2; n/4, 3n/4; n/8, …: a run's start lies between those of its two neighbours.
    """
    count = len(masses) - 1
    step = 1 << count.bit_length()
    start = np.full(2 * step, count)
    start[0] = 0
    more = np.full(count + 1, -np.inf)
    while step := step // 2:
        ends = np.arange(step, count + 1, 2 * step)
        first, last = start[ends - step], np.minimum(start[ends + step], ends - 1)
        tried = last - first + 1
        offsets = tried.cumsum() - tried
        end = np.repeat(ends, tried)
        begin = np.arange(len(end)) + np.repeat(first - offsets, tried)
        gain = best[begin] + np.square(sums[end] - sums[begin]) / (masses[end] - masses[begin])
        more[ends] = np.maximum.reduceat(gain, offsets)
        hits = np.flatnonzero(gain == more[end])[::-1]  # of several, the one that is written last stays
        start[end[hits]] = begin[hits]
    return more, start[: count + 1]
