"""A whole decoder without the board: its Verilog, every cycle simulated, its memory chip included."""

import time
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

from numpy.typing import NDArray

from hw.board.parameters import BoardParameters
from sw_runtime.decoder.image.file import Image
from sw_runtime.decoder.image.memory_map import WHOLE
from sw_runtime.decoder.on_board import BoardDecoder, TokenAnswer
from sw_runtime.decoder.units import units_for
from sw_runtime.device.simulated_board import SimulatedChannel, board_parameters
from sw_runtime.device.simulator.board import BoardSimulator
from sw_runtime.device.simulator.build import FAST, FASTEST
from sw_runtime.device.simulator.build_boards import build_board

SIGNAL_SECONDS = 0.2
"""Most that a signal waits: one that comes just before a wait does not end it."""

LARGE_IMAGE_BYTES = 1 << 25
"""A token of a larger image takes more than 16 million cycles: half a minute more of compiling pays after a few."""


class SimulatedDecoder(BoardDecoder):
    """One text on a simulated board, whose units are as large as the image's programs need.

    Parameters
    ----------
    image
        Written into the board's memory by requests, as into a real one.

    Attributes
    ----------
    cycles_per_second
        That this machine simulated while the memory was written.

    Raises
    ------
    InputError
        If the image's board cannot be simulated, or the units do not do the programs.
    DependencyError
        If the simulator cannot be built.
    """

    def __init__(self, image: Image) -> None:
        parameters = decoder_board(image)
        optimisation = FASTEST if image.memory.nbytes > LARGE_IMAGE_BYTES else FAST
        self._simulator = BoardSimulator(build_board(parameters, optimisation), parameters)
        self._thread = ThreadPoolExecutor(max_workers=1)
        start = time.perf_counter()  # the simulator is built
        super().__init__(SimulatedChannel(self._simulator), image)
        self.cycles_per_second = self.simulated_cycles / (time.perf_counter() - start)

    def take(
        self, embeddings: NDArray[Any], best: int = 1, program: str = WHOLE, row: int | None = None
    ) -> TokenAnswer:
        """As ``BoardDecoder.take``, in a thread of its own: signals are answered while a token is simulated."""
        taken = self._thread.submit(super().take, embeddings, best, program, row)
        while not wait([taken], timeout=SIGNAL_SECONDS).done:
            pass
        return taken.result()

    def close(self) -> None:
        """Wait for the token under way, and free the board."""
        self._thread.shutdown()
        super().close()

    @property
    def simulated_cycles(self) -> int:
        """Cycles simulated so far, those of writing the memory included."""
        return self._simulator.cycles


def decoder_board(image: Image) -> BoardParameters:
    """What the board of an image is built for, to run its programs.

    Raises
    ------
    InputError
        If the image's board cannot be simulated, or the units do not do the programs.
    """
    return board_parameters(image.contents.board, image.contents.engine, units_for(*image.read_programs()))
