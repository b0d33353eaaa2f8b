"""Small components that become the cells of an ECP5 in each of their modes."""

from amaranth.hdl import Module, Mux, Shape, Signal, signed, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out, connect, flipped
from amaranth.utils import exact_log2

from hw.block_ram import read_apart


class Group(wiring.Component):
    """Components side by side, so that they are synthesised in one go."""

    def __init__(self, **parts: wiring.Component) -> None:
        self._parts = parts
        super().__init__({name: Out(part.signature) for name, part in parts.items()})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for name, part in self._parts.items():
            m.submodules[name] = part
            connect(m, flipped(getattr(self, name)), part)
        return m


class Product(wiring.Component):
    """A registered product of two shapes."""

    def __init__(self, a: Shape, b: Shape) -> None:
        super().__init__({"a": In(a), "b": In(b), "o": Out((Signal(a) * Signal(b)).shape())})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.sync += self.o.eq(self.a * self.b)
        return m


class Shift(wiring.Component):
    """A registered shift of a wide number by any amount, keeping its sign."""

    a: In(signed(40))
    amount: In(6)
    o: Out(signed(40))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.sync += self.o.eq(self.a >> self.amount)
        return m


class Buffer(wiring.Component):
    """A memory with a port to write and a port to read, both at random.

    Parameters
    ----------
    width, depth
        Of the memory.
    part
        Bits that are written or not.
    init
        What it holds at first, cut to the width.
    """

    def __init__(self, width: int, depth: int, part: int, init: list[int]) -> None:
        self._size, self._part = (width, depth), part
        self._init = [word & (1 << width) - 1 for word in init[:depth]]
        address = (depth - 1).bit_length()
        super().__init__(
            {
                "to": In(address),
                "data": In(width),
                "enable": In(width // part),
                "at": In(address),
                "read": In(1),
                "o": Out(width),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width, depth = self._size
        m.submodules.memory = words = memory.Memory(shape=unsigned(width), depth=depth, init=self._init)
        write, read = words.write_port(granularity=self._part), words.read_port()
        # no two cells agree on what lies past the end of a memory
        m.d.comb += [
            write.addr.eq(Mux(self.to < depth, self.to, self.to - depth)),
            read.addr.eq(Mux(self.at < depth, self.at, self.at - depth)),
            write.data.eq(self.data),
            write.en.eq(self.enable),
            read.en.eq(self.read),
            self.o.eq(read.data),
        ]
        return m


class ApartBuffer(wiring.Component):
    """A memory that is read while nothing is written.

    Parameters
    ----------
    width, depth
        Of the memory; the depth is a power of two.
    """

    def __init__(self, width: int, depth: int) -> None:
        self._size = (width, depth)
        address = exact_log2(depth)
        super().__init__(
            {
                "to": In(address),
                "data": In(width),
                "enable": In(1),
                "at": In(address),
                "read": In(1),
                "o": Out(width),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        width, depth = self._size
        m.submodules.memory = words = memory.Memory(shape=unsigned(width), depth=depth, init=[])
        write = words.write_port()
        read, word = read_apart(m, words, self.enable, self.read)
        m.d.comb += [
            write.addr.eq(self.to),
            write.data.eq(self.data),
            write.en.eq(self.enable),
            read.addr.eq(self.at),
            self.o.eq(word),
        ]
        return m
