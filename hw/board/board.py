"""A board's logic: requests in, responses out, a memory behind them, and an engine or a decoder."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from formats.board_requests import MAXIMUM_WORDS, NEEDS_MEMORY, REQUESTS, WORD_BYTES, Opcode, Request, Status
from hw.board.card import CardSlot
from hw.board.checks import GROUP_PLACE, compare, refused_range
from hw.board.collector import Collector
from hw.board.field_memory import IDENTITY, RESULT, SUMS, FieldMemory
from hw.board.parameters import BoardParameters
from hw.board.product import Product
from hw.board.responder import Responder
from hw.board.rounded_results import RoundedResults
from hw.crc import Crc32
from hw.decoder.decoder import Decoder
from hw.memory.face import connect_outside, outside
from hw.memory.memory import Memory
from hw.request_words import WORDS
from hw.storage.card import CardPins

CHECKSUM_BITS = 16
"""Of a word that are summed per cycle: chips of 16 bits bring no more, and all 32 take more cells."""


@dataclass(frozen=True)
class _Parts:
    """What the board is made of, and the status of the request under way."""

    collector: Collector
    responder: Responder
    fields: FieldMemory
    memory: Memory
    work: Product | Decoder
    checksum: Crc32
    status: Signal
    card: CardSlot | None
    rounded: RoundedResults | None


class Board(wiring.Component):
    """Does requests of ``formats.board_requests`` one after the other, and answers each.

    Whatever the words of a request are, it comes to an end: what it would read and write is counted and checked
    before anything begins. A request is taken only as fast as it can be done, and nothing of the next one before
    the last word of its response is offered.

    Parameters
    ----------
    parameters
        Engine, memory and build.
    controller
        Of the memory. What it has beside its requests and their answers, such as a chip's pins, the board has too.

    Members
    -------
    i : In(WORDS)
    o : Out(WORDS)
    pins, or others
        Of the controller.
    card, loading : Out(CardPins()), Out(1)
        Of a board with a card slot: its pins, and whether the memory is being loaded.
    """

    def __init__(self, parameters: BoardParameters, controller: wiring.Component) -> None:
        self._parameters, self._controller = parameters, controller
        self._memory = Memory(
            parameters.memory,
            parameters.engine.port_bytes,
            parameters.word_bits,
            parameters.side_bits,
        )
        slot = {"card": Out(CardPins()), "loading": Out(1)} if parameters.card else {}
        super().__init__({"i": In(WORDS), "o": Out(WORDS), **outside(controller), **slot})

    def elaborate(self, platform: object) -> Module:
        """Take a request, do it, answer it."""
        m = Module()
        m.submodules.collector = collector = Collector()
        m.submodules.memory = memory = self._memory
        m.submodules.controller = controller = self._controller
        m.submodules.work = work = Decoder(self._parameters) if self._parameters.decoder else Product(self._parameters)
        m.submodules.checksum = checksum = Crc32(CHECKSUM_BITS)
        identity = self._parameters.identity()
        m.submodules.responder = responder = Responder(len(identity))
        m.submodules.fields = fields = FieldMemory(identity, len(responder.position))
        card = CardSlot(self._parameters) if self._parameters.card else None
        rounded = None if self._parameters.decoder else RoundedResults(self._parameters.engine.accumulator_bits)
        parts = _Parts(collector, responder, fields, memory, work, checksum, Signal(8), card, rounded)
        connect(m, flipped(self.i), collector.i)
        connect(m, responder.o, flipped(self.o))
        connect(m, memory.request, controller.i)
        m.d.comb += [memory.read_valid.eq(controller.read_valid), memory.read_data.eq(controller.read_data)]
        connect_outside(m, controller, self, outside(controller))
        if rounded:
            m.submodules.rounded = rounded
            m.d.comb += rounded.places.eq(collector.arguments[2])
        self._answer(m, parts)
        self._serve(m, parts)
        if card:
            self._load(m, card, memory)
        return m

    @property
    def _work(self) -> Opcode:
        """The request that the board gives its memory to."""
        return Opcode.TOKEN if self._parameters.decoder else Opcode.PRODUCT

    @property
    def _requests(self) -> dict[Opcode, Request]:
        """What the board knows."""
        others = {Opcode.PRODUCT, Opcode.RESULTS} if self._parameters.decoder else {Opcode.TOKEN}
        if not self._parameters.card:
            others |= {Opcode.LOAD_CARD, Opcode.CARD_STATUS}
        return {opcode: request for opcode, request in REQUESTS.items() if opcode not in others}

    def _answer(self, m: Module, parts: _Parts) -> None:
        """What the responder sends for the request under way."""
        collector, responder, fields, work = parts.collector, parts.responder, parts.fields, parts.work
        m.d.comb += [
            responder.header.eq(Cat(collector.opcode[:8], parts.status)),
            responder.field.eq(fields.field),
            fields.position.eq(responder.position),
            fields.opcode.eq(collector.opcode),
            fields.cycles.eq(work.cycles),
            fields.port_busy.eq(work.port_busy),
            fields.checksum.eq(parts.checksum.crc),
            fields.succeeded.eq(parts.status == Status.OK),
        ]
        areas = {Opcode.IDENTIFY: IDENTITY, Opcode.COUNTERS: SUMS}
        with m.If(parts.status == Status.OK), m.Switch(collector.opcode[:8]):
            for opcode, request in self._requests.items():
                with m.Case(opcode):
                    words = sum(field.words for field in request.answer)
                    if opcode == Opcode.IDENTIFY:
                        words = len(self._parameters.identity())
                    m.d.comb += [responder.fields.eq(words), fields.area.eq(areas.get(opcode, RESULT))]
                    if opcode == Opcode.READ:
                        m.d.comb += responder.words.eq(collector.arguments[1])
                    if opcode == Opcode.RESULTS:
                        groups = collector.arguments[1][GROUP_PLACE : MAXIMUM_WORDS.bit_length()]
                        m.d.comb += responder.words.eq(groups + (groups << 1))  # three words a group
                    if isinstance(work, Decoder) and opcode == Opcode.TOKEN:
                        m.d.comb += responder.words.eq(work.best << 1)
                    if opcode == Opcode.CARD_STATUS:  # which change while they are sent, so none is kept as a field
                        m.d.comb += [responder.fields.eq(0), responder.words.eq(words)]

    def _serve(self, m: Module, parts: _Parts) -> None:
        """One state a step of a request."""
        collector, responder, work = parts.collector, parts.responder, parts.work
        m.d.comb += work.arguments.eq(collector.arguments)
        compared = compare(m, collector, self._requests)
        with m.FSM():
            with m.State("RESET"), m.If(parts.fields.done):
                m.next = "COLLECT"
            with m.State("COLLECT"):
                with m.If(collector.complete):
                    m.next = "CHECK"
                with m.Elif((collector.opcode == Opcode.WRITE) & (collector.words == 2)):
                    m.next = "WRITE"
                    if parts.card:
                        with m.If(parts.card.loading):
                            m.next = "DROP"
            self._write(m, parts)
            if parts.card:
                self._drop(m, parts)
            with m.State("CHECK"):
                self._check(m, parts, compared)
            self._read(m, parts)
            with m.State("WORK"):
                m.d.sync += parts.status.eq(work.status)
                with m.If(work.done):
                    m.next = "KEEP"
            with m.State("KEEP"):
                m.d.comb += parts.fields.start.eq(1)
                with m.If(parts.fields.done):
                    m.next = "RESPOND"
            with m.State("RESPOND"):
                m.d.comb += responder.start.eq(1)
                m.next = "RESPONSE"
            with m.State("RESPONSE"):
                self._pass(m, parts.memory.o, responder.data)
                if parts.rounded:
                    with m.If(collector.opcode == Opcode.RESULTS):
                        self._pass(m, parts.memory.o, parts.rounded.i)
                        self._pass(m, parts.rounded.o, responder.data)
                if isinstance(work, Decoder):
                    with m.If(collector.opcode == Opcode.TOKEN):
                        self._pass(m, work.o_best, responder.data)
                if parts.card:
                    with m.If(collector.opcode == Opcode.CARD_STATUS):
                        self._pass(m, parts.card.o_status, responder.data)
                with m.If(responder.done):
                    m.d.comb += collector.clear.eq(1)
                    m.next = "COLLECT"
        works = Signal()  # state WORK, which many paths begin with
        m.d.sync += works.eq((works | work.start) & ~work.done)
        with m.If(works):
            self._give_memory(m, parts)

    def _check(self, m: Module, parts: _Parts, compared: dict[Opcode, tuple[Signal, Signal]]) -> None:
        """Opcode and length."""
        m.d.sync += parts.status.eq(Status.UNKNOWN_OPCODE)
        m.next = "RESPOND"
        reading = dict.fromkeys((Opcode.READ, Opcode.CHECKSUM, Opcode.RESULTS), "RANGE")
        following = reading | {Opcode.RESET: "KEEP", self._work: "WORK"}
        for opcode, (named, right) in compared.items():
            with m.If(named):
                m.d.sync += parts.status.eq(Status.WRONG_LENGTH)
            with m.If(right):
                m.d.sync += parts.status.eq(Status.OK)
                m.d.comb += parts.work.start.eq(opcode == self._work)
                m.next = following.get(opcode, "RESPOND")
                if parts.card:
                    self._check_loading(m, parts, parts.card, opcode)

    def _check_loading(self, m: Module, parts: _Parts, card: CardSlot, opcode: Opcode) -> None:
        """Begin a loading, or refuse what needs the memory during one."""
        if opcode == Opcode.LOAD_CARD:
            m.d.comb += card.start.eq(~card.loading)
        with m.If(card.loading & (opcode in NEEDS_MEMORY)):
            m.d.sync += parts.status.eq(Status.BUSY)
            m.d.comb += parts.work.start.eq(0)
            m.next = "RESPOND"

    def _write(self, m: Module, parts: _Parts) -> None:
        """Data of a WRITE as they come, those past the memory's end left out."""
        collector, memory = parts.collector, parts.memory
        address, bad = collector.arguments[0], Signal()
        # bound: only places inside are counted up
        place = Signal(range(self._parameters.memory_words + 1))
        inside = (place < self._parameters.memory_words) & (address[:2] == 0) & ~bad
        with m.State("WRITE"):
            m.d.comb += [memory.start.eq(1), memory.address.eq(address[2:])]
            m.d.sync += [place.eq(address[2:]), bad.eq(address[2 + len(place) :].any())]
            m.next = "WORDS"
        with m.State("WORDS"):
            m.d.comb += [
                memory.i.payload.eq(collector.data.payload),
                memory.i.valid.eq(collector.data.valid & inside),
                collector.data.ready.eq(memory.i.ready | ~inside),
            ]
            with m.If(collector.data.valid & collector.data.ready):
                m.d.sync += [place.eq(place + inside), bad.eq(bad | ~inside)]
            with m.If(collector.complete):
                m.next = "FLUSH"
        with m.State("FLUSH"):
            m.d.comb += memory.flush.eq(1)
            m.d.sync += parts.status.eq(Mux(bad, Status.BAD_ADDRESS, Status.OK))
            with m.If(memory.empty):
                m.next = "RESPOND"

    def _drop(self, m: Module, parts: _Parts) -> None:
        """Data of a WRITE during a loading."""
        with m.State("DROP"):
            m.d.comb += parts.collector.data.ready.eq(1)
            m.d.sync += parts.status.eq(Status.BUSY)
            with m.If(parts.collector.complete):
                m.next = "RESPOND"

    def _read(self, m: Module, parts: _Parts) -> None:
        """The range of a READ, CHECKSUM or RESULTS, its words, and their checksum."""
        collector, memory, checksum = parts.collector, parts.memory, parts.checksum
        address, words = collector.arguments[0], collector.arguments[1]
        is_checksum, upper = collector.opcode == Opcode.CHECKSUM, Signal()
        # bound: words less one, and an address, of a range that does not reach past the memory's end
        less, bits = Signal(range(self._parameters.memory_words + 1)), (self._parameters.memory_words - 1).bit_length()
        last, past = Signal(len(less) + 1), Signal()
        # the first is there in CHECK, the sum in RANGE: the request's last word came a cycle before CHECK
        m.d.sync += less.eq(words - 1)
        m.d.sync += last.eq(address[2:][:bits] + less)
        m.d.sync += past.eq(address[2 + bits :].any() | words[len(less) :].any() | (address[:2] != 0))
        m.d.comb += checksum.data.eq(memory.o.payload.word_select(upper, CHECKSUM_BITS))
        with m.State("RANGE"):
            m.next = "RESPOND"
            with m.If((words == 0) | refused_range(collector, self._requests)):
                m.d.sync += parts.status.eq(Status.BAD_ARGUMENT)
            with m.Elif(past | (last >= self._parameters.memory_words)):
                m.d.sync += parts.status.eq(Status.BAD_ADDRESS)
            with m.Else():
                m.next = "READ"
        with m.State("READ"):
            m.d.comb += [
                checksum.start.eq(1),
                memory.i_reading.valid.eq(1),
                memory.i_reading.payload.address.eq(address[2:]),
                memory.i_reading.payload.beats.eq(less),
                memory.i_reading.payload.words.eq(less),
                memory.i_reading.payload.width.eq(self._parameters.word_bits.index(8 * WORD_BYTES)),
            ]
            with m.If(memory.i_reading.ready):
                m.next = "RESPOND"
                with m.If(is_checksum):
                    m.next = "SUM"
        with m.State("SUM"):
            m.d.comb += [memory.o.ready.eq(upper), checksum.valid.eq(memory.o.valid)]
            with m.If(memory.o.valid):
                m.d.sync += upper.eq(~upper)
            with m.If(memory.i_reading.ready):  # all words have been taken
                m.next = "KEEP"

    def _give_memory(self, m: Module, parts: _Parts) -> None:
        """Give the memory to the work."""
        memory, work = parts.memory, parts.work
        self._pass(m, work.reading, memory.i_reading)
        self._pass(m, memory.o, work.i)
        self._pass(m, work.o, memory.i)
        if isinstance(work, Decoder):
            self._pass(m, work.side_reading, memory.i_side_reading)
            self._pass(m, memory.o_side, work.i_side)
        m.d.comb += [
            memory.start.eq(work.write_start),
            memory.address.eq(work.write_address),
            memory.flush.eq(work.write_flush),
            work.write_empty.eq(memory.empty),
        ]

    def _load(self, m: Module, card: CardSlot, memory: Memory) -> None:
        """Give the memory's writer to a card's loading."""
        m.submodules.card = card
        connect(m, card.pins, flipped(self.card))
        m.d.comb += [self.loading.eq(card.loading), card.write_empty.eq(memory.empty)]
        with m.If(card.write_start):
            m.d.comb += [memory.start.eq(1), memory.address.eq(0)]
        with m.If(card.loading):
            self._pass(m, card.o, memory.i)
            m.d.comb += memory.flush.eq(card.write_flush)

    def _pass(self, m: Module, source: stream.Interface, sink: stream.Interface) -> None:
        """Join two streams in the state under way."""
        m.d.comb += [sink.valid.eq(source.valid), source.ready.eq(sink.ready), sink.payload.eq(source.payload)]
