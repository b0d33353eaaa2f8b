"""Scores of document paths: superposition prompting (arXiv 2404.06910 §3.3)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from formats.errors import InputError
from formats.router.descriptor import Flag, Opcode
from formats.router.legality import MAXIMUM_LENGTH
from formats.router.numbers import SQ7_16
from sw_runtime.device.protocol import Device
from sw_runtime.routing.commands import ask, request, values_of

WEIGHT_ONE = 1 << 12
"""1.0 in the format of λ, UQ4.12."""


def path_scores(device: Device, documents: Sequence[Tensor], queries: Sequence[Tensor], weight: float = 1.0) -> Tensor:
    """Mean log-likelihood of each path's query plus ``weight`` times that of its document.

    Parameters
    ----------
    device
        A device with a router.
    documents, queries
        One float [m] a path, m from 1 to 4095: log-likelihoods of its tokens.
    weight
        λ, 0 to 15.99, rounded to 1/4096.

    Returns
    -------
    Tensor
        float64 [paths], multiples of 2^-16.

    Raises
    ------
    InputError
        If there are not as many queries as documents, a length or λ is not as above, a number is NaN,
        or it is too much for the router.
    """
    if len(documents) != len(queries):
        raise InputError(f"{len(documents)} documents, but {len(queries)} queries")
    factor = round(weight * WEIGHT_ONE)
    if not 0 <= factor < 1 << 16:
        raise InputError(f"weight must be 0 to 15.99, not {weight}")
    segments = [segment for pair in zip(documents, queries, strict=True) for segment in pair]
    elements: list[int] = []
    for segment in segments:
        if not 1 <= len(segment) <= MAXIMUM_LENGTH:
            raise InputError(f"a document or query has 1 to {MAXIMUM_LENGTH} tokens, not {len(segment)}")
        elements += [len(segment), *SQ7_16.quantise(segment).tolist()]
    sent = request(Opcode.SEGLL, elements, Flag.SEGLL_PAIR, n=len(elements), x=len(segments), z=factor)
    signed = values_of(ask(device, sent)).to(torch.int32)  # two's complement
    return signed.double() / (1 << SQ7_16.fraction_bits)
