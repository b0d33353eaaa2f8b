"""The top level on an ULX3S: clock and pins of a board behind a serial line."""

from typing import Any

from amaranth.build import Attrs, Pins, PinsN, Resource, Subsignal
from amaranth.hdl import Cat, ClockDomain, ClockSignal, Module, ResetSignal
from amaranth.lib import io, wiring
from amaranth.lib.cdc import ResetSynchronizer

from formats.errors import InputError
from hw.board.parameters import BoardParameters
from hw.board.serial_board import SerialBoard
from hw.memory.chips import Sdram
from hw.memory.sdram import SdramController, SdramPins
from synth.bitstream.pll import FIRST, VCO_MHZ, pll

OSCILLATOR_MHZ = 25
SLOWEST_MHZ = 75
"""The chip's clock is the inverse of ours: it holds its data half a period and 3 ns into the period that looks at it,
which, with 3.3 ns in the pins' buffers, is too short below 67 MHz."""

CARD_SLOT = Resource(
    "card_slot",
    0,
    Subsignal("cs", PinsN("H1", dir="o")),
    Subsignal("clk", Pins("J1", dir="o")),
    Subsignal("copi", Pins("J3", dir="o")),
    Subsignal("cipo", Pins("K2", dir="i")),
    Attrs(IO_TYPE="LVCMOS33", PULLMODE="UP"),
)
"""As the slot of amaranth-boards, in SPI mode, but pulled up: a card lets go of its output between answers."""

EARLY_MHZ = 25
"""At this clock we look at the data half a period behind the chip's edge that brings it, not one and a half."""


def pll_dividers(clock_mhz: float) -> tuple[int, int]:
    """Divider of the feedback, and of the PLL's own oscillator, that make a clock out of 25 MHz.

    Raises
    ------
    InputError
        If no whole numbers do, or the chip's data would not be there, or be gone, when it is looked at.
    """
    feedback, rest = divmod(clock_mhz, OSCILLATOR_MHZ)
    if rest or not (clock_mhz == EARLY_MHZ or SLOWEST_MHZ <= clock_mhz <= 200):
        raise InputError(
            f"clock_mhz must be {EARLY_MHZ}, or a multiple of {OSCILLATOR_MHZ} from {SLOWEST_MHZ} to 200, "
            f"not {clock_mhz!r}"
        )
    return int(feedback), round(VCO_MHZ / clock_mhz)


class Ulx3s(wiring.Component):
    """A board behind a serial line, on the pins of an ULX3S.

    The chip's clock is the inverse of ours, made beside its pin: half a period after our registers change the chip
    looks at its pins, and its data is there around the end of the next period. The registers of the chip's commands,
    addresses and data lie in the pins' own cells, so every placement has the same delays there. Button F1 resets all;
    LED 0 is on while the clock is steady, LED 1 while a request is done or a card loaded. With a card slot the ESP32,
    which is wired to it too, is kept in reset.

    Parameters
    ----------
    parameters
        Of the board; its clock is the PLL's.
    baud
        Of the serial line; the nearest that whole cycles make.

    Attributes
    ----------
    modules
        Verilog that the netlist needs beside: none.

    Raises
    ------
    InputError
        If the PLL cannot make the clock, or a bit has fewer than 4 cycles.
    """

    def __init__(self, parameters: BoardParameters, baud: int) -> None:
        assert isinstance(parameters.memory, Sdram)
        clock_mhz = parameters.memory.clock_mhz
        self._dividers, self._early = pll_dividers(clock_mhz), clock_mhz == EARLY_MHZ
        controller = SdramController(parameters.memory)
        self._board = SerialBoard(parameters, controller, round(clock_mhz * 1e6 / baud))
        self._has_slot, self.modules = parameters.card, controller.modules
        super().__init__({})

    def elaborate(self, platform: Any) -> Module:
        """Clock, link, memory."""
        m = Module()
        m.submodules.board = self._board
        self._clock(m, platform)
        uart = platform.request("uart", 0, dir="-")
        m.submodules.rx, m.submodules.tx = rx, tx = io.Buffer("i", uart.rx), io.Buffer("o", uart.tx)
        m.submodules.busy = busy = io.Buffer("o", platform.request("led", 1, dir="-"))
        m.d.comb += [self._board.rx.eq(rx.i), tx.o.eq(self._board.tx), busy.o.eq(self._board.busy)]
        self._memory(m, platform.request("sdram", 0, dir="-"), self._board.pins)
        if self._has_slot:
            self._card(m, platform)
        return m

    def _clock(self, m: Module, platform: Any) -> None:
        """A PLL, and a reset that lasts until it is steady."""
        m.submodules.oscillator = oscillator = io.Buffer("i", platform.request("clk25", 0, dir="-"))
        m.submodules.button = button = io.Buffer("i", platform.request("button_fire", 0, dir="-"))
        m.submodules.led = led = io.Buffer("o", platform.request("led", 0, dir="-"))
        feedback, divider = self._dividers
        made = pll(oscillator.i, 1, feedback, {FIRST: divider})
        m.submodules.pll = made.cell
        m.domains.sync = ClockDomain()
        m.d.comb += [ClockSignal().eq(made.clocks[FIRST]), led.o.eq(made.locked & ~ResetSignal())]
        m.submodules.reset = ResetSynchronizer(~made.locked | button.i, domain="sync")

    def _card(self, m: Module, platform: Any) -> None:
        """The slot's pins, which have registers behind them, and the ESP32's reset."""
        platform.add_resources([CARD_SLOT])
        pads, pins = platform.request(CARD_SLOT.name, 0, dir="-"), self._board.card
        for name, value in {"cs": pins.cs, "clk": pins.clk, "copi": pins.copi}.items():
            m.submodules[f"card_{name}"] = out = io.Buffer("o", getattr(pads, name))
            m.d.comb += out.o.eq(value)
        m.submodules.card_cipo = cipo = io.Buffer("i", pads.cipo)
        m.d.comb += pins.cipo.eq(cipo.i)
        m.submodules.esp32 = esp32 = io.Buffer("o", platform.request("esp32", 0, dir="-").en)
        m.d.comb += esp32.o.eq(0)

    def _memory(self, m: Module, pads: Any, pins: wiring.PureInterface) -> None:
        """The chip's pins, a register beside each; amaranth-boards knows which are active low.

        These registers are 0 until the first edge, a mode set; but so is ``clk_en``, and the chip does not listen.
        """
        assert isinstance(pins.signature, SdramPins)
        m.submodules.chip_clock = clock = io.DDRBuffer("o", pads.clk)
        m.d.comb += Cat(clock.o).eq(0b10)  # low in the first half of our period
        outputs = {
            "clk_en": pins.cke,
            "cs": pins.cs,
            "ras": pins.ras,
            "cas": pins.cas,
            "we": pins.we,
            "ba": pins.ba,
            "a": pins.a,
            "dqm": pins.dqm,
        }
        for name, value in outputs.items():
            m.submodules[f"chip_{name}"] = buffer = io.FFBuffer("o", getattr(pads, name))
            m.d.comb += buffer.o.eq(value)
        m.submodules.chip_dq = data = io.FFBuffer("io", pads.dq)
        m.d.comb += [data.o.eq(pins.dq_o), data.oe.eq(pins.dq_oe)]
        if self._early:  # the controller expects the data a period later
            m.d.sync += pins.dq_i.eq(data.i)
        else:
            m.d.comb += pins.dq_i.eq(data.i)
