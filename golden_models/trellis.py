"""Trellis weights (after QTIP, arXiv 2406.11235): a row's bit stream to integers and back, for reading.

Read ``formats.trellis`` first. Here a row becomes, step by step,

    words → stream bits → windows → indices → integer weights,

and ``encode`` finds the words of the least error by the Viterbi algorithm, in float64, without error
feedback. ``sw_runtime.search.trellis`` is the fast way.
"""

import torch
from torch import Tensor

from formats.trellis import WORD_WEIGHTS, TrellisFormat


def stream_bits(words: Tensor, trellis_format: TrellisFormat) -> Tensor:
    """Bits of rows of words, the least significant first: int64 [rows, blocks] → [rows, blocks * word_bits]."""
    return (words[..., None] >> torch.arange(trellis_format.word_bits) & 1).flatten(1)


def words_of_bits(bits: Tensor, trellis_format: TrellisFormat) -> Tensor:
    """Inverse of ``stream_bits``: int64 [rows, blocks * word_bits] → [rows, blocks]."""
    width = trellis_format.word_bits
    words: Tensor = (bits.reshape(len(bits), -1, width) << torch.arange(width)).sum(dim=-1)
    return words


def windows(words: Tensor, trellis_format: TrellisFormat) -> Tensor:
    """What the register shows at every weight: int64 [rows, blocks] → [rows, blocks * 8].

    Window bit 0 is the weight's newest stream bit; before the row all bits are 0.
    """
    length = trellis_format.window_bits
    bits = torch.nn.functional.pad(stream_bits(words, trellis_format), (length, 0))
    ends = torch.tensor([trellis_format.fresh(t) for t in range(words.shape[1] * WORD_WEIGHTS)]).cumsum(0) + length
    newest_first = bits[:, ends[:, None] - 1 - torch.arange(length)]
    shown: Tensor = (newest_first << torch.arange(length)).sum(dim=-1)
    return shown


def indices(window: Tensor, trellis_format: TrellisFormat) -> Tensor:
    """Where windows point in the table: each index bit the parity of some window bits; int64, any shape."""
    bits = window[..., None] >> torch.arange(trellis_format.window_bits) & 1
    index = torch.zeros_like(window)
    for j, mask in enumerate(trellis_format.masks):
        chosen = torch.tensor([mask >> i & 1 for i in range(trellis_format.window_bits)])
        index += ((bits * chosen).sum(dim=-1) & 1) << j
    return index


def integer_weights(words: Tensor, trellis_format: TrellisFormat, columns: int) -> Tensor:
    """What the hardware's generator makes of rows of words: int64 [rows, blocks] → int64 [rows, columns]."""
    table = torch.tensor(trellis_format.table)
    return table[indices(windows(words, trellis_format), trellis_format)][:, :columns]


def decode(words: Tensor, scales: Tensor, trellis_format: TrellisFormat, columns: int) -> Tensor:
    """The weights the words stand for, scales float32 [rows]: float32 [rows, columns]."""
    return (integer_weights(words, trellis_format, columns).double() * scales.double()[:, None]).float()


def encode(targets: Tensor, trellis_format: TrellisFormat, importance: Tensor | None = None) -> Tensor:
    """Words of the least error ``sum_t importance_t (target_t - weight_t)^2``, row by row.

    The Viterbi algorithm: of all paths that end in one register state only the best can be part of the
    best path. Of equal paths the one through the lower state survives.

    Parameters
    ----------
    targets
        float64 [rows, columns], in units of the scale: a decoded weight is an integer.
    importance
        Weight of each column's squared error, [columns]; all alike when not given. The padding is free.

    Returns
    -------
    int64 [rows, blocks]
    """
    columns = targets.shape[1]
    padded = trellis_format.blocks(columns) * WORD_WEIGHTS
    cost_of = torch.zeros(padded, dtype=torch.float64)
    cost_of[:columns] = 1.0 if importance is None else importance.double()
    targets = torch.nn.functional.pad(targets.double(), (0, padded - columns))
    return torch.stack([_best_path(row, cost_of, trellis_format) for row in targets])


def _best_path(targets: Tensor, importance: Tensor, trellis_format: TrellisFormat) -> Tensor:
    """Words of one row, float64 [padded columns] each: int64 [blocks]."""
    table = torch.tensor(trellis_format.window_table, dtype=torch.float64)
    every_window = torch.arange(len(table))
    cost = torch.full((1 << trellis_format.window_bits - trellis_format.fresh(0),), torch.inf, dtype=torch.float64)
    cost[0] = 0.0  # the register is 0 before the row
    choices = []
    for t, (target, weight) in enumerate(zip(targets, importance, strict=True)):
        by_window = cost[every_window >> trellis_format.fresh(t)] + weight * (target - table).square()
        # Windows that agree but in their oldest bits leave the same register behind.
        by_next_register = by_window.view(1 << trellis_format.fresh(t + 1), -1)
        cost, choice = by_next_register.min(dim=0)
        choices.append(choice)
    return words_of_bits(_trace_back(choices, int(cost.argmin()), trellis_format)[None], trellis_format)[0]


def _trace_back(choices: list[Tensor], state: int, trellis_format: TrellisFormat) -> Tensor:
    """Stream bits of the path that ends in a register state: int64 [bits]."""
    bits: list[int] = []  # the newest first, as in a window
    for t in reversed(range(len(choices))):
        choice = int(choices[t][state])
        window = choice << (trellis_format.window_bits - trellis_format.fresh(t + 1)) | state
        bits += [window >> i & 1 for i in range(trellis_format.fresh(t))]
        state = window >> trellis_format.fresh(t)
    return torch.tensor(bits[::-1])
