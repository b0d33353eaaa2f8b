"""A card's image comes into the memory whole, or an error says why not; the card is told what its standard allows."""

import pytest

from formats.card_image import BLOCK_BYTES, CardError, card_octets
from formats.errors import InputError
from hw.storage.card import half_periods
from hw.storage.commands import COMMANDS
from hw.storage.spi import SpiPort
from tests.hw.storage.cards import FAULTS, check_fault, check_good, check_wrong, memory_octets, wrong_cards
from tests.hw.storage.simulation import CARD_MHZ, CLOCK_MHZ, MEMORY_WORDS, CardSimulation


@pytest.mark.parametrize("words", [1, 127, 128, 129, 256, MEMORY_WORDS])
@pytest.mark.parametrize("taken_share", [1, 0.01])
def test_every_word_of_a_card_is_written(simulation: CardSimulation, words: int, taken_share: float) -> None:
    check_good(simulation, words, words, taken_share)


@pytest.mark.parametrize("name", FAULTS)
def test_a_card_with_a_fault_is_told_apart(simulation: CardSimulation, name: str) -> None:
    check_fault(simulation, name)


@pytest.mark.parametrize("name", wrong_cards())
def test_a_card_that_holds_something_else_is_told_apart(simulation: CardSimulation, name: str) -> None:
    check_wrong(simulation, name)


def test_another_card_may_follow_any_other(simulation: CardSimulation) -> None:
    for seed, name in enumerate(FAULTS):
        check_fault(simulation, name)
        check_good(simulation, 200, seed)


def test_no_card_is_told_within_a_second_and_a_tenth(simulation: CardSimulation) -> None:
    loaded = simulation.load(b"", absent=1)
    assert 1 <= loaded.cycles / (CLOCK_MHZ * 1e6) < 1.1


def test_words_come_at_the_rate_that_is_stated(simulation: CardSimulation) -> None:
    """64 half periods and 9 cycles; blocks add token, CRC and what the card takes to find them."""
    few, many = (simulation.load(card_octets(memory_octets(words, 1)), 1).cycles for words in (128, 384))
    half_period = CLOCK_MHZ / 2 / CARD_MHZ
    assert 1 <= (many - few) / 256 / (64 * half_period + 9) < 1.3


def test_commands_are_those_of_the_standard() -> None:
    listed = "400000000095 48000001aa87 770000000065 694000000077 7a00000000fd 500000020015 5200000000e1 4c0000000061"
    assert [command.octets.hex() for command in COMMANDS] == listed.split()


@pytest.mark.parametrize(("clock", "fast", "halves"), [(100, 12.5, (125, 4)), (75, 25, (94, 2)), (25, 25, (32, 2))])
def test_the_cards_clock_is_never_faster_than_asked(clock: float, fast: float, halves: tuple[int, int]) -> None:
    assert half_periods(clock, fast) == halves


@pytest.mark.parametrize("fast", [0.3, 26.0])
def test_a_rate_that_no_card_has_is_refused(fast: float) -> None:
    with pytest.raises(InputError, match=f"fast_mhz of a memory card must be 0.4 to 25, not {fast}"):
        half_periods(100, fast)


def test_half_a_period_of_one_cycle_is_refused() -> None:
    with pytest.raises(InputError, match="half a period must last 2 cycles or more, not 1"):
        SpiPort(4, 1)


def test_a_block_is_what_cards_have() -> None:
    assert len(card_octets(memory_octets(1, 1))) == 2 * BLOCK_BYTES
    assert CardError.NONE == 0
