"""Choice: which of a row's lanes passes a bound first, and which holds the largest key."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from formats.router.descriptor import KEY_BITS
from hw.router.frame.ports import key_row
from hw.router.parameters import UnitParameters

CHOICE_LATENCY = 3


CHOICE = data.StructLayout({"passed": 1, "passed_lane": 4, "key": KEY_BITS, "key_lane": 4})
"""The best of some lanes: the first that passed, if one ``passed``, and the first of the largest keys."""


class LaneChoice(wiring.Component):
    """Compares and reduces a row per cycle; the latency is ``CHOICE_LATENCY`` cycles.

    Parameters
    ----------
    parameters
        The router's size.

    Members
    -------
    keys, limits : In(ArrayLayout(24, lanes))
        A lane passes if its key is greater than its limit.
    inside : In(lanes)
        Lanes that hold a key, the lowest ones; one at least.
    bounded : In(1)
        Without it no lane passes.
    closed : In(1)
        A key equal to its limit passes too.
    o : Out(CHOICE)
    """

    def __init__(self, parameters: UnitParameters) -> None:
        self._lanes = parameters.lanes
        super().__init__(
            {
                "keys": In(key_row(parameters)),
                "limits": In(key_row(parameters)),
                "inside": In(parameters.lanes),
                "bounded": In(1),
                "closed": In(1),
                "o": Out(CHOICE),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Compare, then a tree cut by a register."""
        m = Module()
        choices = []
        for lane in range(self._lanes):
            choice = Signal(CHOICE, name=f"lane_{lane}")
            key, limit, inside = self.keys[lane], self.limits[lane], self.inside[lane]
            m.d.sync += [
                choice.passed.eq(inside & self.bounded & ((key > limit) | (self.closed & (key == limit)))),
                choice.passed_lane.eq(lane),
                # 0 never beats the key of an earlier lane, and there is one
                choice.key.eq(Mux(inside, key, 0)),
                choice.key_lane.eq(lane),
            ]
            choices.append(choice)
        levels = (self._lanes - 1).bit_length()
        for level in range(levels):
            domain = "sync" if level in (levels // 2 - 1, levels - 1) else "comb"
            choices = [
                self._better(m, f"level_{level}_{index}", choices[2 * index], choices[2 * index + 1], domain)
                for index in range(len(choices) // 2)
            ]
        m.d.comb += self.o.eq(choices[0])
        return m

    def _better(self, m: Module, name: str, low: data.View, high: data.View, domain: str) -> data.View:
        """The better of two choices; ``low`` has the lower lanes."""
        better = Signal(CHOICE, name=name)
        higher = Signal(name=f"{name}_higher")
        m.d.comb += higher.eq(high.key > low.key)
        m.d[domain] += [
            better.passed.eq(low.passed | high.passed),
            better.passed_lane.eq(Mux(low.passed, low.passed_lane, high.passed_lane)),
            better.key.eq(Mux(higher, high.key, low.key)),
            better.key_lane.eq(Mux(higher, high.key_lane, low.key_lane)),
        ]
        return better
