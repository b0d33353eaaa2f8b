"""The same search in torch alone, for machines without a C compiler, or with a GPU.

The energy of a unit block w in a seed's span is ``<Q Qᵀ, w wᵀ>``, an inner product of C(C+1)/2
numbers whatever the coefficients: one float32 matrix product screens all seeds. The lattice is searched
in float64 and every point judged by its exact integers, so the words are those of the C kernel.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from formats.block import BlockFormat
from formats.seeds import entry_tables

BLOCKS_A_STEP = 64
"""Blocks screened at once: their energies fill 4 MB a 16,384 seeds."""

SCREEN_ROUNDING = 1e-4
"""Bounds the float32 error of an energy relative to the block's; it is about 1e-6."""

ROUNDING = 1e-12
"""Of float64 distances, relative to the energies of the block and of its largest sums, with room."""


@dataclass(frozen=True)
class _Seeds:
    """All seeds' matrices under a metric."""

    entries: Tensor  # int64 [seeds, C, P]
    q: Tensor  # float64 [seeds, C, P]
    r: Tensor  # float64 [seeds, P, P]
    projectors: Tensor  # float32 [C (C + 1) / 2, seeds]


@dataclass(frozen=True)
class _Branches:
    """Multipliers chosen from the last on, for pairs of a block, a seed and a shift."""

    block: Tensor  # int64 [n]
    seed: Tensor  # int64 [n], its index
    shift: Tensor  # int64 [n]
    rest: Tensor  # float64 [n, P], Qᵀ M w less the columns of R chosen
    distance: Tensor  # float64 [n], the error so far
    multipliers: Tensor  # int64 [n, P]

    def select(self, chosen: Tensor) -> "_Branches":
        """The branches of a mask or of indices."""
        return _Branches(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))


def _products(vectors: Tensor) -> Tensor:
    """Upper triangles of ``v vᵀ``, off-diagonals times √2: [..., C] → [..., C (C + 1) / 2]."""
    row, column = torch.triu_indices(vectors.shape[-1], vectors.shape[-1], device=vectors.device)
    return vectors[..., row] * vectors[..., column] * torch.where(row == column, 1.0, 2**0.5).to(vectors)


@lru_cache(maxsize=2)
def _seeds(block_format: BlockFormat, metric: tuple[tuple[float, ...], ...], device: str) -> _Seeds:
    entries = entry_tables(block_format).permute(1, 2, 0).long().contiguous().to(device)
    q, r = torch.linalg.qr(torch.tensor(metric, dtype=torch.float64, device=device) @ entries.double())
    return _Seeds(entries, q, r, _products(q.mT).sum(dim=1).float().T.contiguous())


def encode_blocks(targets: Tensor, metric: Tensor, block_format: BlockFormat, device: str = "cpu") -> Tensor:
    """Words of blocks, float64 [n, C] in units of the scale, under a metric, float64 [C, C]: int64 [n].

    Takes about a quarter of a second a step of 64 blocks on one core, and 100 MB.
    """
    seeds = _seeds(block_format, tuple(map(tuple, metric.tolist())), device)
    targets, metric = targets.to(device), metric.to(device)
    words = torch.empty(len(targets), dtype=torch.int64)
    share = (6.5 if block_format.exponent_bits else 2.5) * 4.0**-block_format.bits_per_weight
    for start in range(0, len(targets), BLOCKS_A_STEP):
        part = targets[start : start + BLOCKS_A_STEP]
        weighted = part @ metric.T
        bound = share * (weighted.square().sum(dim=1) + metric.square().sum())
        missing = torch.arange(len(part), device=device)
        while len(missing):
            found = _search(part[missing], weighted[missing], bound[missing], metric, seeds, block_format)
            words[start + missing[found >= 0].cpu()] = found[found >= 0].cpu()
            missing = missing[found < 0]
            bound[missing] *= 2
    return words


def _later_zeros(norm: Tensor, margin: Tensor, seeds: _Seeds, block_format: BlockFormat) -> Tensor:
    """Where coefficients 0 are a seed's best, as they are the first one's: bool [n, seeds]; see ``near_zero.inc``."""
    later = torch.zeros(len(norm), len(seeds.r), dtype=torch.bool, device=norm.device)
    if not block_format.odd_coefficients:
        room = seeds.r.diagonal(dim1=1, dim2=2).abs().amin(dim=1)[1:] - norm.sqrt()[:, None]
        later[:, 1:] = (room > 0) & (room.square() > (norm + margin)[:, None])
    return later


def _search(
    targets: Tensor, weighted: Tensor, bound: Tensor, metric: Tensor, seeds: _Seeds, block_format: BlockFormat
) -> Tensor:
    """The best words with errors up to a bound a block, float64 [n]: int64 [n], -1 where there is none."""
    norm = weighted.square().sum(dim=1)
    margin = ROUNDING * (norm + metric.square().sum() * block_format.maximum_sum**2)
    bound = bound + margin
    unit = weighted / norm.sqrt().clamp(min=1e-150)[:, None]
    least = 1 - bound / norm.clamp(min=1e-300) - SCREEN_ROUNDING
    within = _products(unit).float() @ seeds.projectors >= least.float()[:, None]
    block, seed = (within & ~_later_zeros(norm, margin, seeds, block_format)).nonzero(as_tuple=True)
    z = torch.einsum("ncp,nc->np", seeds.q[seed], weighted[block])
    residual = norm[block] - z.square().sum(dim=1)
    shifts = torch.arange(block_format.maximum_shift + 1, device=block.device)
    count, choices = len(block), len(shifts)
    branches = _Branches(
        block.repeat_interleave(choices),
        seed.repeat_interleave(choices),
        shifts.repeat(count),
        z.repeat_interleave(choices, dim=0),
        residual.repeat_interleave(choices),
        torch.zeros(count * choices, block_format.latent_dim, dtype=torch.int64, device=block.device),
    )
    values = _multipliers(block_format, block.device)
    branches = branches.select(branches.distance <= bound[branches.block])
    near = _nearest_plane(branches, seeds, values)  # a good point of every seed: few branches pass its error
    bound = bound.scatter_reduce(0, near.block, near.distance + margin[near.block], "amin")
    for p in reversed(range(block_format.latent_dim)):
        branches = branches.select(branches.distance <= bound[branches.block])
        branches = _grow(branches, seeds, values, p, bound)
    return _best_words(branches, targets, metric, seeds, block_format)


def _multipliers(block_format: BlockFormat, device: torch.device) -> Tensor:
    low, high = block_format.coefficient_limits
    q = torch.arange(low, high + 1, device=device)
    return 2 * q + 1 if block_format.odd_coefficients else q


def _choose(branches: _Branches, seeds: _Seeds, p: int, value: Tensor) -> _Branches:
    """The branches with multiplier p chosen, int64 [n]."""
    column = seeds.r[branches.seed, :, p] * (value << branches.shift)[:, None]
    rest = branches.rest - column
    multipliers = branches.multipliers.clone()
    multipliers[:, p] = value
    distance = branches.distance + rest[:, p].square()
    return _Branches(branches.block, branches.seed, branches.shift, rest, distance, multipliers)


def _nearest_plane(branches: _Branches, seeds: _Seeds, values: Tensor) -> _Branches:
    for p in reversed(range(branches.rest.shape[1])):
        centre = branches.rest[:, p] / (seeds.r[branches.seed, p, p] * (1 << branches.shift))
        nearest = (centre.nan_to_num()[:, None] - values).abs().argmin(dim=1)
        branches = _choose(branches, seeds, p, values[nearest])
    return branches


def _grow(branches: _Branches, seeds: _Seeds, values: Tensor, p: int, bound: Tensor) -> _Branches:
    """All choices of multiplier p that stay within the bound."""
    steps = seeds.r[branches.seed, p, p][:, None] * (values << branches.shift[:, None])
    distance = branches.distance[:, None] + (branches.rest[:, p, None] - steps).square()
    parent, choice = (distance <= bound[branches.block][:, None]).nonzero(as_tuple=True)
    return _choose(branches.select(parent), seeds, p, values[choice])


def _best_words(points: _Branches, targets: Tensor, metric: Tensor, seeds: _Seeds, block_format: BlockFormat) -> Tensor:
    """Least (error, seed, shift, coefficients) a block, errors summed in the kernel's order."""
    sums = (seeds.entries[points.seed] * points.multipliers[:, None]).sum(dim=2) << points.shift[:, None]
    difference = sums.double() - targets[points.block]
    error = torch.zeros_like(points.distance)
    for row in metric:
        total = torch.zeros_like(error)
        for j in range(len(row)):
            total = total + row[j] * difference[:, j]
        error = error + total * total
    least = torch.full((len(targets),), torch.inf, dtype=torch.float64, device=targets.device)
    least = least.scatter_reduce(0, points.block, error, "amin")
    points = points.select(error == least[points.block])
    half, bits = 1 << (block_format.coefficient_bits - 1), block_format.coefficient_bits
    stored = (points.multipliers - 1) // 2 if block_format.odd_coefficients else points.multipliers
    code = points.seed + 1 << block_format.exponent_bits | points.shift
    for q in stored.T:
        code = code << bits | q + half
    none = torch.iinfo(torch.int64).max
    best = torch.full((len(targets),), none, device=targets.device).scatter_reduce(0, points.block, code, "amin")
    return torch.where(best == none, -1, _word(best, block_format))


def _word(code: Tensor, block_format: BlockFormat) -> Tensor:
    """A code's fields in the file's order, lowest first, in two's complement."""
    bits, first = block_format.coefficient_bits, block_format.lfsr_bits + block_format.exponent_bits
    word = torch.zeros_like(code)
    for p in reversed(range(block_format.latent_dim)):
        word |= (code & (1 << bits) - 1 ^ 1 << (bits - 1)) << (first + p * bits)
        code = code >> bits
    exponent = code & (1 << block_format.exponent_bits) - 1
    word |= (exponent ^ (1 << block_format.exponent_bits) >> 1) << block_format.lfsr_bits
    return word | code >> block_format.exponent_bits
