"""SDRAM chips: size and timing as their makers state them, and the same timing in cycles of a clock."""

from dataclasses import dataclass
from math import ceil, floor
from typing import Protocol

from formats.errors import InputError

REFRESH_PERIOD_NS = 64_000_000
"""Every row is refreshed at least once in this time, at all chips here."""

START_REFRESHES = 8
"""Refreshes between the first precharge and the mode register; some chips ask for two."""


class BeatMemory(Protocol):
    """What ports and readers know of a memory: beats of so many bits, and addresses that count them."""

    @property
    def name(self) -> str:
        """What messages call it."""

    @property
    def data_bits(self) -> int:
        """Width of a beat: what it moves in a cycle."""

    @property
    def address_bits(self) -> int:
        """Bits of a beat's address."""


class ControlledMemory(BeatMemory, Protocol):
    """What is known beside of a memory with its controller."""

    @property
    def reads_ahead(self) -> int:
        """Beats that a port asks for before the first comes, so that beats come without a pause."""

    @property
    def most_reads(self) -> int:
        """Beats asked for and not answered are always fewer, in the controller and in what leads to it."""


@dataclass(frozen=True)
class SdramTiming:
    """Least distances in clock cycles; names as in every maker's data sheet.

    Parameters
    ----------
    start
        From stable power to the first command.
    t_rcd
        Activate to read or write.
    t_rp
        Precharge to activate or refresh.
    t_ras, t_rc
        Activate to precharge, and to the next activate, of the same bank.
    t_rrd
        Activate to activate of another bank.
    t_rfc
        Refresh to the next command.
    t_wr
        Last datum written to precharge.
    t_mrd
        Mode register to the next command.
    cas_latency
        Read to its datum, exactly.
    refresh
        Most cycles between two refreshes.
    """

    start: int
    t_rcd: int
    t_rp: int
    t_ras: int
    t_rc: int
    t_rrd: int
    t_rfc: int
    t_wr: int
    t_mrd: int
    cas_latency: int
    refresh: int


@dataclass(frozen=True)
class SdramChip:
    """A single-data-rate SDRAM of four banks.

    Parameters
    ----------
    name
        As its maker writes it.
    data_bits
        Width of the data bus.
    row_bits, column_bits
        Bits of a row's and of a column's number.
    clock_mhz
        CAS latency → fastest clock.
    t_rcd_ns, t_rp_ns, t_ras_ns, t_rc_ns, t_rrd_ns, t_rfc_ns
        See ``SdramTiming``; nanoseconds.
    t_wr, t_mrd
        The same, stated in clock cycles.
    start_ns
        From stable power to the first command.
    """

    name: str
    data_bits: int
    row_bits: int
    column_bits: int
    clock_mhz: dict[int, float]
    t_rcd_ns: float
    t_rp_ns: float
    t_ras_ns: float
    t_rc_ns: float
    t_rrd_ns: float
    t_rfc_ns: float
    t_wr: int = 2
    t_mrd: int = 2
    start_ns: float = 200_000

    BANK_BITS = 2

    @property
    def address_bits(self) -> int:
        """Bits of a beat's address: row, bank, column."""
        return self.row_bits + self.BANK_BITS + self.column_bits

    @property
    def size_bytes(self) -> int:
        """Bytes that the chip holds."""
        return (self.data_bits // 8) << self.address_bits

    def timing(self, clock_mhz: float, cas_latency: int) -> SdramTiming:
        """The rules in cycles of a clock.

        Raises
        ------
        InputError
            If the chip does not know the CAS latency, is slower than the clock with it, or has at this clock
            no time for more than refreshes.
        """
        if cas_latency not in self.clock_mhz:
            known = " or ".join(map(str, self.clock_mhz))
            raise InputError(f"cas_latency of {self.name} must be {known}, not {cas_latency!r}")
        fastest = self.clock_mhz[cas_latency]
        if not 0 < clock_mhz <= fastest:
            raise InputError(
                f"clock_mhz of {self.name} with cas_latency={cas_latency} must be above 0 and at most {fastest}, "
                f"not {clock_mhz!r}"
            )

        def cycles(nanoseconds: float) -> int:
            return ceil(nanoseconds * clock_mhz / 1000 - 1e-6)

        timing = SdramTiming(
            start=cycles(self.start_ns),
            t_rcd=cycles(self.t_rcd_ns),
            t_rp=cycles(self.t_rp_ns),
            t_ras=cycles(self.t_ras_ns),
            t_rc=cycles(self.t_rc_ns),
            t_rrd=cycles(self.t_rrd_ns),
            t_rfc=cycles(self.t_rfc_ns),
            t_wr=self.t_wr,
            t_mrd=self.t_mrd,
            cas_latency=cas_latency,
            refresh=floor(REFRESH_PERIOD_NS * clock_mhz / 1000 / (1 << self.row_bits)),
        )
        if timing.refresh <= 2 * (timing.t_rc + timing.t_rfc):
            raise InputError(
                f"clock_mhz={clock_mhz} is too slow: {self.name} would do little but refresh; take 1 or more"
            )
        return timing


@dataclass(frozen=True)
class Sdram:
    """A chip and how it is driven: a memory as boards have it.

    Parameters
    ----------
    chip
        On the board.
    clock_mhz
        Of the chip and of all that reads from it.
    cas_latency
        One that the chip knows.
    """

    chip: SdramChip
    clock_mhz: float
    cas_latency: int

    @property
    def name(self) -> str:
        """The chip's."""
        return self.chip.name

    @property
    def data_bits(self) -> int:
        """Width of a beat, the chip's data bus."""
        return self.chip.data_bits

    @property
    def address_bits(self) -> int:
        """Bits of a beat's address."""
        return self.chip.address_bits

    @property
    def size_bytes(self) -> int:
        """Bytes that the chip holds."""
        return self.chip.size_bytes

    @property
    def peak_bytes_per_second(self) -> float:
        """A beat per cycle."""
        return self.data_bits / 8 * self.clock_mhz * 1e6

    @property
    def timing(self) -> SdramTiming:
        """The chip's rules in cycles.

        Raises
        ------
        InputError
            If the chip cannot run so.
        """
        return self.chip.timing(self.clock_mhz, self.cas_latency)

    @property
    def most_start_cycles(self) -> int:
        """Cycles in which the chip is started."""
        return self.timing.start + 1_000

    @property
    def reads_ahead(self) -> int:
        """The controller answers within 10 cycles while a page is open."""
        return 16

    @property
    def most_reads(self) -> int:
        """Three wait, and others are the chip's latency and four."""
        return 16


W9825G6KH_6 = SdramChip(
    name="W9825G6KH-6",
    data_bits=16,
    row_bits=13,
    column_bits=9,
    clock_mhz={2: 133, 3: 166},
    t_rcd_ns=15,
    t_rp_ns=15,
    t_ras_ns=42,
    t_rc_ns=60,
    t_rrd_ns=12,
    t_rfc_ns=60,
)
"""32 MB; ULX3S. Figures second-hand, from the maker's data sheet."""

AS4C32M16SB_7 = SdramChip(
    name="AS4C32M16SB-7",
    data_bits=16,
    row_bits=13,
    column_bits=10,
    clock_mhz={2: 100, 3: 143},
    t_rcd_ns=21,
    t_rp_ns=21,
    t_ras_ns=42,
    t_rc_ns=63,
    t_rrd_ns=14,
    t_rfc_ns=63,
)
"""64 MB; fits ULX3S. Figures second-hand, from the maker's data sheet."""
