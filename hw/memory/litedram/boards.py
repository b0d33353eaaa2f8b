"""DDR3 memories of boards: chip, clock and what differs between their pins."""

from dataclasses import dataclass

from formats.errors import InputError

BURST_BEATS = 2
"""Beats of one burst. A burst is 8 transfers, and a cycle of our clock has four: two chip cycles, both edges."""


@dataclass(frozen=True)
class Ddr3Memory:
    """A DDR3 chip of 16 data lines on a board with an ECP5.

    For ports and readers it is a ``BeatMemory`` as an SDRAM chip is.

    Parameters
    ----------
    name
        Of the board.
    chip
        As LiteDRAM calls the chip.
    row_bits
        Bits of a row's number.
    t_rfc_ns
        Refresh to the next command, nanoseconds.
    clock_mhz
        Of our logic; the chip's clock is twice as fast.
    command_delay
        Taps that clock and commands are delayed by.
    termination
        The chip's own, as its mode register takes it: ``disabled`` or ``60ohm``.
    select_and_reset
        Whether the chip's select and reset pins are connected; else the board ties them.
    """

    name: str
    chip: str
    row_bits: int
    t_rfc_ns: float
    clock_mhz: float
    command_delay: int
    termination: str
    select_and_reset: bool

    BANK_BITS = 3
    COLUMN_BITS = 10
    CHIP_BITS = 16

    @property
    def data_bits(self) -> int:
        """Width of a beat: what the chip moves in a cycle of our clock."""
        return 4 * self.CHIP_BITS

    @property
    def lanes(self) -> int:
        """Bytes of the chip's data bus; each has a strobe."""
        return self.CHIP_BITS // 8

    @property
    def address_bits(self) -> int:
        """Bits of a beat's address: row, bank, column; a beat has four columns."""
        return self.row_bits + self.BANK_BITS + self.COLUMN_BITS - 2

    @property
    def size_bytes(self) -> int:
        """Bytes that the chip holds."""
        return (self.data_bits // 8) << self.address_bits

    @property
    def peak_bytes_per_second(self) -> float:
        """A beat per cycle."""
        return self.data_bits / 8 * self.clock_mhz * 1e6


ORANGECRAB = Ddr3Memory(
    name="orangecrab",
    chip="MT41K64M16",
    row_bits=13,
    t_rfc_ns=160,
    clock_mhz=48,
    command_delay=100,
    termination="disabled",
    select_and_reset=True,
)
ORANGECRAB_512MB = Ddr3Memory(
    name="orangecrab-512mb",
    chip="MT41K256M16",
    row_bits=15,
    t_rfc_ns=260,
    clock_mhz=48,
    command_delay=100,
    termination="disabled",
    select_and_reset=True,
)
ECPIX5 = Ddr3Memory(
    name="ecpix5",
    chip="MT41K256M16",
    row_bits=15,
    t_rfc_ns=260,
    clock_mhz=75,
    command_delay=0,
    termination="60ohm",
    select_and_reset=False,
)

MEMORIES: dict[str, Ddr3Memory] = {memory.name: memory for memory in (ORANGECRAB, ORANGECRAB_512MB, ECPIX5)}
"""Name → memory. Chips, clocks, delays and terminations second-hand, from litex-boards 2023.12. ``t_rfc_ns`` is
LiteDRAM's own figure: its clocks at 1,600 transfers, 1.25 ns each."""


def ddr3_memory(name: str) -> Ddr3Memory:
    """The memory of that name.

    Raises
    ------
    InputError
        If there is none.
    """
    if name not in MEMORIES:
        raise InputError(f"no DDR3 memory {name!r}; choose from {', '.join(MEMORIES)}")
    return MEMORIES[name]
