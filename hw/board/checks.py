"""What is compared of a request before it is begun."""

from collections.abc import Mapping

from amaranth.hdl import Module, Signal, Value

from formats.board_requests import MAXIMUM_WORDS, ROUNDED_GROUP_WORDS, Opcode, Request
from hw.board.collector import Collector

GROUP_PLACE = (ROUNDED_GROUP_WORDS - 1).bit_length()
"""Words of results that are rounded are a multiple of two to this."""


def compare(m: Module, collector: Collector, requests: Mapping[Opcode, Request]) -> dict[Opcode, tuple[Signal, Signal]]:
    """Whether the request under way has this opcode, and its length too, in registers: a long path begins there."""
    compared = {}
    for opcode, request in requests.items():
        named, right = Signal(name=f"named_{opcode.name}"), Signal(name=f"right_{opcode.name}")
        m.d.sync += named.eq(collector.opcode == opcode)
        # a WRITE that has data is not checked by its length
        length = (collector.words == request.least_words) & (opcode != Opcode.WRITE)
        m.d.sync += right.eq((collector.opcode == opcode) & length)
        compared[opcode] = named, right
    return compared


def refused_range(collector: Collector, requests: Mapping[Opcode, Request]) -> Value:
    """Whether a READ or RESULTS asks for more words than a response has, or RESULTS for no whole groups of results."""
    words = collector.arguments[1]
    too_many, reads = words >= MAXIMUM_WORDS, collector.opcode == Opcode.READ
    if Opcode.RESULTS not in requests:
        return too_many & reads
    rounds = collector.opcode == Opcode.RESULTS
    return (too_many & (reads | rounds)) | (words[:GROUP_PLACE].any() & rounds)
