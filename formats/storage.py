"""How block words lie in a file: a row's words bit by bit without gaps, lowest bit first."""

import torch
from torch import Tensor

from formats.block import BlockFormat
from formats.errors import InputError
from formats.trellis import TrellisFormat


def pack_rows(words: Tensor, row_format: BlockFormat | TrellisFormat) -> Tensor:
    """Words of a format, int64 [rows, blocks] → uint8 [rows, row_bytes]; the last byte is padded with zero bits."""
    bits = row_format.word_bits
    if bits % 8 == 0:
        shifts = torch.arange(0, bits, 8)
        return (words[..., None] >> shifts & 0xFF).to(torch.uint8).flatten(1)
    stream = (words[..., None] >> torch.arange(bits) & 1).to(torch.uint8).flatten(1)
    stream = torch.nn.functional.pad(stream, (0, -stream.shape[1] % 8)).view(len(words), -1, 8)
    return (stream << torch.arange(8, dtype=torch.uint8)).sum(dim=-1, dtype=torch.uint8)


def unpack_rows(stored: Tensor, row_format: BlockFormat | TrellisFormat, columns: int) -> Tensor:
    """Inverse of ``pack_rows``: uint8 [rows, row_bytes] → int64 [rows, blocks].

    Raises
    ------
    InputError
        If the rows are not as long as ``columns`` weights need.
    """
    bits, blocks = row_format.word_bits, row_format.blocks(columns)
    expected = row_format.row_bytes(columns)
    if stored.dtype != torch.uint8 or stored.dim() != 2 or stored.shape[1] != expected:
        raise InputError(
            f"{row_format.name} rows of {columns} weights are uint8 [rows, {expected}], "
            f"got {stored.dtype} {list(stored.shape)}"
        )
    if bits % 8 == 0:
        groups = stored.view(-1, blocks, bits // 8).long()
        return (groups << torch.arange(0, bits, 8)).sum(dim=-1)
    stream = (stored[..., None] >> torch.arange(8, dtype=torch.uint8) & 1).flatten(1)
    stream = stream[:, : blocks * bits].reshape(-1, blocks, bits).long()
    return (stream << torch.arange(bits)).sum(dim=-1)


def check_seeds(words: Tensor, block_format: BlockFormat) -> None:
    """Refuse block words that no search writes: int64 [rows, blocks].

    Raises
    ------
    InputError
        If a word has seed 0, naming its row and block.
    """
    if not (words & block_format.seeds).all():
        row, block = (words & block_format.seeds == 0).nonzero()[0].tolist()
        raise InputError(f"block {block} of row {row} has seed 0, which no LFSR can leave; the file is damaged")


def pack_codes(codes: Tensor, code_bits: int) -> Tensor:
    """Palette codes, int64 [rows, columns] → uint8 [rows, row bytes], lowest first; the last byte is padded with 0."""
    a_byte = 8 // code_bits
    padded = torch.nn.functional.pad(codes, (0, -codes.shape[1] % a_byte)).view(len(codes), -1, a_byte)
    return (padded << torch.arange(0, 8, code_bits)).sum(dim=-1).to(torch.uint8)


def unpack_codes(stored: Tensor, code_bits: int, columns: int) -> Tensor:
    """Inverse of ``pack_codes``: uint8 [rows, row bytes] → int64 [rows, columns].

    Raises
    ------
    InputError
        If the rows are not as long as ``columns`` codes need.
    """
    expected = -(-columns * code_bits // 8)
    if stored.dtype != torch.uint8 or stored.dim() != 2 or stored.shape[1] != expected:
        raise InputError(
            f"rows of {columns} codes of {code_bits} bits are uint8 [rows, {expected}], "
            f"got {stored.dtype} {list(stored.shape)}"
        )
    codes = stored.long()[..., None] >> torch.arange(0, 8, code_bits) & (1 << code_bits) - 1
    return codes.flatten(1)[:, :columns]
