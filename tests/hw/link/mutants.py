"""Faults to seed into the link, all in one build, and the switch that chooses one."""

from pathlib import Path

from sw_runtime.device.simulator.line import LineSimulation
from tests.hw.link.subject import build_subject
from tests.hw.switched_mutants import Mutant, switch, switch_on, switched_verilog

MUTANTS = (
    Mutant("cobs.py", "~self.idle & ~full", "~self.idle"),
    Mutant("cobs.py", "~left.any()", "Const(1)"),
    Mutant("cobs.py", "pause.all()", "Const(0)"),
    Mutant("cobs.py", "octet == FULL_CODE", "octet == FULL_CODE - 1"),
    Mutant("cobs.py", "count == FULL_CODE - 2", "count == FULL_CODE - 1"),
    Mutant("cobs.py", "self.i.payload.last & ~nonzero", "Const(0)"),
    Mutant("cobs.py", "self.i.payload.last & nonzero", "self.i.payload.last"),
    Mutant("packet_receiver.py", "whole & check.matches", "whole"),
    Mutant("packet_receiver.py", "item.good", "Const(1)"),
    Mutant("packet_receiver.py", "(here == 0)", "Const(1)"),
    Mutant("packet_receiver.py", "(count >= 2)", "Const(1)"),
    Mutant("packet_receiver.py", "(count <= self._words + 2)", "Const(1)"),
    Mutant("packet_receiver.py", "(count != 0) & (count <= self._words)", "count != 0"),
    Mutant("window.py", "greeted & (header.session == self.session)", "greeted"),
    Mutant("window.py", "mine & (ahead < self._window)", "mine & (ahead <= self._window)"),
    Mutant("window.py", "mine & (ahead < self._window)", "ahead < self._window"),
    Mutant("window.py", "(header.kind == Kind.REQUEST) & ~filled.bit_select(slot, 1)", "header.kind == Kind.REQUEST"),
    Mutant("window.py", "self.following + lacking", "self.following"),
    Mutant("window.py", "self.verdict.words != 0", "Const(1)"),
    Mutant("window.py", "lacking < ahead[: len(slot)]", "Const(0)"),
    Mutant("window.py", "ahead >= 256 - self._window", "Const(1)"),
    Mutant("window.py", "answered.bit_select(slot, 1)", "Const(1)"),
    Mutant("window.py", "mine & ~greeting", "Const(0)"),
    Mutant("outbox.py", "turn - (slot >= place)", "turn"),
    Mutant("outbox.py", "self.slot + place", "Const(place)"),
    Mutant("outbox.py", "read.data", "self.response_words"),
    Mutant("core_port.py", "~self.read_waits", "Const(1)"),
    Mutant("core_port.py", "following == self.words", "place == self.words"),
    Mutant("core_port.py", "Mux(count <= self._words, count, 0)", "count"),
    Mutant("core_port.py", "Cat(count[: len(place)], self.slot)", "count"),
    Mutant("packet_sender.py", "Cat(place[: exact_log2(self._words)], order.slot)", "place"),
    Mutant("packet_sender.py", "last_word & (gone == WORD_BITS - 8)", "gone == WORD_BITS - 8"),
    Mutant("packet_sender.py", "Mux(last_word, check.crc, word)", "word"),
    Mutant("link.py", "receiver.word_valid & window.takes", "receiver.word_valid"),
)
"""Number 0 of a build is the link without a fault, number k has mutant k - 1."""


def build_mutants(folder: Path) -> Path:
    """Compile a subject that contains every mutant; returns the library.

    Raises
    ------
    ValueError
        If the text of a mutant does not occur once in its file.
    """

    def verilog() -> str:
        imports = "from tests.hw.link.subject import LinkedCore"
        return switched_verilog(MUTANTS, "link", imports, "LinkedCore()", folder)

    return build_subject(verilog, switch(MUTANTS, "static_cast<Line *>(handle)->simulation.unit"))


def open_mutant(library: Path, number: int) -> LineSimulation:
    """A simulation with a mutant switched on."""
    line = LineSimulation(library)
    switch_on(library, line.handle, number)
    return line
