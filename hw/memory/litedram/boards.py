"""DDR3 memories of boards: chip, clock and what differs between their pins."""

from dataclasses import dataclass, replace
from math import ceil

from formats.errors import InputError

BURST_BITS = 128
"""A burst is 8 transfers of 16 bits, and takes two cycles of our clock: four of the chip's, both edges."""

MOST_READS = 64
"""Beats asked for and not answered: two per burst of a bank's queue, and of those within the latency of a read, 16
cycles at most, which are 8 bursts."""

MOST_START_NS = 4_000_000
"""The start takes 1.1 ms, of which 0.4 ms are levelling."""


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
    data_bits
        Width of a beat. With 64 bits a beat per cycle is all that the chip moves; with 32, half of it.

    Raises
    ------
    InputError
        If ``data_bits`` is neither 32 nor 64.
    """

    name: str
    chip: str
    row_bits: int
    t_rfc_ns: float
    clock_mhz: float
    command_delay: int
    termination: str
    select_and_reset: bool
    data_bits: int = 64

    BANK_BITS = 3
    COLUMN_BITS = 10
    CHIP_BITS = 16

    def __post_init__(self) -> None:
        if self.data_bits not in (32, 64):
            raise InputError(f"data_bits of {self.name} must be 32 or 64, not {self.data_bits!r}")

    @property
    def burst_beats(self) -> int:
        """Beats of one burst."""
        return BURST_BITS // self.data_bits

    @property
    def lanes(self) -> int:
        """Bytes of the chip's data bus; each has a strobe."""
        return self.CHIP_BITS // 8

    @property
    def address_bits(self) -> int:
        """Bits of a beat's address: row, bank, and the columns' without those inside of a beat."""
        inside = (self.data_bits // self.CHIP_BITS).bit_length() - 1
        return self.row_bits + self.BANK_BITS + self.COLUMN_BITS - inside

    @property
    def size_bytes(self) -> int:
        """Bytes that the chip holds."""
        return (self.data_bits // 8) << self.address_bits

    @property
    def peak_bytes_per_second(self) -> float:
        """What the chip moves: four transfers in a cycle of our clock, whatever a beat is."""
        return 4 * self.CHIP_BITS / 8 * self.clock_mhz * 1e6

    @property
    def most_start_cycles(self) -> int:
        """Cycles in which the chip is started and its lanes are levelled, with much to spare."""
        return ceil(MOST_START_NS * self.clock_mhz / 1000)

    @property
    def reads_ahead(self) -> int:
        """Bursts come some 20 cycles after they are asked for, or later by a refresh."""
        return 64

    @property
    def most_reads(self) -> int:
        """Those that the burst port keeps, one answered, two in a skid buffer, and some to spare."""
        return MOST_READS + 8


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
ORANGECRAB_512MB = replace(ORANGECRAB, name="orangecrab-512mb", chip="MT41K256M16", row_bits=15, t_rfc_ns=260)
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
