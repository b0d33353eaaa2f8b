"""Weights to block words and back (SeedLM Alg. 3), exhaustive and for reading.

Everything here works in units of a matrix's scale, where a decoded weight is an integer:
``weight = scale * integer_weight``. Scaled formats have one scale per row; paper formats one a
matrix, ``2^(least exponent) / (2^(K-1) - 1)``, and a power of two a block inside the word.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from formats.block import BlockFormat
from formats.errors import InputError
from formats.matrices import EncodedMatrix
from formats.scales import row_scales
from formats.seeds import unpack_words
from golden_models.seedlm.lfsr import all_entry_matrices

TIE = 1e-9
"""Errors closer than this ratio are the same error; the lowest seed wins."""


@dataclass(frozen=True)
class _Candidates:
    """Every seed's matrix with its QR decomposition; float64, weighted by the metric."""

    matrices: Tensor  # [seeds, C, P]
    q: Tensor  # [seeds, C, P]
    r: Tensor  # [seeds, P, P]


@cache
def _entry_table(block_format: BlockFormat) -> Tensor:
    return all_entry_matrices(block_format)


def integer_weights(matrix: EncodedMatrix) -> Tensor:
    """What the hardware's generator makes of the words: int64 [rows, columns].

    ``sum_p entry * coefficient``, shifted left by ``exponent - least exponent`` in paper formats.
    """
    block_format = matrix.block_format
    table = _entry_table(block_format)
    rows = []
    for words in matrix.words:
        seed, exponent, coefficients = unpack_words(words, block_format)
        if block_format.odd_coefficients:
            coefficients = 2 * coefficients + 1
        sums = (table[seed - 1] * coefficients[:, None, :]).sum(dim=-1)
        shift = exponent - block_format.exponent_limits[0]
        rows.append((sums << shift[:, None]).flatten()[: matrix.columns])
    return torch.stack(rows)


def decode(matrix: EncodedMatrix) -> Tensor:
    """The weights the words stand for: float32 [rows, columns]."""
    return (integer_weights(matrix).double() * matrix.scales.double()[:, None]).float()


def closest_point(r: Tensor, z: Tensor, values: list[int], radius: float) -> tuple[float, list[int]]:
    """The combination of ``values`` with the least ``|z - r·point|^2`` below ``radius``.

    Schnorr-Euchner enumeration: coefficients from the last to the first, nearest value first, a
    branch given up when its partial sum reaches the best so far. Exact. Returns (inf, []) if no
    point lies inside the radius.
    """
    size = len(z)
    rows, targets = r.tolist(), z.tolist()
    best: tuple[float, list[int]] = (math.inf, [])
    point = [0] * size

    def descend(p: int, partial: float) -> None:
        nonlocal best, radius
        rest = targets[p] - sum(rows[p][j] * point[j] for j in range(p + 1, size))
        for value in sorted(values, key=lambda v: abs(rest - rows[p][p] * v)):
            error = partial + (rest - rows[p][p] * value) ** 2
            if error >= radius:
                return
            point[p] = value
            if p:
                descend(p - 1, error)
            else:
                best, radius = (error, point.copy()), error

    descend(size - 1, 0.0)
    return best


def _optimal_codes(
    target: Tensor, candidates: _Candidates, block_format: BlockFormat
) -> Iterator[tuple[int, int, list[int]]]:
    """Codes (seed, shift, multipliers) that were the best so far, the joint optimum among them.

    ``|w|^2 - |Qᵀw|^2`` bounds a seed's error from below whatever its coefficients, so seeds are
    taken in the order of that bound until it passes the best error found.
    """
    z = torch.einsum("scp,c->sp", candidates.q, target)
    bound = (target @ target - z.pow(2).sum(dim=1)).clamp(min=0)
    low, high = block_format.coefficient_limits
    values = [2 * q + 1 if block_format.odd_coefficients else q for q in range(low, high + 1)]
    rounding = 1e-12 * (target @ target).item()
    best = math.inf
    for index in bound.argsort(stable=True).tolist():
        residual = bound[index].item()
        limit = best * (1 + TIE) + rounding
        if residual >= limit:
            return
        for shift in range(block_format.maximum_shift + 1):
            distance, point = closest_point(candidates.r[index] * 2.0**shift, z[index], values, limit - residual)
            if point:
                best = min(best, residual + distance)
                limit = best * (1 + TIE) + rounding
                yield index + 1, shift, point


def _rounded_codes(
    target: Tensor, candidates: _Candidates, block_format: BlockFormat
) -> Iterator[tuple[int, int, list[int]]]:
    """The paper's rule for every seed: one exponent, coefficients rounded to nearest.

    The exponent is ``floor(log2 max|t|) - 2``; the rule as printed, without the ``- 2``, uses only
    five of the sixteen codes and errs by half as much again.
    """
    z = torch.einsum("scp,c->sp", candidates.q, target)
    t = torch.linalg.solve_triangular(candidates.r, z[..., None], upper=True).squeeze(-1)  # least squares
    shift = torch.frexp(t.abs().amax(dim=1)).exponent - 3
    shift = shift.clamp(0, block_format.maximum_shift)
    q = torch.ldexp(t, -shift[:, None]).round().clamp(*block_format.coefficient_limits)
    rebuilt = torch.einsum("scp,sp->sc", candidates.matrices, torch.ldexp(q, shift[:, None]))
    index = int((rebuilt - target).pow(2).sum(dim=1).argmin())
    yield index + 1, int(shift[index]), [int(value) for value in q[index]]


def encode(
    weights: Tensor,
    block_format: BlockFormat,
    scales: Tensor | None = None,
    importance: Tensor | None = None,
    coefficients: str = "optimal",
) -> EncodedMatrix:
    """Find the best word for every block: 10 ms a block; ``sw_runtime.compress`` is the fast way.

    Parameters
    ----------
    weights
        [rows, columns], any float dtype.
    scales
        float32 [rows] or [1]; ``row_scales`` when not given.
    importance
        Weight of each column's squared error, [columns]; all alike when not given.
    coefficients
        ``"optimal"``: the least error over all seeds, exponents and coefficients.
        ``"rounded"``: the paper's rule (plain formats only).

    Raises
    ------
    InputError
        If ``weights`` are not a finite matrix, ``coefficients`` is neither, or "rounded" is asked
        of an odd format.
    """
    if weights.dim() != 2 or not torch.isfinite(weights).all():
        raise InputError(f"weights must be finite and [rows, columns]; got {list(weights.shape)}, or NaN or infinity")
    rows, columns = weights.shape
    size, blocks = block_format.block_size, block_format.blocks(columns)
    scales = row_scales(weights, block_format) if scales is None else scales
    units = torch.zeros(rows, blocks * size, dtype=torch.float64)
    units[:, :columns] = weights.double() / torch.where(scales > 0, scales, 1.0).double()[:, None]
    units = units.view(rows, blocks, size)
    if importance is None:
        words = encode_blocks(units.view(-1, size), None, block_format, coefficients).view(rows, blocks)
    else:
        metric = torch.ones(blocks * size, dtype=torch.float64)
        metric[:columns] = importance.double().sqrt()
        metrics = metric.view(blocks, size).diag_embed()
        columns_of_words = [encode_blocks(units[:, b], metrics[b], block_format, coefficients) for b in range(blocks)]
        words = torch.stack(columns_of_words, dim=1)
    return EncodedMatrix(block_format, words, scales, columns)


def encode_blocks(
    targets: Tensor, metric: Tensor | None, block_format: BlockFormat, coefficients: str = "optimal"
) -> Tensor:
    """Find the words with the least error ``|metric @ (decoded - target)|^2``.

    Parameters
    ----------
    targets
        float64 [n, C], in units of the scale.
    metric
        float64 [C, C], any matrix; ``None`` for the identity.
    coefficients
        As for ``encode``.

    Returns
    -------
    int64 [n]

    Raises
    ------
    InputError
        If ``coefficients`` is neither, or "rounded" is asked of an odd format.
    """
    if coefficients not in ("optimal", "rounded"):
        raise InputError(f"coefficients must be 'optimal' or 'rounded', not {coefficients!r}")
    if coefficients == "rounded" and block_format.odd_coefficients:
        raise InputError(f"coefficients='rounded' is the paper's rule; {block_format.name} has odd coefficients")
    codes = _optimal_codes if coefficients == "optimal" else _rounded_codes
    matrices = _entry_table(block_format).double()
    if metric is not None:
        matrices, targets = metric @ matrices, targets @ metric.T
    candidates = _Candidates(matrices, *torch.linalg.qr(matrices))
    words = [
        _best_word(codes(target, candidates, block_format), target, candidates, block_format) for target in targets
    ]
    return torch.tensor(words, dtype=torch.int64)


def _best_word(
    codes: Iterator[tuple[int, int, list[int]]], target: Tensor, candidates: _Candidates, block_format: BlockFormat
) -> int:
    """Least error formed directly from the integers; within ``TIE`` the lowest seed."""
    scored = []
    for seed, shift, point in codes:
        rebuilt = candidates.matrices[seed - 1] @ torch.tensor(point, dtype=torch.float64) * 2.0**shift
        scored.append(((rebuilt - target).pow(2).sum().item(), seed, shift, point))
    least = min(score[0] for score in scored)
    _, seed, shift, point = min((s for s in scored if s[0] <= least * (1 + TIE)), key=lambda s: s[1:])
    stored = tuple((value - 1) // 2 if block_format.odd_coefficients else value for value in point)
    return block_format.pack(seed, shift + block_format.exponent_limits[0], stored)
