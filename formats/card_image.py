"""What a memory card holds for a board: a header block, and behind it the bytes of the board's memory.

The card has no file system: block 0 is the header, block 1 the first of the data. Hardware and host follow these
records.
"""

import zlib
from enum import IntEnum

from formats.errors import InputError
from formats.link import Field, values_of, word_of

BLOCK_BYTES = 512
"""Of a block of any card, in every version of the standard."""

WORD_BYTES = 4

MAGIC = int.from_bytes(b"seed", "little")
VERSION = 1

HEADER = (
    Field("magic", 32, 'The letters "seed".'),
    Field("version", 32, "Of this layout."),
    Field("words", 32, "Of the memory, from its address 0 on, 32 bits each."),
    Field("data_crc", 32, "CRC-32 over these words, as zlib computes it."),
    Field("header_crc", 32, "CRC-32 over the four fields before."),
)
"""First words of block 0; its other words are 0."""

CHECKED_HEADER_WORDS = len(HEADER) - 1
"""Words under the header's CRC."""


class CardError(IntEnum):
    """Why a card was not loaded."""

    NONE = 0
    NO_CARD = 1
    REFUSED = 2
    TIMEOUT = 3
    BAD_BLOCK = 4
    BAD_HEADER = 5
    BAD_DATA = 6


MEANINGS = {
    CardError.NONE: "everything was loaded",
    CardError.NO_CARD: "no card answered within a second",
    CardError.REFUSED: "the card refused a command, or is of a kind that is too old",
    CardError.TIMEOUT: "the card did not become ready within a second, or a block did not come within a tenth of one",
    CardError.BAD_BLOCK: "the CRC-16 of a block is wrong, or the card could not read it",
    CardError.BAD_HEADER: "block 0 is no header of this version, or the memory is too small for the image",
    CardError.BAD_DATA: "the CRC-32 of the data is wrong",
}
"""Every error in words."""


def header_octets(words: int, data_crc: int) -> bytes:
    """Block 0.

    Raises
    ------
    InputError
        If a number does not fit its field.
    """
    values = {"magic": MAGIC, "version": VERSION, "words": words, "data_crc": data_crc, "header_crc": 0}
    checked = word_of(HEADER, values).to_bytes(WORD_BYTES * len(HEADER), "little")[: WORD_BYTES * CHECKED_HEADER_WORDS]
    return (checked + zlib.crc32(checked).to_bytes(WORD_BYTES, "little")).ljust(BLOCK_BYTES, b"\0")


def card_octets(memory: bytes) -> bytes:
    """A card's first bytes, whole blocks, for the bytes of a memory.

    Raises
    ------
    InputError
        If these are no whole words, or none.
    """
    if not memory or len(memory) % WORD_BYTES:
        raise InputError(f"a card's image has 1 or more words of {WORD_BYTES} bytes, not {len(memory)} bytes")
    padding = bytes(-len(memory) % BLOCK_BYTES)
    return header_octets(len(memory) // WORD_BYTES, zlib.crc32(memory)) + memory + padding


def check_blocks(card: bytes) -> None:
    """Refuse a card's first bytes that are no whole blocks.

    Raises
    ------
    InputError
        If they are none.
    """
    if len(card) % BLOCK_BYTES:
        raise InputError(
            f"a card has whole blocks of {BLOCK_BYTES} bytes, not {len(card):,} bytes; "
            "give a file that `seedloom image --sd` wrote"
        )


def memory_octets(card: bytes) -> bytes:
    """The bytes of the memory that a card's first bytes hold.

    Raises
    ------
    InputError
        If they are no whole blocks, the header is none of this version or of no words, or the data are not what was
        written.
    """
    check_blocks(card)
    checked = card[: WORD_BYTES * CHECKED_HEADER_WORDS]
    header = values_of(HEADER, int.from_bytes(card[: WORD_BYTES * len(HEADER)], "little"))
    if (header["magic"], header["header_crc"]) != (MAGIC, zlib.crc32(checked)):
        raise InputError("this is no image of a card; write one with `seedloom image --sd`")
    if header["version"] != VERSION:
        raise InputError(f"the card's image is of version {header['version']}, not {VERSION}; write it again")
    if not header["words"]:
        raise InputError("the card's image has no word of memory; write one with `seedloom image --sd`")
    memory = card[BLOCK_BYTES:][: WORD_BYTES * header["words"]]
    if zlib.crc32(memory) != header["data_crc"]:
        raise InputError("the card's data are not what was written; write the card again")
    return memory
