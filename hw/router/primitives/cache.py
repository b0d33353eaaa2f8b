"""Cache: which expert is in which way of a set, least recently used first."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from formats.router.descriptor import ALL_SETS, KEY_BITS, CacheAction, Flag
from formats.router.legality import MAXIMUM_ID, MAXIMUM_IDS
from hw.router.frame.command import command_layout, has, mode, wants_payload
from hw.router.frame.ports import Elements, Words
from hw.router.memories.cache_set import EXPERT_BITS, WAY, WAY_BITS, CacheSet
from hw.router.parameters import UnitParameters

COUNTERS = data.StructLayout({"hits": 32, "misses": 32, "prefetch_hits": 32, "prefetch_misses": 32})
"""What INFO tells of the cache."""


class Cache(wiring.Component):
    """LRU: takes the experts, a cycle each, then answers them, a cycle each.

    While they are taken, hits move to the recent end; misses are replaced while they are answered.
    The set is worked on in registers and stored only at the end of a command without fault. FLUSH
    takes a cycle a set.

    Parameters
    ----------
    parameters
        The router's size.

    Members
    -------
    command : In(command_layout(parameters))
        Stable while the operation runs.
    start : In(1)
        Begin: the set is fetched, then experts are taken.
    finish : Out(1)
        Every expert is taken.
    ended, intact : In(1)
        The packet is over; nothing was wrong with it.
    bad_data : Out(1)
        An expert's number is above 255, or came twice; the set stays as it was.
    done : Out(1)
        The set is stored and every word is on its way.
    count : Out(5)
        Experts that were there.
    counters : Out(COUNTERS)
        Since reset: hits and misses of ACCESS, and of PREFETCH.
    elements : Out(Elements)
        Experts, one a beat.
    words : Out(Words)
        A word per expert: bit 15 it was there, 14 it replaced an expert, 13 no way was left, 10:8 its way,
        7:0 the expert it replaced.
    """

    def __init__(self, parameters: UnitParameters) -> None:
        self._parameters = parameters
        super().__init__(
            {
                "command": In(command_layout(parameters)),
                "start": In(1),
                "finish": Out(1),
                "ended": In(1),
                "intact": In(1),
                "bad_data": Out(1),
                "done": Out(1),
                "count": Out(range(MAXIMUM_IDS + 1)),
                "counters": Out(COUNTERS),
                "elements": Out(Elements(parameters)),
                "words": Out(Words()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Fetch the set, take, answer, store."""
        m = Module()
        parameters, descriptor = self._parameters, self.command.descriptor
        m.submodules.working = working = CacheSet(parameters)
        m.submodules.sets = sets = memory.Memory(
            shape=data.ArrayLayout(WAY, parameters.ways), depth=parameters.sets, init=[]
        )
        read, write = sets.read_port(), sets.write_port()
        position = Signal(range(MAXIMUM_IDS + 1))
        experts = Signal(EXPERT_BITS * MAXIMUM_IDS)
        found = Signal(MAXIMUM_IDS)
        found_ways = Signal(WAY_BITS * MAXIMUM_IDS)
        number = Signal(range(parameters.sets))
        faulty = Signal()  # the packet, or an expert: goes the same way, but leaves no trace
        element = Signal(KEY_BITS)
        releases = mode(descriptor) == CacheAction.RELEASE
        m.d.comb += [
            element.eq(self.elements.elements[0]),
            read.addr.eq(descriptor.x),
            working.stored.eq(read.data),
            working.pin.eq(has(descriptor, Flag.LRU_PIN)),
            write.addr.eq(number),
        ]
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [position.eq(0), number.eq(descriptor.x)]
                with m.If(self.start):
                    m.d.sync += [self.bad_data.eq(0), self.count.eq(0), found.eq(0)]
                    m.next = "FETCH"
                    with m.If(mode(descriptor) == CacheAction.FLUSH):
                        m.next = "FLUSH"
                        with m.If(descriptor.x[:16] == ALL_SETS):
                            m.d.sync += number.eq(parameters.sets - 1)
            with m.State("FETCH"):
                m.d.comb += working.load.eq(1)
                m.next = "TAKE"
            with m.State("TAKE"):
                m.d.comb += [
                    self.elements.ready.eq(position != descriptor.n),
                    working.expert.eq(element),
                    working.touch.eq(self.elements.ready & self.elements.valid & ~releases),
                    working.release.eq(self.elements.ready & self.elements.valid & releases),
                ]
                with m.If(~self.elements.ready):
                    m.d.sync += position.eq(0)
                    m.next = "SETTLE"
                with m.Elif(self.elements.valid):
                    m.d.sync += [
                        position.eq(position + 1),
                        experts.word_select(position, EXPERT_BITS).eq(element),
                        found.bit_select(position, 1).eq(working.hit),
                        found_ways.word_select(position, WAY_BITS).eq(working.hit_way),
                        self.count.eq(self.count + working.hit),
                        self.bad_data.eq(self.bad_data | self._is_bad(element, position, experts)),
                    ]
            with m.State("SETTLE"):
                m.d.comb += self.finish.eq(1)
                m.d.sync += faulty.eq(~self.intact | self.bad_data)
                with m.If(self.ended):
                    m.next = "ANSWER"
            with m.State("ANSWER"):
                hit = found.bit_select(position, 1)
                hit_way = found_ways.word_select(position, WAY_BITS)
                step = Signal()
                m.d.comb += [
                    step.eq((position != descriptor.n) & (self.words.room | ~wants_payload(descriptor))),
                    working.expert.eq(experts.word_select(position, EXPERT_BITS)),
                    working.replace.eq(step & ~hit & ~releases & working.free),
                    self.words.valid.eq(step & wants_payload(descriptor) & ~faulty),
                ]
                with m.If(self.words.valid & hit):
                    m.d.comb += self.words.word.eq(Cat(Const(0, EXPERT_BITS), hit_way, Const(0b1_0000, 5)))
                with m.Elif(self.words.valid & ~releases):
                    m.d.comb += self.words.word.eq(self._missed(working))
                with m.If(step):
                    m.d.sync += position.eq(position + 1)
                with m.If(position == descriptor.n):
                    m.next = "STORE"
            with m.State("STORE"):
                m.d.comb += [write.en.eq(~faulty), write.data.eq(working.state)]
                with m.If(faulty):
                    m.d.sync += self.count.eq(0)
                with m.Else():
                    self._count(m)
                m.next = "DONE"
            with m.State("FLUSH"):
                m.d.comb += write.en.eq(1)
                m.d.sync += number.eq(number - 1)
                with m.If((descriptor.x[:16] != ALL_SETS) | (number == 0)):
                    m.next = "DONE"
            with m.State("DONE"):
                m.d.comb += self.done.eq(1)
                m.next = "IDLE"
        return m

    def _missed(self, working: CacheSet) -> Value:
        """Word of an expert that was not there: what it replaces, if it may."""
        victim = Mux(working.victim_valid, working.victim, 0)
        return Cat(victim, working.victim_way, Const(0, 2), ~working.free, working.victim_valid, Const(0))

    def _is_bad(self, element: Signal, position: Signal, experts: Signal) -> Value:
        """An expert that is no byte, or has come before."""
        earlier = [
            (position > index) & (experts.word_select(index, EXPERT_BITS) == element) for index in range(MAXIMUM_IDS)
        ]
        return (element > MAXIMUM_ID) | Cat(earlier).any()

    def _count(self, m: Module) -> None:
        """Add this command's hits and misses up."""
        descriptor, counters = self.command.descriptor, self.counters
        misses = descriptor.n[: len(self.count)] - self.count
        with m.If(mode(descriptor) == CacheAction.ACCESS):
            m.d.sync += [counters.hits.eq(counters.hits + self.count), counters.misses.eq(counters.misses + misses)]
        with m.Elif(mode(descriptor) == CacheAction.PREFETCH):
            m.d.sync += [
                counters.prefetch_hits.eq(counters.prefetch_hits + self.count),
                counters.prefetch_misses.eq(counters.prefetch_misses + misses),
            ]
