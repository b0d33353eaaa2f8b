"""Faults in a decoder's units, which the check of each must find."""

from tests.hw.switched_mutants import Mutant

VECTOR_MUTANTS = (
    Mutant("rounding_shift.py", "(shifted + 1) >> 1", "shifted >> 1"),
    Mutant("rounding_shift.py", "rounded > limit", "Const(0)"),
    Mutant("rounding_shift.py", "rounded < -limit", "Const(0)"),
    Mutant("rounding_shift.py", "doubled << left", "doubled >> left"),
    Mutant("rounding_shift.py", "(magnitude & leaving).any()", "Const(0)"),
    Mutant("rounding_shift.py", "places > width + 1", "Const(0)"),
    Mutant("vector_pass.py", "~(self.o.valid & ~self.o.ready)", "Const(1)"),
    Mutant("vector_pass.py", "(normalises & under_way[4])", "Const(0)"),
    Mutant("vector_pass.py", "Mux(adds, first, 0)", "Mux(adds, shift.o, 0)"),
    Mutant("vector_pass.py", "Mux(partner, settings.own_places, settings.places)", "settings.places"),
    Mutant("vector_pass.py", "Mux(partner, settings.own_bits, settings.bits)", "settings.bits"),
    Mutant("vector_pass.py", "Mux(self.settings.keep, self.seen, 0)", "self.seen"),
    Mutant("vector_unit.py", "joins & ~first", "Const(0)"),
    Mutant("vector_pass.py", "abs(result)", "result"),
    Mutant("vector_pass.py", "self.i.payload[: WEIGHT_BITS + 1].as_signed()", "self.i.payload[: WEIGHT_BITS]"),
    Mutant("vector_pass.py", "(turns[2] == 3)", "Const(1)"),
    Mutant("vector_pass.py", "Mux(turns[3][1], product, -product)", "product"),
    Mutant("vector_pass.py", "Mux(turns[2][0], sine, cosine)", "Mux(turns[2][1], sine, cosine)"),
    Mutant("vector_pass.py", "LARGEST_FACTOR - share.factor", "share.factor"),
    Mutant("vector_unit.py", "command.activation", "Const(0)"),
    Mutant("vector_pass.py", "Mux(activates, late[-1], shifted)", "Mux(activates, late[-2], shifted)"),
    Mutant("interpolation.py", "read.data.step * fraction", "Const(0)"),
    Mutant("interpolation.py", "product + (1 << fraction_bits - 1)", "product"),
    Mutant("vector_unit.py", "passes.seen == 0", "Const(0)"),
    Mutant("vector_unit.py", "Mux(bits == 0, ZERO_EXPONENT, exponent + places)", "exponent + places"),
    Mutant("vector_unit.py", "_larger(exponent + bits, own_exponent + own_bits)", "(exponent + bits)"),
    Mutant("rounding_shift.py", "place + 1", "place"),
    Mutant("vector_unit.py", "command.parts == 1", "Const(1)"),
    Mutant("vector_unit.py", "ahead + 1 == command.parts", "Const(1)"),
    Mutant("vector_unit.py", "command.operation != Operation.SPLIT", "Const(1)"),
)
"""Of all expressions that decide a word, an exponent or whether one waits."""
