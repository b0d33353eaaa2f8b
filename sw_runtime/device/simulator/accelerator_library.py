"""The compiled simulator of engine and router together as Python sees it: one call a routed product."""

import ctypes
from pathlib import Path

import numpy as np

from formats.engine import EngineParameters
from formats.router.descriptor import Command
from hw.router.parameters import UnitParameters
from hw.top import Accelerator
from hw.verilog import convert
from sw_runtime.device.layout import Beats
from sw_runtime.device.simulator.build import build_library
from sw_runtime.device.simulator.library import ALWAYS, Traffic
from sw_runtime.device.simulator.router_library import RouterSimulator

HARNESS = Path(__file__).with_name("accelerator_harness.cpp")


class RoutedProduct(ctypes.Structure):
    """Mirror of the harness's struct of the same name."""

    _fields_ = (
        ("product_command", ctypes.c_char_p),
        ("router_command", ctypes.c_void_p),
        ("beats", ctypes.c_void_p),
        ("beat_count", ctypes.c_uint64),
        ("scales", ctypes.c_void_p),
        ("scale_count", ctypes.c_uint64),
        ("words", ctypes.c_void_p),
        ("word_limit", ctypes.c_uint64),
        ("word_count", ctypes.c_uint64),
        ("data_chance", ctypes.c_uint64),
        ("answer_chance", ctypes.c_uint64),
        ("cycle_limit", ctypes.c_uint64),
        ("cycles", ctypes.c_uint64),
    )


def build_accelerator(engine: EngineParameters, router: UnitParameters) -> Path:
    """Compile the simulator of an engine with a router and return its library; instant when the cache has it.

    Raises
    ------
    RuntimeError
        If a tool is missing or fails, with its last words.
    """
    label = f"{'+'.join(engine.formats)} and router of {router.lanes} lanes"
    parts = (engine, router)
    return build_library(lambda: convert(Accelerator(*parts), "accelerator"), parts, "accelerator", HARNESS, label)


class AcceleratorSimulator(RouterSimulator):
    """One engine with its router under simulation: the router's commands, and products that feed it.

    Parameters
    ----------
    library
        What ``build_accelerator`` returned.
    router
        The router's size.
    seed
        Start of the pseudo-random pauses.
    """

    def __init__(self, library: Path, router: UnitParameters, seed: int = 0) -> None:
        super().__init__(library, router, seed)
        self._library.accelerator_command_bytes.restype = ctypes.c_uint64
        self._library.accelerator_run.argtypes = [ctypes.c_void_p, ctypes.POINTER(RoutedProduct)]
        self._command_bytes = int(self._library.accelerator_command_bytes())

    def run_product(
        self, product: int, command: Command, beats: Beats, scales: Beats, word_limit: int, traffic: Traffic
    ) -> tuple[list[int], int]:
        """Run a product whose results are the data of a router command.

        Parameters
        ----------
        product
            The product's command as bits, see ``hw.top.joint_command_layout``.
        command
            The router's.
        beats
            Activations and weights.
        scales
            uint8 [rows, 2], the rows' bfloat16 scales.
        word_limit
            Most words the answer may have.
        traffic
            Pauses of the memory, and of the host as it takes the answer.

        Returns
        -------
        tuple[list[int], int]
            Words of the answer, and cycles from both commands to its last word.

        Raises
        ------
        RuntimeError
            If the answer does not come, with the cycle at which it was given up.
        """
        router_command = np.array(command.words(), dtype="<u4")
        words = np.zeros(word_limit, dtype=np.uint16)
        run = RoutedProduct(
            product_command=product.to_bytes(self._command_bytes, "little"),
            router_command=router_command.ctypes.data,
            beats=beats.ctypes.data,
            beat_count=len(beats),
            scales=scales.ctypes.data,
            scale_count=len(scales),
            words=words.ctypes.data,
            word_limit=word_limit,
            data_chance=round(traffic.memory * ALWAYS),
            answer_chance=round(traffic.results * ALWAYS),
            cycle_limit=int(4 * (len(beats) + len(scales) + word_limit) / min(traffic.memory, traffic.results))
            + 10_000,
        )
        if self._library.accelerator_run(self._router, ctypes.byref(run)):
            raise RuntimeError(f"the simulated accelerator did not answer a routed product in {run.cycles} cycles")
        return words[: run.word_count].tolist(), int(run.cycles)
