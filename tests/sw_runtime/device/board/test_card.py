"""A card's loading is begun once, watched to its end, and what went wrong comes with its remedy."""

from collections.abc import Sequence

import pytest

from formats.board_requests import Loading, Opcode, Status
from formats.card_image import MEANINGS, CardError
from formats.errors import DeviceError
from sw_runtime.device.board.card import LOOK_SECONDS, REMEDIES, CardProgress, load_card
from tests.sw_runtime.device.board.model_channel import ModelChannel

DEVICE = "serial:/dev/ttyUSB0"

LOADING = (Loading.UNDER_WAY, 0, 0, 0), (Loading.UNDER_WAY, 0, 10, 20), (Loading.UNDER_WAY, 0, 25, 5)


class SlotChannel(ModelChannel):
    """A board that says the next of these states each time it is asked."""

    def __init__(self, *states: Sequence[int]) -> None:
        super().__init__()
        self._states = iter(states)

    def answer(self, request: Sequence[int]) -> list[int]:
        if request[0] == Opcode.CARD_STATUS:
            return [Opcode.CARD_STATUS, *next(self._states)]
        return [request[0]]


def test_a_loading_is_begun_and_watched_until_the_whole_image_is_there() -> None:
    channel, slept = SlotChannel((Loading.NEVER, 0, 0, 0), *LOADING, (Loading.ENDED, 0, 30, 0)), list[float]()
    found = list(load_card(channel, DEVICE, slept.append))
    assert found == [CardProgress(0, 0), CardProgress(40, 120), CardProgress(100, 120), CardProgress(120, 120)]
    assert channel.opcodes.count(Opcode.LOAD_CARD) == 1
    assert slept == [LOOK_SECONDS] * 3


def test_a_loading_that_is_under_way_is_not_begun_again() -> None:
    channel = SlotChannel(*LOADING[1:], (Loading.ENDED, 0, 30, 0))
    assert list(load_card(channel, DEVICE, lambda _: None))[-1] == CardProgress(120, 120)
    assert Opcode.LOAD_CARD not in channel.opcodes


def test_the_error_of_an_earlier_loading_is_none_of_the_new_one() -> None:
    channel = SlotChannel((Loading.ENDED, CardError.NO_CARD, 0, 0), *LOADING, (Loading.ENDED, 0, 30, 0))
    assert list(load_card(channel, DEVICE, lambda _: None))[-1] == CardProgress(120, 120)


@pytest.mark.parametrize("error", [error for error in CardError if error])
def test_every_error_is_told_in_words_with_its_remedy(error: CardError) -> None:
    channel = SlotChannel((Loading.NEVER, 0, 0, 0), *LOADING, (Loading.ENDED, error, 0, 0))
    with pytest.raises(DeviceError) as raised:
        list(load_card(channel, DEVICE, lambda _: None))
    assert str(raised.value) == f"the card of {DEVICE} was not loaded: {MEANINGS[error]}; {REMEDIES[error]}"


def test_an_error_that_nobody_knows_is_named_by_its_number() -> None:
    channel = SlotChannel((Loading.NEVER, 0, 0, 0), (Loading.ENDED, 7, 0, 0))
    with pytest.raises(
        DeviceError, match=f"the card of {DEVICE} was not loaded: error 7, which this program does not know"
    ):
        list(load_card(channel, DEVICE, lambda _: None))


def test_a_board_without_a_slot_is_named_with_the_remedy() -> None:
    channel = ModelChannel()
    assert channel.model.answer([Opcode.LOAD_CARD]) == [Opcode.LOAD_CARD | Status.UNKNOWN_OPCODE << 8]
    with pytest.raises(DeviceError, match=f"{DEVICE} was built without a card's loader: program it with a bitstream"):
        list(load_card(channel, DEVICE))
