"""Claims about the link: its decoder never hangs in a packet, and the core gets no request that was not whole."""

from amaranth.hdl import Module, Signal

from formats.link import Kind
from hw.link.cobs import CobsDecoder
from hw.link.window import Window
from synth.claims import Claim, drive, free_inputs

COUNT_BITS = 5
"""Bits of counters, enough for the cycles of a proof."""


class DecoderReturnsToIdle(Claim):
    """A zero ends every packet, and so does a pause, whatever came before.

    Parameters
    ----------
    pause_cycles
        Of the decoder. The claim is the same for any; a small one is quick to prove.
    """

    def __init__(self, pause_cycles: int) -> None:
        self._pause_cycles, self._decoder = pause_cycles, CobsDecoder(pause_cycles)
        super().__init__(free_inputs(self._decoder))

    def elaborate(self, platform: object) -> Module:
        """Count the cycles without a byte."""
        m = Module()
        m.submodules.decoder = decoder = self._decoder
        drive(m, decoder, self)
        ended, pause = Signal(), Signal(range(self._pause_cycles + 1))
        m.d.sync += ended.eq(decoder.i.valid & (decoder.i.payload == 0))
        with m.If(decoder.i.valid):
            m.d.sync += pause.eq(0)
        with m.Elif(pause != self._pause_cycles):
            m.d.sync += pause.eq(pause + 1)
        m.d.comb += self.holds.eq(decoder.idle | (~ended & (pause != self._pause_cycles)))
        return m


class CoreBeginsWhatWasWhole(Claim):
    """The core never begins more requests than there were good verdicts on requests of the open session.

    So a packet with a wrong CRC begins nothing, and one that was good begins once, however often it comes.

    Parameters
    ----------
    window, words
        Of the window. The claim is the same for any.
    """

    def __init__(self, window: int, words: int) -> None:
        self._window = Window(window, words)
        super().__init__(free_inputs(self._window))

    def elaborate(self, platform: object) -> Module:
        """Count both; the core finishes what it began, and nothing else."""
        m = Module()
        m.submodules.window = window = self._window
        drive(m, window, self)
        whole, begun, busy = Signal(COUNT_BITS), Signal(COUNT_BITS), Signal()
        is_whole = window.verdict_valid & window.verdict.good & (window.header.kind == Kind.REQUEST)
        m.d.sync += [whole.eq(whole + (is_whole & (window.verdict.words != 0))), begun.eq(begun + window.begin)]
        m.d.sync += busy.eq((busy | window.begin) & ~window.finished)
        m.d.comb += [
            self.assumed.eq(busy | ~window.finished),
            self.holds.eq((whole >= begun + window.begin) & ~(window.begin & busy)),
        ]
        return m
