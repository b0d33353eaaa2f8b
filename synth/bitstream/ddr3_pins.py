"""Pins of the boards with DDR3 memory, and what their clocks come from.

Second-hand, from litex-boards (``platforms/gsd_orangecrab.py``, ``platforms/lambdaconcept_ecpix5.py``). The memory's
are not taken from amaranth-boards: its OrangeCrab r0.2 has the bank address elsewhere, and the two strobes exchanged.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from amaranth.build import Attrs, Pins, PinsN, Resource, Subsignal

from hw.memory.litedram.boards import Ddr3Memory

MEMORY, SERIAL, LAMPS, HIGH, LOW, BUTTON = "ddr3_pads", "line", "lamps", "held_high", "held_low", "reset_button"
"""Names of resources. A board may lack the last three."""

LAMP_NAMES = STARTED, FAILED, BUSY = ("started", "failed", "busy")
"""The memory can be used, its start failed, a request is done."""

BOTH_WAYS = ("dq", "dqs_p")
"""Pads that are driven and read."""


@dataclass(frozen=True)
class Ddr3Board:
    """What differs between the boards.

    Parameters
    ----------
    oscillator, oscillator_mhz
        Resource of amaranth-boards, and its rate.
    bridge
        Whether the clock of the memory's pins crosses to the other half of the device, by an ECLKBRIDGECS.
    pads
        Pad of the memory, as LiteDRAM calls it → pins; of the address as many as the largest chip has.
    standard
        Of these pins; where they are differential it has a D before the underscore.
    termination
        Of the data pins, in ohms, or ``OFF``.
    serial
        Pins that receive and send.
    lamps
        Pins of ``STARTED``, ``FAILED`` and ``BUSY``, on at a low level.
    high, low
        Name of a group → pins that are held at a level, and their standard.
    button
        Pin that is low while all is reset; empty for none.
    """

    oscillator: str
    oscillator_mhz: int
    bridge: bool
    pads: Mapping[str, str]
    standard: str
    termination: str
    serial: tuple[str, str]
    lamps: tuple[str, str, str]
    high: tuple[tuple[str, str], ...] = ()
    low: tuple[tuple[str, str], ...] = ()
    button: str = ""

    def resources(self, ddr3: Ddr3Memory) -> list[Resource]:
        """For a platform of Amaranth; the address has the chip's rows."""
        ordinary = Attrs(IO_TYPE="LVCMOS33")
        receives, sends = self.serial
        line = Subsignal("rx", Pins(receives, dir="i")), Subsignal("tx", Pins(sends, dir="o"))
        lamps = [Subsignal(name, PinsN(pin, dir="o")) for name, pin in zip(LAMP_NAMES, self.lamps, strict=True)]
        held = [
            Resource(name, number, Pins(pins, dir="o"), Attrs(IO_TYPE=standard))
            for name, groups in ((HIGH, self.high), (LOW, self.low))
            for number, (pins, standard) in enumerate(groups)
        ]
        button = Resource(BUTTON, 0, PinsN(self.button, dir="i"), Attrs(IO_TYPE=self.standard)) if self.button else None
        return [
            Resource(MEMORY, 0, *self._memory(ddr3), Attrs(SLEWRATE="FAST")),
            Resource(SERIAL, 0, *line, ordinary),
            Resource(LAMPS, 0, *lamps, ordinary),
            *held,
            *([button] if button else []),
        ]

    def _memory(self, ddr3: Ddr3Memory) -> list[Subsignal]:
        differential = self.standard.replace("_", "D_")
        attributes = {
            "dq": Attrs(IO_TYPE=self.standard, TERMINATION=self.termination),
            "dqs_p": Attrs(IO_TYPE=differential, TERMINATION="OFF", DIFFRESISTOR="100"),
            "clk_p": Attrs(IO_TYPE=differential),
        }
        return [
            Subsignal(
                name,
                Pins(pins, dir="io" if name in BOTH_WAYS else "o"),
                attributes.get(name, Attrs(IO_TYPE=self.standard)),
            )
            for name, pins in {**self.pads, "a": " ".join(self.pads["a"].split()[: ddr3.row_bits])}.items()
        ]


ORANGECRAB_R02 = Ddr3Board(
    oscillator="clk",
    oscillator_mhz=48,
    bridge=True,
    pads={
        "clk_p": "J18",
        "cke": "D18",
        "odt": "C13",
        "ras_n": "C12",
        "cas_n": "D13",
        "we_n": "B12",
        "cs_n": "A12",
        "reset_n": "L18",
        "ba": "D6 B7 A6",
        "a": "C4 D2 D3 A3 A4 D4 C3 B2 B1 D1 A7 C2 B6 C1 A2 C7",
        "dm": "D16 G16",
        "dq": "C17 D15 B17 C16 A15 B13 A17 A13 F17 F16 G15 F15 J16 C18 H16 F18",
        "dqs_p": "B15 G18",
    },
    standard="SSTL135_I",
    termination="OFF",
    serial=("N17", "M18"),
    lamps=("M3", "K4", "J3"),
    # stand-ins for supply and ground pins of the memory's bank; and what would load the device anew if it were low
    high=(("K16 D17 K15 K17 B18 C6", "SSTL135_II"), ("V17", "LVCMOS33")),
    low=(("L15 L16", "SSTL135_II"),),
    button="J17",
)
"""Serial line: header pins 0 (to the board) and 1 (from it). Lamps: green, red, blue."""

ECPIX5_R02 = Ddr3Board(
    oscillator="clk100",
    oscillator_mhz=100,
    bridge=False,
    pads={
        "clk_p": "H3",
        "cke": "P1",
        "odt": "P3",
        "ras_n": "T3",
        "cas_n": "P2",
        "we_n": "R3",
        "ba": "U6 N3 N4",
        "a": "T5 M3 L3 V6 K2 W6 K3 L1 H2 L2 N1 J1 M1 K1 H1",
        "dm": "U4 U1",
        "dq": "T4 W4 R4 W5 R6 P6 P5 P4 R1 W3 T2 V3 U3 W1 T1 W2",
        "dqs_p": "V4 V1",
    },
    standard="SSTL15_I",
    termination="75",
    serial=("R26", "R24"),
    lamps=("R23", "P21", "P22"),
)
"""Serial line: the USB bridge. Lamps: one of three colours. Files differ about the reset button's pin: it is unused."""
