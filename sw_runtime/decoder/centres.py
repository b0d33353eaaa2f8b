"""Means of keys, taken off every key before it is cached, so that 8 bits keep what differs between positions.

Some elements of a key are large and alike at all positions; a head's one exponent then leaves few bits to the others.
A constant that is taken off all keys changes all scores of a query by the same number, and shares do not see it. Thus
nothing is added again, and a device needs no other command than that of a bias. The idea is SageAttention's (arXiv
2410.02367, smoothing of keys), which takes the mean of the text at hand; here it is known when a program is compiled.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sw_runtime.decoder.compiler import compile_program
from sw_runtime.decoder.emulated import EmulatedDecoder
from sw_runtime.decoder.parts import DecoderParts

SAMPLE = 64
"""Tokens whose keys are looked at."""


def sample_tokens(vocabulary: int, context: int) -> NDArray[np.int64]:
    """Tokens drawn at random, the same ones for every model of a vocabulary: int64 [at most ``SAMPLE``]."""
    return np.random.default_rng(0).integers(vocabulary, size=min(SAMPLE, context))


def with_key_centres(parts: DecoderParts, embeddings: NDArray[Any]) -> DecoderParts:
    """A decoder whose layers take the mean of their keys off every key.

    The keys are those of the emulated decoder with 16 bits: integers, so every machine finds the same means. The
    first token's are left out, which hardly any other is like.

    Parameters
    ----------
    parts
        Of the model.
    embeddings
        Of two tokens or more, of any text: real [T, dim].
    """
    decoder = EmulatedDecoder(compile_program(parts, 16), parts.matrices)
    decoder.take(embeddings, answers=0)
    layers = (
        replace(layer, key_centre=torch.from_numpy(decoder.cached_keys(index)[1:].mean(axis=0).reshape(-1)))
        for index, layer in enumerate(parts.layers)
    )
    return replace(parts, layers=tuple(layers))
