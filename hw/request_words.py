"""Words of requests and responses as they lie on wires, between a link and a board or any other core."""

from amaranth.hdl import unsigned
from amaranth.lib import data, stream

WORD_BITS = 32

WORD = data.StructLayout({"data": unsigned(WORD_BITS), "last": unsigned(1)})
"""A word of a request or a response, and whether it is the last."""

WORDS = stream.Signature(WORD)
"""Requests or responses, one after the other."""
