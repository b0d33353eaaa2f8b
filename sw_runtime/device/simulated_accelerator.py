"""The Verilog of engine and router together, cycle by cycle: a router that an engine feeds."""

from formats.engine import EngineParameters
from formats.router.answer import Answer
from formats.router.descriptor import Command, RouterParameters
from sw_runtime.device.layout import Beats
from sw_runtime.device.routing import TRAILER_WORDS
from sw_runtime.device.simulated_router import SimulatedRouter, answer_of, unit_parameters
from sw_runtime.device.simulator.accelerator_library import AcceleratorSimulator, build_accelerator
from sw_runtime.device.simulator.library import Traffic

PAYLOAD_WORDS = 2
"""Most words a routed command answers besides the trailer: FIRST's index."""


class SimulatedAccelerator(SimulatedRouter):
    """A simulated router whose data may also come from the engine beside it.

    Parameters
    ----------
    engine, router
        The units to simulate.

    Raises
    ------
    ValueError
        If hardware cannot be built for the router's parameters.
    RuntimeError
        If the simulator cannot be built.
    """

    def __init__(self, engine: EngineParameters, router: RouterParameters) -> None:
        unit = unit_parameters(router)
        self._joint = AcceleratorSimulator(build_accelerator(engine, unit), unit)
        super().__init__(router, self._joint)

    def execute_product(
        self, product: int, command: Command, beats: Beats, scales: Beats, traffic: Traffic
    ) -> tuple[Answer, int]:
        """Run a product and the command that takes its results; see ``AcceleratorSimulator.run_product``.

        Returns
        -------
        tuple[Answer, int]
            The answer, and cycles from both commands to its last word.

        Raises
        ------
        RuntimeError
            If the accelerator stops answering.
        """
        word_limit = PAYLOAD_WORDS + TRAILER_WORDS + 1
        words, cycles = self._joint.run_product(product, command, beats, scales, word_limit, traffic)
        return answer_of(words)[0], cycles
