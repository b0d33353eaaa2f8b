"""What is measured: components of the hardware, by name."""

from collections.abc import Callable
from dataclasses import dataclass

from amaranth.lib import wiring

from golden_models.seedlm.block_format import PRESETS
from hw.engine import Engine
from hw.fp16_lane import Fp16Lane
from hw.lane import Lane
from hw.parameters import EngineParameters, Fp16Format


@dataclass(frozen=True)
class Design:
    """A component to measure.

    Parameters
    ----------
    name
        What tables and the command line call it.
    build
        Makes the component.
    lanes
        Blocks it takes a cycle.
    ecp5
        Synthesise, place and route it for an ECP5, not for 7-series alone.
    """

    name: str
    build: Callable[[], wiring.Component]
    lanes: int = 1
    ecp5: bool = True


def lane(*presets: str) -> Callable[[], wiring.Component]:
    """One seed lane for 16-bit activations that decodes the given presets."""
    return lambda: Lane([PRESETS[preset] for preset in presets], activation_bits=16, batch=1)


def engine(*formats: str, port_bytes: int) -> Callable[[], wiring.Component]:
    """An engine with as many lanes as the port feeds."""
    return lambda: Engine(EngineParameters(formats, port_bytes=port_bytes))


DESIGNS: dict[str, Design] = {
    design.name: design
    for design in (
        *(Design(f"{preset} lane", lane(preset)) for preset in PRESETS),
        Design("scaled-4bit and -3bit lane", lane("scaled-4bit", "scaled-3bit")),
        Design("fp16 lane", lambda: Fp16Lane(Fp16Format(), activation_bits=16, batch=1)),
        Design("paper-4bit engine, 1 lane", engine("paper-4bit", port_bytes=4)),
        Design("scaled-4bit engine, 1 lane", engine("scaled-4bit", port_bytes=4)),
        Design("paper-4bit engine, 16 lanes", engine("paper-4bit", port_bytes=64), lanes=16, ecp5=False),
        Design("scaled-4bit engine, 16 lanes", engine("scaled-4bit", port_bytes=64), lanes=16, ecp5=False),
    )
}
"""Lanes, and engines on the smallest and the widest memory port."""
