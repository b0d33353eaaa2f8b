"""A memory card under simulation, as its model in C++ is told what it is."""

import ctypes
from math import ceil

from formats.arguments import check_types
from formats.card_image import check_blocks
from hw.storage.card import POWER_SECONDS, SLOW_MHZ

NO_COMMAND = 64
"""None of a card's commands has this number."""


class CardSettings(ctypes.Structure):
    """Mirror of the model's struct of the same name."""

    _fields_ = (
        ("octets", ctypes.c_char_p),
        *((name, ctypes.c_uint64) for name in ("count", "absent", "deaf_resets", "busy_starts", "wrong_command")),
        *((name, ctypes.c_uint64) for name in ("wrong_echo", "no_supply", "wrong_block", "fault", "endless_end")),
        *((name, ctypes.c_uint64) for name in ("slow_half", "fast_half", "power_cycles")),
    )


def card_settings(octets: bytes, clock_mhz: float, fast_mhz: float, **faults: int) -> CardSettings:
    """What the model is told of a card.

    Parameters
    ----------
    octets
        Its first blocks.
    clock_mhz, fast_mhz
        Of the board, and most of the card's clock once it is ready; a faster one breaks a rule.
    faults
        Fields of ``CardSettings`` that make it a bad card.

    Raises
    ------
    InputError
        If these are no whole blocks.
    """
    check_types(octets=(octets, bytes))
    check_blocks(octets)
    known = {
        "octets": octets,
        "count": len(octets),
        "wrong_command": NO_COMMAND,
        "slow_half": ceil(clock_mhz / (2 * SLOW_MHZ)),
        "fast_half": ceil(clock_mhz / (2 * fast_mhz)),
        "power_cycles": round(POWER_SECONDS * clock_mhz * 1e6),
    }
    return CardSettings(**known | faults)
