"""Counting ones."""

from amaranth.hdl import Module, Signal, Value


def popcount(m: Module, name: str, bits: Value) -> Signal:
    """Ones among ``bits`` as a balanced combinational tree, each sum a signal of its own."""
    sums: list[Value] = [bits[index] for index in range(len(bits))]
    level = 0
    while len(sums) > 1:
        level += 1
        pairs = []
        for index in range(0, len(sums) - 1, 2):
            total = Signal(level + 1, name=f"{name}_{level}_{index // 2}")  # 2^level bits at most
            m.d.comb += total.eq(sums[index] + sums[index + 1])
            pairs.append(total)
        sums = pairs + sums[len(sums) & ~1 :]
    total = Signal(range(len(bits) + 1), name=f"{name}_total")
    m.d.comb += total.eq(sums[0])
    return total
