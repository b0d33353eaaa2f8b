"""A core that is nothing but a memory: small and quick, for the tests of the link."""

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import crc, memory, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from formats.board_requests import IDENTITY, MAXIMUM_WORDS, VERSION, WORD_BYTES, Opcode, Status
from hw.request_words import WORD_BITS, WORDS

_COUNTERS = 5
"""Words of the answer of COUNTERS; the last counts."""


class MemoryCore(wiring.Component):
    """Answers IDENTIFY, COUNTERS, WRITE, READ and CHECKSUM as ``formats.board_requests`` says.

    It has no engine: of an identity only version, build and memory are not 0, and COUNTERS counts all
    requests instead of products.

    Parameters
    ----------
    words
        Of the memory.
    build
        Names the hardware's sources.

    Members
    -------
    i_request : In(WORDS)
    o_response : Out(WORDS)
    """

    def __init__(self, words: int, build: int = 0) -> None:
        self._words = words
        known = {"version": VERSION, "build": build, "memory_bytes": words * WORD_BYTES}
        self._identity = [known.get(field.name, 0) for field in IDENTITY]
        super().__init__({"i_request": In(WORDS), "o_response": Out(WORDS)})

    def elaborate(self, platform: object) -> Module:
        """Take a request to its last word, judge it, answer."""
        m = Module()
        m.submodules.memory = words = memory.Memory(shape=WORD_BITS, depth=self._words, init=[])
        m.submodules.crc = check = crc.Processor(CRC32_ISO_HDLC(data_width=WORD_BITS))
        write, read = words.write_port(), words.read_port()
        opcode, length, status = Signal(8), Signal(range(MAXIMUM_WORDS + 1)), Signal(8)
        address, count, place = Signal(WORD_BITS), Signal(WORD_BITS), Signal(range(MAXIMUM_WORDS + 1))
        served, answer_words = Signal(WORD_BITS), Signal(WORD_BITS)
        word, out = self.i_request.payload, self.o_response.payload
        first = address // WORD_BYTES
        is_identity, is_counters = opcode == Opcode.IDENTIFY, opcode == Opcode.COUNTERS
        writes, reads, sums = opcode == Opcode.WRITE, opcode == Opcode.READ, opcode == Opcode.CHECKSUM
        reaches = Mux(writes, length - 2, count)
        bad_address = (address % WORD_BYTES != 0) | (first >= self._words) | (reaches > self._words - first)
        right_length = Mux(writes, length >= 3, length == Mux(reads | sums, 3, 1))
        m.d.comb += [
            write.addr.eq(first + place),
            write.data.eq(word.data),
            read.addr.eq(first + place),
            check.data.eq(read.data),
            answer_words.eq(Mux(is_identity, len(self._identity), Mux(is_counters, _COUNTERS, Mux(sums, 1, count)))),
        ]
        with m.FSM():
            with m.State("TAKE"):
                m.d.comb += [self.i_request.ready.eq(1), check.start.eq(1)]
                with m.If(self.i_request.valid):
                    m.d.sync += length.eq(length + 1)
                    with m.Switch(length):
                        with m.Case(0):
                            m.d.sync += opcode.eq(word.data)
                        with m.Case(1):
                            m.d.sync += address.eq(word.data)
                        with m.Default():
                            m.d.comb += write.en.eq(writes & (first + place < self._words))
                            m.d.sync += [count.eq(word.data), place.eq(place + 1)]
                    with m.If(word.last):
                        m.next = "JUDGE"
            with m.State("JUDGE"):
                m.d.sync += [length.eq(0), place.eq(0), served.eq(served + 1), status.eq(Status.OK)]
                with m.If(~(is_identity | is_counters | writes | reads | sums)):
                    m.d.sync += status.eq(Status.UNKNOWN_OPCODE)
                with m.Elif(~right_length):
                    m.d.sync += status.eq(Status.WRONG_LENGTH)
                with m.Elif((writes | reads | sums) & bad_address):
                    m.d.sync += status.eq(Status.BAD_ADDRESS)
                with m.Elif((reads & (count >= MAXIMUM_WORDS)) | ((reads | sums) & (count == 0))):
                    m.d.sync += status.eq(Status.BAD_ARGUMENT)
                m.next = "STATUS"
            with m.State("STATUS"):
                m.d.comb += [self.o_response.valid.eq(1), out.data.eq(opcode | status << 8)]
                m.d.comb += out.last.eq((status != Status.OK) | writes)
                with m.If(self.o_response.ready):
                    m.next = "FETCH"
                    with m.If(out.last):
                        m.next = "TAKE"
            with m.State("FETCH"):
                m.next = "ANSWER"
                with m.If(sums):
                    m.next = "SUM"
            with m.State("SUM"):
                m.d.comb += check.valid.eq(1)
                m.d.sync += count.eq(count - 1)
                m.d.sync += address.eq(address + WORD_BYTES)
                m.next = "FETCH"
                with m.If(count == 1):
                    m.next = "SUMMED"
            with m.State("SUMMED"):
                m.next = "ANSWER"
            with m.State("ANSWER"):
                identity = Array(self._identity)[place]
                counted = Mux(place == _COUNTERS - 1, served, 0)
                m.d.comb += self.o_response.valid.eq(1)
                m.d.comb += out.data.eq(
                    Mux(sums, check.crc, Mux(is_identity, identity, Mux(is_counters, counted, read.data)))
                )
                m.d.comb += out.last.eq(place == answer_words - 1)
                with m.If(self.o_response.ready):
                    m.d.sync += place.eq(place + 1)
                    m.next = "FETCH"
                    with m.If(out.last):
                        m.d.sync += place.eq(0)
                        m.next = "TAKE"
        return m
