"""Reading a block RAM that is written through another port."""

from amaranth.hdl import Module, Signal, Value
from amaranth.lib.memory import Memory, ReadPort


def read_apart(m: Module, memory: Memory, written: Value, wanted: Value | int = 1) -> tuple[ReadPort, Signal]:
    """A port whose address may change in every cycle, and its word a cycle later.

    While a word is written, or none is wanted, the port reads nothing, and the word that it read before stays. An ECP5
    does not define what a port reads of a word that the other one writes, so synthesis puts logic around a memory that
    might do both: a register for all that is written, and a multiplexer as wide as a word.

    Parameters
    ----------
    m
        Has the register.
    memory
        Of one write port in this clock domain.
    written
        Whether that port may write in this cycle.
    wanted
        Whether a word is to be read, if nothing is written.
    """
    port = memory.read_port(domain="comb")
    word = Signal(memory.shape, reset_less=True)
    with m.If(~written & wanted):
        m.d.sync += word.eq(port.data)
    return port, word
