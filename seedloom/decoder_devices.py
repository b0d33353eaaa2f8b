"""What a whole decoder runs on: fast integers, or a board every cycle of which is simulated."""

import sys
import time
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from formats.decoder.program import MatrixPlace, Program
from formats.matrices import Matrix
from hw.board.boards import BoardMemory
from sw_runtime.decoder.cost import token_cost
from sw_runtime.decoder.emulated import EmulatedDecoder
from sw_runtime.decoder.image.file import Image
from sw_runtime.decoder.sampling import Sampling, likeliest
from sw_runtime.decoder.simulated import SimulatedCost, SimulatedDecoder
from sw_runtime.progress import progress_bar

DEVICES = {"emulated": "ecpix5", "simulated": "ulx3s-64mb"}
"""Device → its board where nobody names one."""


class DecoderDevice(Protocol):
    """One text on a whole decoder."""

    def choose(self, embeddings: NDArray[Any]) -> int:
        """Read further tokens of the text, real [T, dim]; returns the next one."""

    @property
    def counted(self) -> SimulatedCost | None:
        """What its board counted; None where there is none."""

    def close(self) -> None:
        """Free it."""


class EmulatedDevice:
    """The whole decoder on fast integers; drawn tokens follow ``sampling`` and a seed."""

    counted = None

    def __init__(
        self, program: Program, matrices: dict[MatrixPlace, Matrix], sampling: Sampling | None = None, seed: int = 0
    ) -> None:
        self._decoder, self._sampling = EmulatedDecoder(program, matrices), sampling
        self._generator = np.random.default_rng(seed)

    def choose(self, embeddings: NDArray[Any]) -> int:
        """Read further tokens of the text, real [T, dim]; returns the next one."""
        keys = self._decoder.take(embeddings)[0]
        if self._sampling is None:
            return likeliest(keys)
        return self._sampling.draw(keys, self._decoder.program.key_exponent, self._generator)

    def close(self) -> None:
        """Nothing is held."""


class SimulatedDevice:
    """The whole decoder on a simulated board, the model in its memory; a line says how long ``tokens`` take.

    Raises
    ------
    InputError
        If the board cannot be simulated, or its units do not do the program.
    DependencyError
        If the simulator cannot be built.
    """

    def __init__(self, program: Program, matrices: dict[MatrixPlace, Matrix], board: BoardMemory, tokens: int) -> None:
        image, start = Image.of(program, matrices, board), time.perf_counter()
        self._decoder = SimulatedDecoder(program, image)
        rate = self._decoder.simulated_cycles / (time.perf_counter() - start)
        cycles = self._decoder.clock_hz / token_cost(program, board, tokens).tokens_per_second
        print(
            f"about {tokens * cycles / rate / 60:,.1f} min for {tokens} tokens, the prompt's included: "
            f"{cycles / 1e6:,.1f} million cycles per token, {rate / 1e6:.2f} million simulated per second",
            file=sys.stderr,
        )

    def choose(self, embeddings: NDArray[Any]) -> int:
        """Read further tokens of the text, real [T, dim], with a bar if they are several; returns the next one."""
        several = len(embeddings) > 1
        bar = progress_bar(embeddings, "reading the prompt", unit="token", leave=False, disable=not several)
        *_, token = map(self._decoder.take, bar)
        return token

    @property
    def counted(self) -> SimulatedCost:
        """What the board counted so far."""
        return SimulatedCost.of(self._decoder)

    def close(self) -> None:
        """Free the board."""
        self._decoder.close()


def following_tokens(device: DecoderDevice, model: Any, prompt: list[int]) -> Iterator[int]:
    """Endless tokens behind a prompt; the host looks up their embeddings in ``model``."""
    tokens = prompt
    while True:
        with torch.no_grad():
            embeddings = model.get_input_embeddings()(torch.tensor(tokens)).float().numpy()
        token = device.choose(embeddings)
        yield token
        tokens = [token]
