"""A board's memory loaded from the card in its slot: begun, watched, and told in plain words."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from formats.board_requests import WORD_BYTES, Loading, Opcode, Status, answer_of, request_words
from formats.card_image import MEANINGS, CardError
from formats.errors import DeviceError, InputError
from hw.board.boards import BOARDS, find_board
from hw.memory.chips import Sdram
from sw_runtime.device.board.channel import Channel

LOOK_SECONDS = 0.2
"""Between two looks at a loading."""

REMEDIES = {
    CardError.NO_CARD: "put the card in, and give the command again",
    CardError.REFUSED: "take an SDHC or SDXC card",
    CardError.TIMEOUT: "take the card out and put it in again; if that does not help, take another card",
    CardError.BAD_BLOCK: "write the card again, or take another one",
    CardError.BAD_HEADER: "write an image for this board (`seedloom image FOLDER --board BOARD --sd -o FILE`) to the "
    "whole card, not to a partition",
    CardError.BAD_DATA: "write the card again",
}
"""What to do, by error."""


@dataclass(frozen=True)
class CardProgress:
    """How far a loading is.

    Parameters
    ----------
    loaded_bytes, image_bytes
        That are in the memory, and of the whole image; the image's are 0 until its header was read.
    """

    loaded_bytes: int
    image_bytes: int


def check_slot(board: str) -> None:
    """Refuse a board whose memory no card is loaded into.

    Parameters
    ----------
    board
        Its name in ``hw.board.boards.BOARDS``.

    Raises
    ------
    InputError
        With the names of those that have one, or if there is no such board.
    """
    if not isinstance(find_board(board).memory, Sdram):
        known = ", ".join(each.name for each in BOARDS.values() if isinstance(each.memory, Sdram))
        raise InputError(f"no card is loaded into the memory of {board}; choose from {known}")


def load_card(channel: Channel, device: str, sleep: Callable[[float], None] = time.sleep) -> Iterator[CardProgress]:
    """Load the card's image into the board's memory; one that is being loaded already is watched.

    The last progress that is given is that of the whole image.

    Parameters
    ----------
    channel
        To the board.
    device
        What messages call the board.
    sleep
        Waits so many seconds.

    Raises
    ------
    DeviceError
        If the board has no card slot, the card or what it holds will not do, or the channel fails.
    """
    said = _status(channel, device)
    if said["state"] != Loading.UNDER_WAY:
        answer_of(Opcode.LOAD_CARD, _ask(channel, Opcode.LOAD_CARD))
        said = _status(channel, device)
    while said["state"] == Loading.UNDER_WAY:
        yield _progress(said)
        sleep(LOOK_SECONDS)
        said = _status(channel, device)
    _check(said["error"], device)
    yield _progress(said)


def _ask(channel: Channel, opcode: Opcode) -> list[int]:
    (response,) = channel.exchange([request_words(opcode)])
    return list(response)


def _status(channel: Channel, device: str) -> dict[str, int]:
    response = _ask(channel, Opcode.CARD_STATUS)
    if response[:1] == [Opcode.CARD_STATUS | Status.UNKNOWN_OPCODE << 8]:
        raise DeviceError(
            f"{device} was built without a card's loader: program it with a bitstream of "
            "`python -m synth.bitstream BOARD --card`"
        )
    return answer_of(Opcode.CARD_STATUS, response)[0]


def _progress(said: dict[str, int]) -> CardProgress:
    words = said["words"]
    return CardProgress(WORD_BYTES * words, WORD_BYTES * (words + said["left"]) if words else 0)


def _check(number: int, device: str) -> None:
    """Refuse a loading that ended with an error."""
    if number == CardError.NONE:
        return
    known = [error for error in CardError if error == number]
    if not known:
        raise DeviceError(f"the card of {device} was not loaded: error {number}, which this program does not know")
    raise DeviceError(f"the card of {device} was not loaded: {MEANINGS[known[0]]}; {REMEDIES[known[0]]}")
