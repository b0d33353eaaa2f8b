"""Faults to seed into a small board, all in one build, and the switch that chooses one."""

from collections.abc import Sequence
from pathlib import Path

from formats.engine import EngineParameters
from hw.board.parameters import BoardParameters
from hw.memory.chips import W9825G6KH_6, Sdram
from sw_runtime.device.simulator.board import BoardSimulator
from sw_runtime.device.simulator.build import build_library
from sw_runtime.device.simulator.build_boards import BOARD_HARNESS, harness_defines
from tests.hw.switched_mutants import Mutant, switch, switch_on, switched_verilog

SMALL = BoardParameters(
    EngineParameters(("scaled-3bit",), port_bytes=4, batch=2, maximum_columns=64, maximum_rows=200, multiplier_bits=18),
    Sdram(W9825G6KH_6, clock_mhz=100, cas_latency=2),
)

MUTANTS = (
    Mutant("collector.py", "self.words != MOST_ARGUMENTS + 2", "Const(1)"),
    Mutant("collector.py", "is_write & (self.words >= 2)", "is_write"),
    Mutant("collector.py", "~self.complete & (~is_data | self.data.ready)", "~is_data | self.data.ready"),
    Mutant("board.py", "(words == 0) | refused_range(collector, self._requests)", "words == 0"),
    Mutant(
        "board.py",
        "(words == 0) | refused_range(collector, self._requests)",
        "refused_range(collector, self._requests)",
    ),
    Mutant("board.py", "groups + (groups << 1)", "groups << 1"),
    Mutant("checks.py", "too_many & (reads | rounds)", "too_many & reads"),
    Mutant("checks.py", "words[:GROUP_PLACE].any() & rounds", "Const(0)"),
    Mutant("rounded_results.py", "filled == WORD_BITS - 1", "filled[:3].all()"),
    Mutant("rounded_results.py", "number[0] ^ carry", "number[0]"),
    Mutant("rounded_results.py", "carry & number[0]", "carry"),
    Mutant("rounded_results.py", "left == 0", "left <= 1"),
    Mutant("rounded_results.py", "sign ^ ~last", "~sign"),
    Mutant("rounded_results.py", "leaves | rounds_past", "leaves"),
    Mutant("rounded_results.py", "~sign & magnitude.all() & half", "magnitude.all() & half"),
    Mutant("rounded_results.py", "leaves | rounds_past", "rounds_past"),
    Mutant("board.py", "past | (last >= self._parameters.memory_words)", "past"),
    Mutant("board.py", "past | (last >= self._parameters.memory_words)", "last >= self._parameters.memory_words"),
    Mutant("board.py", "words[len(less) :].any()", "Const(0)"),
    Mutant("board.py", "address[2 + bits :].any()", "Const(0)"),
    Mutant("board.py", "(address[:2] != 0)", "Const(0)"),
    Mutant("board.py", "address[2:][:bits] + less", "address[2:][:bits] + words"),
    Mutant(
        "checks.py",
        "(collector.words == request.least_words) & (opcode != Opcode.WRITE)",
        "collector.words <= request.least_words",
    ),
    Mutant("board.py", "(place < self._parameters.memory_words) & (address[:2] == 0)", "address[:2] == 0"),
    Mutant(
        "board.py",
        "(place < self._parameters.memory_words) & (address[:2] == 0)",
        "place < self._parameters.memory_words",
    ),
    Mutant("board.py", "bad | ~inside", "Const(0)"),
    Mutant("field_memory.py", "Mux(adds, word, 0)", "word"),
    Mutant("field_memory.py", "self.succeeded", "Const(1)"),
    Mutant("field_memory.py", "(step == 0) | (step == len(_STEPS) - 1)", "step == len(_STEPS) - 1"),
    Mutant("plan.py", "less_one >= choose(format_, mosts)", "less_one > choose(format_, mosts)"),
    Mutant("plan.py", "self._argument(name)[len(less_one) :].any()", "Const(0)"),
    Mutant("plan.py", "groups << 1", "groups"),
    Mutant("plan.py", "last[bits:].any()", "Const(0)"),
    Mutant("plan.py", "address[2 + bits :].any()", "Const(0)"),
    Mutant("plan.py", "_times(words, units) + (units - 1)", "_times(words, units)"),
    Mutant("plan.py", "outside | (area == 2)", "area == 2"),
    Mutant("product.py", "self.o.ready & upper", "self.o.ready"),
    Mutant("product.py", "left[-1]", "Const(1)"),
    Mutant("responder.py", "~self.o.valid | self.o.ready", "Const(1)"),
    Mutant("responder.py", "self.position + 1 == self.fields", "self.position == self.fields"),
    Mutant("writer.py", "(level >= self._burst) | (self.flush & (level != 0))", "self.flush & (level != 0)"),
    Mutant("writer.py", "~first", "Const(0)"),
    Mutant("writer.py", "fetches & ~write.en", "fetches"),
    Mutant("writer.py", "given & (left != 0)", "given"),
    Mutant("arbiter.py", "self.request.ready & ~writes", "self.request.ready"),
)
"""Number 0 of a build is the board without a fault, number k has mutant k - 1."""

_IMPORTS = """
from hw.board.board import Board
from hw.board.parameters import BoardParameters
from hw.memory.chips import Sdram, SdramChip
from hw.memory.sdram import SdramController
from formats.engine import EngineParameters
"""


def build_mutants(folder: Path) -> Path:
    """Compile a small board that contains every mutant; returns the library.

    Raises
    ------
    ValueError
        If the text of a mutant does not occur once in its file.
    """
    return build_board_mutants(MUTANTS, ".", SMALL, "mutants of the board", folder)


def build_board_mutants(
    mutants: Sequence[Mutant], package: str, board: BoardParameters, label: str, folder: Path
) -> Path:
    """Compile a board that contains mutants of a package's files; returns the library.

    Raises
    ------
    ValueError
        If the text of a mutant does not occur once in its file.
    """
    harness = folder / "harness.cpp"
    switched = switch(mutants, "static_cast<BoardSimulation *>(handle)->simulation.unit")
    harness.write_text(f'#include "{BOARD_HARNESS}"\n{switched}')

    def verilog() -> str:
        unit = f"Board({board!r}, SdramController({board.memory!r}))"
        return switched_verilog(mutants, package, _IMPORTS, unit, folder)

    return build_library(verilog, (board,), harness, label, harness_defines(board))


def open_mutant(library: Path, number: int, share: float, board: BoardParameters = SMALL) -> BoardSimulator:
    """A board at power-up with one of the faults."""
    opened = BoardSimulator(library, board, share)
    switch_on(library, opened._handle, number)
    return opened
