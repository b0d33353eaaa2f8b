"""Cache set: the ways of one set in registers, and what a cycle can do to them."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.router.parameters import UnitParameters

EXPERT_BITS = 8
WAY_BITS = 3

WAY = data.StructLayout({"expert": EXPERT_BITS, "valid": 1, "pinned": 1, "age": WAY_BITS})
"""One way. Ages number the ways of a set, 0 the least recently used; they are stored XOR the way's
own number, so that a memory of zeros is an empty set whose ways fill in ascending order."""


class CacheSet(wiring.Component):
    """Looks up an expert, moves a way to the recent end, pins and unpins; one such step per cycle.

    Parameters
    ----------
    parameters
        The router's size.

    Members
    -------
    load : In(1)
    stored : In(ArrayLayout(WAY, ways))
        State to take over with ``load``.
    state : Out(ArrayLayout(WAY, ways))
        The present state, as it is stored.
    expert : In(8)
        Who is looked up; the answers below are of the same cycle.
    hit : Out(1)
        The expert is here.
    hit_way : Out(3)
        Its way; 0 without a hit.
    free : Out(1)
        A way may be taken: not all are pinned.
    victim_way : Out(3)
        The least recently used way that is not pinned.
    victim_valid : Out(1)
        That way holds an expert.
    victim : Out(8)
        Which.
    touch : In(1)
        Move the expert's way to the recent end.
    replace : In(1)
        Give the expert the victim's way, at the recent end.
    release : In(1)
        Unpin the expert's way.
    pin : In(1)
        Beside ``touch`` or ``replace``: pin the way.
    """

    def __init__(self, parameters: UnitParameters) -> None:
        self._ways = parameters.ways
        ways = data.ArrayLayout(WAY, parameters.ways)
        super().__init__(
            {
                "load": In(1),
                "stored": In(ways),
                "state": Out(ways),
                "expert": In(EXPERT_BITS),
                "hit": Out(1),
                "hit_way": Out(WAY_BITS),
                "free": Out(1),
                "victim_way": Out(WAY_BITS),
                "victim_valid": Out(1),
                "victim": Out(EXPERT_BITS),
                "touch": In(1),
                "replace": In(1),
                "release": In(1),
                "pin": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Two one-hot choices, and their effect."""
        m = Module()
        ways = range(self._ways)
        ages = [Signal(WAY_BITS, name=f"age_{way}") for way in ways]
        m.d.comb += [age.eq(self.state[way].age ^ way) for way, age in enumerate(ages)]
        found = Signal(self._ways)
        chosen = Signal(self._ways)
        for way in ways:
            older = Cat(~self.state[other].pinned & (ages[other] < ages[way]) for other in ways)
            m.d.comb += [
                found[way].eq(self.state[way].valid & (self.state[way].expert == self.expert)),
                chosen[way].eq(~self.state[way].pinned & ~older.any()),
            ]
        m.d.comb += [
            self.hit.eq(found.any()),
            self.hit_way.eq(_pick(found, [Const(way, WAY_BITS) for way in ways])),
            self.free.eq(chosen.any()),
            self.victim_way.eq(_pick(chosen, [Const(way, WAY_BITS) for way in ways])),
            self.victim_valid.eq(_pick(chosen, [self.state[way].valid for way in ways])),
            self.victim.eq(_pick(chosen, [self.state[way].expert for way in ways])),
        ]
        self._update(m, ages, found, chosen)
        return m

    def _update(self, m: Module, ages: list[Signal], found: Signal, chosen: Signal) -> None:
        """Effect of the step on every way."""
        moved = Signal(self._ways)
        moved_age = Signal(WAY_BITS)
        m.d.comb += [
            moved.eq(Mux(self.replace, chosen, Mux(self.touch, found, 0))),
            moved_age.eq(_pick(moved, ages)),
        ]
        for number, age in enumerate(ages):
            way = self.state[number]
            with m.If(self.load):
                m.d.sync += way.eq(self.stored[number])
            with m.Else():
                with m.If(moved[number]):
                    m.d.sync += [way.age.eq((self._ways - 1) ^ number), way.pinned.eq(way.pinned | self.pin)]
                with m.Elif(moved.any() & (age > moved_age)):
                    m.d.sync += way.age.eq((age - 1) ^ number)
                with m.If(chosen[number] & self.replace):
                    m.d.sync += [way.expert.eq(self.expert), way.valid.eq(1)]
                with m.If(found[number] & self.release):
                    m.d.sync += way.pinned.eq(0)


def _pick(one_hot: Signal, values: list[Value]) -> Value:
    """The value at the set bit, 0 if none is."""
    picked: Value = Const(0)
    for bit, value in enumerate(values):
        picked = picked | Mux(one_hot[bit], value, 0)
    return picked
