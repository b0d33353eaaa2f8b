"""LazyLLM's sets of tokens, kept in a router."""

from typing import Literal

import torch
from torch import Tensor

from formats.errors import InputError
from formats.router.descriptor import NO_SLOT, Command, Flag, Opcode, Quota
from formats.router.keys import score_keys
from formats.router.numbers import UQ0_16
from formats.router.rates import Rate, rate24
from sw_runtime.device.protocol import Device, Request
from sw_runtime.routing.commands import ask, check_tokens, load_keys, mask_of, request, size_of

SELECTED, KEPT, FIRST_OF_LAYERS = 0, 1, 2
"""Bitmaps of a step; behind them one of computed tokens per layer, then one of tokens aside per layer."""

CACHED, REVIVED = 0x88, 0x08
"""Truth tables: a & b; a & b & ~c."""

DROPPED, STORED = 0x0002, 0xFF02
"""a & ~b & ~c & ~d, which is emitted; d | (a & ~b & ~c), which is written."""

EITHER, COPY, NOTHING = 0xFFAA, 0xAAAA, 0
"""a | d; a; the empty set."""


def bitmaps(layers: int) -> int:
    """Bitmaps that the sets of a model of so many layers take."""
    return FIRST_OF_LAYERS + 2 * layers


class RouterTokenSets:
    """LazyLLM's sets of tokens in the bitmaps of a device's router (see ``loop.TokenSets``).

    Parameters
    ----------
    device
        A device with a router; all its bitmaps are cleared.
    layers
        Layers of the model.
    score_code
        As in ``LazyLLMParameters``.

    Raises
    ------
    InputError
        If the router has too few bitmaps for the layers.
    """

    def __init__(self, device: Device, layers: int, score_code: Literal["sum16", "x24"] = "sum16") -> None:
        router, slots = size_of(device), bitmaps(layers)
        if router.slots < slots:
            raise InputError(f"{layers} layers take {slots} bitmaps, the router has {router.slots}; open a larger one")
        self.device, self.layers, self.score_code = device, layers, score_code
        self.tokens = 0
        device.route([_write(NOTHING, router.keys, dst=slot) for slot in range(slots)])

    def begin(self, tokens: int) -> None:
        """As ``TokenSets.begin``.

        Raises
        ------
        InputError
            If they are more than the router holds.
        """
        check_tokens(self.device, tokens)
        self.tokens = tokens
        ask(self.device, Request(Command(Opcode.RANGE, n=tokens, dst=SELECTED)))  # all but a run of none

    def enter(self, layer: int) -> tuple[Tensor, Tensor]:
        """As ``TokenSets.enter``."""
        computed = self._computed(layer)
        cached = self._list(CACHED, computed, SELECTED)
        revived = torch.zeros(0, dtype=torch.int64)
        if layer:
            revived = self._list(REVIVED, self._aside(layer - 1), SELECTED, computed)
        ask(self.device, _write(EITHER, self.tokens, sa=SELECTED, dst=computed))
        return cached, revived

    def prune(self, layer: int, scores: Tensor, rate: Rate) -> tuple[Tensor, Tensor]:
        """As ``TokenSets.prune``."""
        rows = UQ0_16.quantise(scores) if self.score_code == "sum16" else score_keys(scores, "x24")[None]
        loads = [load_keys(row, accumulate=index > 0) for index, row in enumerate(rows)]
        flags = Quota.RATE | Flag.TOPK_LAST
        top = request(Opcode.TOPK, flags=flags, n=self.tokens, x=rate24(rate), sa=SELECTED, dst=KEPT)
        kept = mask_of(ask(self.device, *loads, top), self.tokens)
        deeper, aside = self._computed(layer + 1), self._aside(layer)
        stored = self._list(DROPPED, SELECTED, KEPT, deeper, dst=aside, written=STORED)
        ask(self.device, _write(COPY, self.tokens, sa=KEPT, dst=SELECTED))
        return kept, stored

    def _list(self, table: int, sa: int, sb: int, sc: int = NO_SLOT, dst: int = NO_SLOT, written: int = 0) -> Tensor:
        """Members of a function of sets, ascending; with ``dst`` another one is written there."""
        flags = Flag.GATHER_LIST | (Flag.GATHER_WRITE if dst != NO_SLOT else 0)
        gather = request(Opcode.GATHER, flags=flags, n=self.tokens, z=table, y=written, sa=sa, sb=sb, sc=sc, dst=dst)
        return torch.tensor(ask(self.device, gather).payload, dtype=torch.int64)

    def _computed(self, layer: int) -> int:
        return FIRST_OF_LAYERS + layer

    def _aside(self, layer: int) -> int:
        return FIRST_OF_LAYERS + self.layers + layer


def _write(table: int, tokens: int, dst: int, sa: int = NO_SLOT) -> Request:
    """Write a function of a set and of what a bitmap held into that bitmap, silently."""
    return Request(Command(Opcode.GATHER, flags=Flag.GATHER_WRITE, n=tokens, y=table, sa=sa, dst=dst))
