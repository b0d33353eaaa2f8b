"""Comparing the indices of a row's tokens with a number, for all lanes at once."""

from amaranth.hdl import Module, Mux, Signal, Value


def lanes_below(m: Module, name: str, row: Value, limit: Value, lanes: int) -> Signal:
    """Mark the lanes whose token, ``row * lanes + lane``, is below ``limit``.

    Two comparisons of rows serve all lanes.
    """
    lane_bits = (lanes - 1).bit_length()
    limit_row = Signal(len(limit), name=f"{name}_limit_row")
    before = Signal(name=f"{name}_before")
    at = Signal(name=f"{name}_at")
    partial = Signal(lanes, name=f"{name}_partial")
    below = Signal(lanes, name=name)
    m.d.comb += [
        limit_row.eq(limit[lane_bits:]),
        before.eq(row < limit_row),
        at.eq(row == limit_row),
        partial.eq((1 << limit[:lane_bits]) - 1),
        below.eq(Mux(before, (1 << lanes) - 1, Mux(at, partial, 0))),
    ]
    return below
