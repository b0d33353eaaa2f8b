"""Commands of the vector unit."""

from enum import IntEnum

from amaranth.hdl import signed
from amaranth.lib import data

from formats.decoder.tables import FACTOR_BITS, MANTISSA_BITS
from hw.decoder.reciprocal_root import EPS_BITS
from hw.decoder.vector_pass import ACTIVATIONS

EXPONENT = signed(12)


class Operation(IntEnum):
    """What a command does to each part.

    LOAD: ``length`` words of ``i`` become the destination; with ``vectors``, each of several, whose words come by
    turns. READ: the source leaves through ``o``, brought to ``bits``. ADD: destination += source. NORMALISE:
    destination = RMSNorm of the source; its weights come through ``i``. SPLIT: part of the source becomes the
    destination, with an exponent of its own. JOIN: all parts, from the source on, become the destination, with one
    exponent. ROTATE: the destination's first half is turned with its second half; through ``i`` come words of cosine
    and sine, 16 bits each, the cosine below. SCALE: destination = source times ``factor``. ACTIVATE: destination =
    activation(source). GATE: destination *= source.
    """

    LOAD = 0
    READ = 1
    ADD = 2
    NORMALISE = 3
    SPLIT = 4
    JOIN = 5
    ROTATE = 6
    SCALE = 7
    ACTIVATE = 8
    GATE = 9


def command_layout(words: int, slots: int, batch: int = 1) -> data.StructLayout:
    """A command.

    ``source``, ``destination``: slots, perhaps the same; ``source_base``, ``destination_base``: where they begin in
    the memory. ``length``: elements, at least 1; of a rotation even. ``parts``: how often, at least 1. A next part is
    ``length`` words and a slot further on; but parts that are split have one source, and parts that are joined one
    destination, which is none of their slots. ``bits``: of a READ. ``exponents``: of the loaded vectors; the first also
    of a norm's weights or of ``factor``. ``vectors``: of a LOAD, vectors less one, each a part of the memory and of the
    slots further on; else 0. ``activation``: a place in ``ACTIVATIONS``. ``eps``, ``eps_exponent``: as in
    ``formats.decoder.program.Normalise``.
    """
    return data.StructLayout(
        {
            "operation": Operation,
            "source": range(batch * slots),
            "destination": range(batch * slots),
            "source_base": range(batch * words),
            "destination_base": range(batch * words),
            "length": range(words + 1),
            "parts": range(slots + 1),
            "bits": range(MANTISSA_BITS + 1),
            "exponents": data.ArrayLayout(EXPONENT, batch),
            "vectors": range(batch),
            "factor": FACTOR_BITS,
            "activation": range(len(ACTIVATIONS)),
            "eps": EPS_BITS,
            "eps_exponent": EXPONENT,
        }
    )
