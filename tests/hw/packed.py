"""Components as a bench likes them: side by side in one build, every array of ports one vector."""

from collections.abc import Sequence

import numpy as np
from amaranth.hdl import Cat, Module, Value
from amaranth.lib import wiring
from numpy.typing import NDArray


class Packed(wiring.Component):
    """Components next to each other, in one design to compile.

    Port ``a.b[1][0]`` of part ``x`` is a field of port ``x__a__b``; the last index counts fastest,
    field 0 lowest.

    Parameters
    ----------
    parts
        The components by name.
    """

    def __init__(self, **parts: wiring.Component) -> None:
        self._parts = parts
        self._fields: dict[str, tuple[wiring.Flow, list[Value]]] = {}
        for name, part in parts.items():
            for path, member, value in part.signature.flatten(part):
                port = "__".join([name, *(step for step in path if isinstance(step, str))])
                _, values = self._fields.setdefault(port, (member.flow, []))
                values.append(Value.cast(value))
        widths = {port: (flow, len(Cat(values))) for port, (flow, values) in self._fields.items()}
        super().__init__({port: flow(width) for port, (flow, width) in widths.items() if width})

    def elaborate(self, platform: object) -> Module:
        """Wires only."""
        m = Module()
        for name, part in self._parts.items():
            m.submodules[name] = part
        for port, (flow, values) in self._fields.items():
            if len(Cat(values)):
                outer = getattr(self, port)
                m.d.comb += Cat(values).eq(outer) if flow == wiring.In else outer.eq(Cat(values))
        return m


def to_vectors(fields: NDArray[np.int64], bits: int) -> list[int]:
    """Signed integers [cycles, fields] → one vector a cycle, field 0 lowest."""
    octets = np.ascontiguousarray(fields, dtype="<i8").view(np.uint8).reshape(*fields.shape, 8)
    single = np.unpackbits(octets, axis=-1, bitorder="little")[..., :bits]
    packed = np.packbits(single.reshape(len(fields), -1), axis=-1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in packed]


def to_fields(vectors: Sequence[int], count: int, bits: int) -> NDArray[np.int64]:
    """Inverse of ``to_vectors``: int64 [cycles, count]; ``bits`` is at most 64."""
    width = -(-count * bits // 8)
    octets = np.frombuffer(b"".join(vector.to_bytes(width, "little") for vector in vectors), dtype=np.uint8)
    single = np.unpackbits(octets.reshape(-1, width), axis=-1, bitorder="little")[:, : count * bits]
    signs = single.reshape(-1, count, bits)
    extended = np.concatenate([signs, np.repeat(signs[..., -1:], 64 - bits, axis=-1)], axis=-1)
    return np.packbits(extended, axis=-1, bitorder="little").view("<i8")[..., 0]
