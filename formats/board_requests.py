"""What a board is asked and what it answers: every request word by word.

A request and its response are runs of 32-bit words. The first word of a request is its opcode, then come its
arguments, a word each, and for one request words of data. The first word of a response is the opcode with a status
in bits 15:8; what the request asked for follows only where that is OK. Requests are done in their order, and each
gets one response. A request that is not as below is not begun, and its response says why.

Addresses count bytes and are multiples of ``WORD_BYTES``. Numbers of two words have the lower word first.

Hardware, hosts and the tables of ``docs/requests.md`` follow from these records. Needs neither torch nor amaranth.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from formats.errors import DeviceError, InputError

VERSION = 7
"""Of this definition; a host refuses another."""

MAXIMUM_WORDS = 1024
"""Words of the longest request and of the longest response."""

WORD_BYTES = 4

ROUNDED_BITS = 24
"""Of a result that RESULTS answers."""

ROUNDED_GROUP_WORDS, ROUNDED_GROUP_ANSWER_WORDS = 8, 3
"""Words of four results in the memory, and of the same results rounded."""

PLACES_BITS = 6
"""Of the number of places that rounding takes off: a result has 64 bits."""

MOST_ROUNDED_WORDS = MAXIMUM_WORDS - ROUNDED_GROUP_WORDS
"""Words in the memory that one RESULTS reads, at most."""

BEST = 64
"""Most tokens that a TOKEN is answered with."""

ALL_ONES = 0xFFFF_FFFF


class Opcode(IntEnum):
    """Bits 7:0 of a first word."""

    IDENTIFY = 0x01
    RESET = 0x02
    COUNTERS = 0x03
    WRITE = 0x10
    READ = 0x11
    CHECKSUM = 0x12
    PRODUCT = 0x20
    RESULTS = 0x21
    TOKEN = 0x30
    LOAD_CARD = 0x40
    CARD_STATUS = 0x41


class Status(IntEnum):
    """Bits 15:8 of a response's first word."""

    OK = 0
    UNKNOWN_OPCODE = 1
    WRONG_LENGTH = 2
    BAD_ADDRESS = 3
    BAD_ARGUMENT = 4
    BUSY = 5


STATUS_MEANINGS: dict[Status, str] = {
    Status.OK: "done",
    Status.UNKNOWN_OPCODE: "the first word is none of the opcodes; a board knows either PRODUCT and RESULTS or TOKEN, "
    "and LOAD_CARD and CARD_STATUS where it was built with a card's loader",
    Status.WRONG_LENGTH: "more or fewer words than the request has",
    Status.BAD_ADDRESS: "an address is no multiple of 4, or what begins there reaches past the memory's end",
    Status.BAD_ARGUMENT: "an argument is out of its range",
    Status.BUSY: "the memory is being loaded from a card; CARD_STATUS says when that has ended",
}


class Loading(IntEnum):
    """How far the loading of a card is, as CARD_STATUS says it."""

    NEVER = 0
    UNDER_WAY = 1
    ENDED = 2


@dataclass(frozen=True)
class Field:
    """Part of a request or a response.

    Parameters
    ----------
    name
        What programs call it.
    meaning
        What it says, for the tables.
    words
        How many it takes; 0 for data of any length, which stand last.
    """

    name: str
    meaning: str
    words: int = 1


@dataclass(frozen=True)
class Request:
    """A request and its response, behind their first words.

    Parameters
    ----------
    opcode
        Its opcode.
    meaning
        What the board does.
    arguments
        Of the request.
    answer
        Of the response, where its status is OK.
    """

    opcode: Opcode
    meaning: str
    arguments: tuple[Field, ...] = ()
    answer: tuple[Field, ...] = ()

    @property
    def has_data(self) -> bool:
        """Whether words of data follow the arguments."""
        return any(not field.words for field in self.arguments)

    @property
    def least_words(self) -> int:
        """Words of the request, the first included; one of data where there are any."""
        return 1 + sum(max(1, field.words) for field in self.arguments)


IDENTITY = (
    Field("version", "of this definition"),
    Field(
        "build", "names the sources of the bitstream (`hw/sources.py`); a host of other sources refuses it, but for 0"
    ),
    Field("memory_bytes", "bytes of memory; addresses are below it"),
    Field("clock_khz", "clock of engine and memory"),
    Field("port_bytes", "parameters of the engine, as in `EngineParameters`"),
    Field("lanes", ""),
    Field("activation_bits", ""),
    Field("batch", ""),
    Field("maximum_columns", ""),
    Field("maximum_rows", ""),
    Field("multiplier_bits", ""),
    Field(
        "vector_words", "sizes of the whole decoder, as in `DecoderParameters`; all 0 on a board that only multiplies"
    ),
    Field("parts", ""),
    Field("queries", ""),
    Field("width", ""),
    Field("positions", ""),
    Field("formats", "names of the weight formats with commas between them, ASCII, zeros at the end", words=0),
)
"""What a board says of itself."""

REQUESTS: dict[Opcode, Request] = {
    request.opcode: request
    for request in (
        Request(Opcode.IDENTIFY, "says what the board is", answer=IDENTITY),
        Request(Opcode.RESET, "sets the counters to 0; the memory stays"),
        Request(
            Opcode.COUNTERS,
            "counts since power-up or the last RESET",
            answer=(
                Field("cycles", "cycles of all PRODUCTs or TOKENs", words=2),
                Field("port_busy_cycles", "of these, those in which a word that was read was taken", words=2),
                Field("products", "PRODUCTs or TOKENs done"),
            ),
        ),
        Request(
            Opcode.WRITE,
            "writes words into the memory; words past its end are dropped, and the status says so",
            arguments=(Field("address", "of the first word"), Field("data", "the words, 1 to 1,022", words=0)),
        ),
        Request(
            Opcode.READ,
            "reads words out of the memory",
            arguments=(Field("address", "of the first word"), Field("words", "how many, 1 to 1,023")),
            answer=(Field("data", "the words", words=0),),
        ),
        Request(
            Opcode.CHECKSUM,
            "CRC-32 of a range of the memory",
            arguments=(Field("address", "of the first word"), Field("words", "how many, 1 or more")),
            answer=(Field("checksum", "as zlib's `crc32` of the bytes"),),
        ),
        Request(
            Opcode.PRODUCT,
            "multiplies a matrix by vectors; weights, activations and results lie in the memory, words without gaps",
            arguments=(
                Field("format", "position in the identity's formats"),
                Field("column_blocks", "column blocks of the matrix, a palette's table included"),
                Field("row_groups", "row groups of the matrix"),
                Field("vectors", "vectors, 1 to the engine's batch"),
                Field("activations", "address of the activations' beats"),
                Field("weights", "address of the weights"),
                Field("results", "address of the results: 64 bits each, row group by row group, vector by vector"),
            ),
            answer=(
                Field("cycles", "cycles of this product, from its request's last word to its last result's write"),
                Field("port_busy_cycles", "of these, cycles in which the engine took activations or weights"),
            ),
        ),
        Request(
            Opcode.RESULTS,
            "reads results of a product in 24 bits each: without their lowest bits, halves up, clipped",
            arguments=(
                Field("address", "of the first result"),
                Field("words", f"of the results in the memory, two each: a multiple of 8, 8 to {MOST_ROUNDED_WORDS:,}"),
                Field("places", "how many bits a result loses, in bits 5:0; the others are not looked at"),
            ),
            answer=(Field("data", "four results in three words, the first in the lowest bits", words=0),),
        ),
        Request(
            Opcode.TOKEN,
            "takes tokens that follow each other in a text through a decoder's program, and answers the likeliest next "
            "ones behind the last; all lies in the memory",
            arguments=(
                Field(
                    "program",
                    "address of the program, which must be sound: [programs](programs.md); only the last two bits of "
                    "the address are looked at",
                ),
                Field("tokens", "how many, 1 to the engine's batch; a product reads its weights once for all"),
                Field("position", "of the first token in its text, from 0"),
                Field(
                    "row",
                    "where caches of a set keep the first token: how many of the set came before it; the position or "
                    "less",
                ),
                Field(
                    "embeddings",
                    "address of the tokens' embeddings, one behind the other: a word with the exponent, a two's "
                    "complement, and 32 bits per element; of the address only the last two bits are looked at",
                ),
                Field("best", f"how many tokens are asked for, 0 to {BEST}; for 0 the program's ANSWER is left out"),
            ),
            answer=(
                Field("cycles", "of these tokens"),
                Field("port_busy_cycles", "of these, cycles in which a word that was read was taken"),
                Field(
                    "tokens",
                    "for each token two words, the likeliest first, of equal ones the lower: its number, and its key, "
                    "a two's complement; the program's last exponent says what a key counts",
                    words=0,
                ),
            ),
        ),
        Request(
            Opcode.LOAD_CARD,
            "begins to load the memory from the card in the slot, and answers at once; until the loading has ended, "
            "requests that need the memory are refused as BUSY",
        ),
        Request(
            Opcode.CARD_STATUS,
            "says how far the loading of a card is; the words are looked at one after the other, the state first",
            answer=(
                Field("state", "0: nothing was loaded since power-up; 1: under way; 2: ended"),
                Field("error", "of a loading that has ended: [memory card](card.md#the-loader)"),
                Field("words", "that went to the memory"),
                Field("left", "words of the image that are to come; 0 before its header was read"),
            ),
        ),
    )
}
"""Opcode → request."""

NEEDS_MEMORY = (
    Opcode.WRITE,
    Opcode.READ,
    Opcode.CHECKSUM,
    Opcode.PRODUCT,
    Opcode.RESULTS,
    Opcode.TOKEN,
    Opcode.LOAD_CARD,
)
"""Requests that are refused while a card is loaded."""


def request_words(opcode: Opcode, *arguments: int, data: Sequence[int] = ()) -> list[int]:
    """Words of a request.

    Raises
    ------
    InputError
        If there are more or fewer arguments or data than the request has, it is too long, or a word does not fit
        32 bits.
    """
    request, words = REQUESTS[opcode], [int(opcode), *arguments, *data]
    names = [field.name for field in request.arguments if field.words]
    if len(arguments) != len(names) or bool(data) != request.has_data:
        wanted = ", ".join(field.name for field in request.arguments) or "nothing"
        raise InputError(f"{opcode.name} takes {wanted}, not {len(arguments)} arguments and {len(data)} words of data")
    if len(words) > MAXIMUM_WORDS:
        raise InputError(f"{opcode.name} of {len(words)} words is too long; a request has at most {MAXIMUM_WORDS}")
    for word in words:
        if not 0 <= word <= ALL_ONES:
            raise InputError(f"{opcode.name}: {word} is no number of 32 bits")
    return words


def answer_of(opcode: Opcode, words: Sequence[int]) -> tuple[dict[str, int], list[int]]:
    """Fields of a response, and its words of data.

    Raises
    ------
    DeviceError
        If the response belongs to another request, says another status than OK, or has the wrong length.
    """
    fields = REQUESTS[opcode].answer
    if not words or words[0] & 0xFF != opcode or words[0] >> 16:
        raise DeviceError(f"the board answered {opcode.name} with {list(words[:1])}, no response to it")
    status = words[0] >> 8
    if status:
        known = [each for each in Status if each == status]
        reason = f"{known[0].name}: {STATUS_MEANINGS[known[0]]}" if known else f"status {status}"
        raise DeviceError(f"the board refused {opcode.name}, {reason}")
    fixed = 1 + sum(field.words for field in fields)
    has_data = any(not field.words for field in fields)
    if len(words) < fixed or (len(words) > fixed and not has_data):
        raise DeviceError(f"the board answered {opcode.name} with {len(words)} words, not {fixed}")
    values, at = {}, 1
    for field in fields:
        if field.words:
            values[field.name] = sum(word << 32 * place for place, word in enumerate(words[at : at + field.words]))
            at += field.words
    return values, list(words[at:])
