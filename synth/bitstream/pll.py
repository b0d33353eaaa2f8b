"""The ECP5's PLL, as a cell."""

from collections.abc import Mapping
from dataclasses import dataclass

from amaranth.hdl import Const, Instance, Signal, Value

VCO_MHZ = 600
"""Of the PLL's own oscillator, about: the middle of what it can do, 400 to 800."""

FIRST = "CLKOP"
"""The output that is fed back."""

_UNUSED = ("RST", "STDBY", "PHASESEL0", "PHASESEL1", "PHASEDIR", "PHASESTEP", "PHASELOADREG", "PLLWAKESYNC")


@dataclass(frozen=True)
class Pll:
    """The cell, the clocks that it makes by their outputs' names, and whether they are steady."""

    cell: Instance
    clocks: Mapping[str, Signal]
    locked: Signal


def pll(source: Value, before: int, feedback: int, dividers: Mapping[str, int]) -> Pll:
    """A PLL.

    Parameters
    ----------
    source
        Clock that comes in.
    before, feedback
        Divider of it, and of ``FIRST`` where it is compared with it.
    dividers
        Output → divider of the PLL's own oscillator; ``FIRST`` is one of them.
    """
    clocks, locked = {name: Signal(name=f"pll_{name.lower()}") for name in dividers}, Signal(name="pll_locked")
    outputs: dict[str, object] = {}
    for name, divider in dividers.items():
        outputs |= {
            f"p_{name}_DIV": divider,
            f"p_{name}_CPHASE": divider - 1,
            f"p_{name}_ENABLE": "ENABLED",
            f"i_EN{name}": Const(0),
            f"o_{name}": clocks[name],
        }
    cell = Instance(
        "EHXPLLL",
        p_CLKI_DIV=before,
        p_CLKFB_DIV=feedback,
        p_FEEDBK_PATH=FIRST,
        i_CLKI=source,
        i_CLKFB=clocks[FIRST],
        o_LOCK=locked,
        **{f"i_{name}": Const(0) for name in _UNUSED},
        **outputs,
    )
    return Pll(cell, clocks, locked)
