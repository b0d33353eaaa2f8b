"""A whole decoder without the board: its Verilog, every cycle simulated, its memory chip included."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from formats.decoder.program import Program
from hw.board.boards import BOARDS, board_sdram
from hw.board.parameters import BoardParameters
from sw_runtime.decoder.cost import token_cost
from sw_runtime.decoder.image.file import Image
from sw_runtime.decoder.image.memory_map import WHOLE
from sw_runtime.decoder.on_board import BoardDecoder, TokenAnswer
from sw_runtime.decoder.units import units_for
from sw_runtime.device.simulated_board import ECP5_MULTIPLIER_BITS, SimulatedChannel
from sw_runtime.device.simulator.board import BoardSimulator
from sw_runtime.device.simulator.build import build_board


class SimulatedDecoder:
    """One text on a simulated board, whose units are as large as the program needs.

    Parameters
    ----------
    program
        With a context that fits the image's board.
    image
        Of this program. It is written into the board's memory by requests, as into a real one.

    Raises
    ------
    InputError
        If the image's board cannot be simulated, or the units do not do the program.
    DependencyError
        If the simulator cannot be built.
    """

    def __init__(self, program: Program, image: Image) -> None:
        parameters = decoder_board(image)
        self.program, self.board = program, BOARDS[image.contents.board]
        self.clock_hz = parameters.clock_mhz * 1e6
        self.answers: list[TokenAnswer] = []
        self._simulator = BoardSimulator(build_board(parameters), parameters)
        self._decoder = BoardDecoder(SimulatedChannel(self._simulator), image)

    @property
    def simulated_cycles(self) -> int:
        """Cycles simulated so far, those of writing the memory included."""
        return self._simulator.cycles

    def take(self, embedding: NDArray[np.float32], program: str = WHOLE) -> int:
        """Read a further token of the text, real [dim], by one of the image's programs; returns the likeliest next one.

        Raises
        ------
        InputError
            If the text grows longer than the image's context, or there is no such program.
        DeviceError
            If the board refuses, or stops answering.
        """
        self.answers.append(self._decoder.take(embedding, program))
        return self.answers[-1].token

    def rewind(self, tokens: int) -> None:
        """Forget all but the first tokens.

        Raises
        ------
        InputError
            If the text has fewer.
        """
        self._decoder.rewind(tokens)

    def close(self) -> None:
        """Free the board."""
        self._decoder.close()


def decoder_board(image: Image) -> BoardParameters:
    """What the board of an image is built for, to run its programs.

    Raises
    ------
    InputError
        If the image's board cannot be simulated, or the units do not do the programs.
    """
    programs = [image.reader(name).program() for name in image.programs]
    sdram = board_sdram(image.contents.board)
    engine = replace(image.contents.engine, multiplier_bits=ECP5_MULTIPLIER_BITS)
    return BoardParameters(engine, sdram.chip, sdram.clock_mhz, sdram.cas_latency, decoder=units_for(*programs))


@dataclass(frozen=True)
class SimulatedCost:
    """What a text took on a simulated board, a mean over all its tokens.

    Parameters
    ----------
    cycles
        Per token, counted by the board.
    memory_bytes
        That its program reads and writes per token: derived.
    memory_busy
        These bytes over what the chip moves at its peak in as many cycles.
    tokens_per_second
        At the board's clock, without the link.
    """

    cycles: float
    memory_bytes: int
    memory_busy: float
    tokens_per_second: float

    @classmethod
    def of(cls, decoder: SimulatedDecoder) -> "SimulatedCost":
        """Cost of what a decoder has taken so far, one token at least."""
        count = len(decoder.answers)
        cycles = sum(answer.cycles for answer in decoder.answers) / count
        moved = token_cost(decoder.program, decoder.board, seen=(count + 1) // 2).memory_bytes
        peak = decoder.board.peak_bytes_per_second / decoder.clock_hz
        return cls(cycles, moved, moved / (peak * cycles), decoder.clock_hz / cycles)
