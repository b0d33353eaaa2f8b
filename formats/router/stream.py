"""A command's data as bytes and as beats of the unit's data stream."""

from collections.abc import Iterable, Sequence

from formats.errors import InputError
from formats.router.descriptor import Command, Flag, Opcode, RouterParameters
from formats.router.legality import element_bytes, elements_a_beat


def check_data(command: Command, data: bytes) -> None:
    """Refuse what no stream can carry.

    Raises
    ------
    InputError
        If there are data without the DATA flag, or the flag without data.
    """
    if command.has(Flag.DATA) != bool(data):
        raise InputError(
            f"flag DATA is {command.has(Flag.DATA)}, but {len(data)} bytes of data are given; "
            "set it when there are data, and only then"
        )


def to_bytes(elements: Iterable[int], command: Command) -> bytes:
    """Elements as the command's packet carries them: little endian, 2 or 3 bytes each.

    Negative elements become two's complement.

    Raises
    ------
    InputError
        If an element is no integer or does not fit.
    """
    size = element_bytes(command)
    modulus = 1 << 8 * size
    data = bytearray()
    for element in elements:
        if not isinstance(element, int) or not -modulus // 2 <= element < modulus:
            raise InputError(f"element {element!r} does not fit {size} bytes")
        data += (element % modulus).to_bytes(size, "little")
    return bytes(data)


def to_beats(data: bytes, command: Command, parameters: RouterParameters) -> list[list[int]]:
    """Cut a packet into beats of raw elements; missing bytes and lanes are 0.

    Keys come one per lane, and each row of FIRST starts on a beat; all other elements come alone. A
    packet that ends early or late is told by its number of beats, which is why a beat filled up with
    zeros is not short.
    """
    size = element_bytes(command)
    elements = [int.from_bytes(data[at : at + size], "little") for at in range(0, len(data), size)]
    lanes = elements_a_beat(command, parameters)
    is_rows = command.opcode == Opcode.FIRST and command.row_elements > 0
    row = command.row_elements if is_rows else max(len(elements), 1)
    rows = [elements[at : at + row] for at in range(0, len(elements), row)]
    return [_filled(cut[at : at + lanes], lanes) for cut in rows for at in range(0, len(cut), lanes)]


def _filled(elements: Sequence[int], lanes: int) -> list[int]:
    return [*elements, *[0] * (lanes - len(elements))]
