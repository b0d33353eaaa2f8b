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
    Mutant("vector_unit.py", "source.bits == 0", "Const(0)"),
    Mutant(
        "vector_unit.py",
        "_larger(source.exponent + source.bits, own.exponent + own.bits)",
        "(source.exponent + source.bits)",
    ),
    Mutant("rounding_shift.py", "place + 1", "place"),
    Mutant("vector_unit.py", "command.parts == 1", "Const(1)"),
    Mutant("vector_unit.py", "ahead + 1 == command.parts", "Const(1)"),
    Mutant("vector_unit.py", "command.operation != Operation.SPLIT", "Const(1)"),
)
"""Of all expressions that decide a word, an exponent or whether one waits."""

ATTENTION_MUTANTS = (
    Mutant("rounding_shift.py", "(shifted + 1) >> 1", "shifted >> 1"),
    Mutant("rounding_shift.py", "(magnitude & leaving).any()", "Const(0)"),
    Mutant("row_products.py", "Mux(last, 0, added)", "added"),
    Mutant("row_products.py", "Mux(fresh, 0, read.data[index])", "read.data[index]"),
    Mutant("row_products.py", "wide[lane] if lane < half else 0", "wide[lane] if lane < half else narrow[lane]"),
    Mutant("row_products.py", "Mux(self.wide, wide_low, low)", "low"),
    Mutant("row_products.py", "~self.values & self.dots.valid & ~self.dots.ready", "Const(0)"),
    Mutant("row_products.py", "(~needs | self.shares.valid)", "Const(1)"),
    Mutant("row_products.py", "Mux(reads, self.advance_sum, advance)", "Const(1)"),
    Mutant("shares.py", "self.exponents.payload.key + self.query_exponents[head]", "self.exponents.payload.key"),
    Mutant("shares.py", "shift.o > largest[kept_head]", "Const(1)"),
    Mutant("shares.py", "self.exponents.payload.value > self.top", "Const(1)"),
    Mutant("shares.py", "given != self.rows", "Const(1)"),
    Mutant("shares.py", "~self.o.valid & ~waits", "~self.o.valid"),
    Mutant("shares.py", "self.top - self.exponents.payload.value", "Const(0)"),
    Mutant("shares.py", "limited(wholes[-1])", "Const(0)"),
    Mutant("shares.py", "self.sums[heads[shared]] + power.o", "self.sums[heads[shared]] + align.o"),
    Mutant("interpolation.py", "product + (1 << fraction_bits - 1)", "product"),
    Mutant("reciprocal.py", "number[: NORMAL_BITS + 1] + half", "number[: NORMAL_BITS + 1]"),
    Mutant("reciprocal.py", "places + 1", "places"),
    Mutant("reciprocal.py", "places - 1", "places"),
    Mutant("attention_unit.py", "~self.o.valid | self.o.ready", "Const(1)"),
    Mutant("attention_unit.py", "seen == 0", "Const(0)"),
    Mutant("attention_unit.py", "products.idle & shares.idle", "products.idle"),
    Mutant("attention_unit.py", "command.length << 1", "command.length"),
)

ROW_SCALE_MUTANTS = (
    Mutant("rounding_shift.py", "(shifted + 1) >> 1", "shifted >> 1"),
    Mutant("row_scale.py", "Mux(normal, field, 1)", "field"),
    Mutant("row_scale.py", "Cat(scale[:_SCALE_FRACTION_BITS], normal)", "scale[:_SCALE_FRACTION_BITS]"),
    Mutant("row_scale.py", "~self.o.valid | self.o.ready", "Const(1)"),
    Mutant("row_scale.py", "self.i_sums.valid & self.i_scales.valid & advance", "self.i_sums.valid & advance"),
    Mutant("row_scale.py", "self.i_sums.valid & self.i_scales.valid & advance", "self.i_scales.valid & advance"),
    Mutant("row_scale.py", "limited(places, product_bits)", "places"),
)

BEST_KEYS_MUTANTS = (
    Mutant("best_keys.py", "logit > most", "Const(0)"),
    Mutant("best_keys.py", "logit < -most", "Const(0)"),
    Mutant("best_keys.py", "full & (key <= least)", "full & (key < least)"),
    Mutant("best_keys.py", "full & (key <= least)", "key <= least"),
    Mutant("best_keys.py", "read.data.key >= key", "read.data.key > key"),
    Mutant("best_keys.py", "(gap == 0)", "Const(0)"),
    Mutant("best_keys.py", "Mux(full, self.wanted - 1, self.kept)", "self.kept"),
    Mutant("best_keys.py", "self.kept == self.wanted", "self.kept == self._best"),
    Mutant("best_keys.py", "gap == self.wanted - 1", "Const(1)"),
    Mutant("best_keys.py", "Mux(settled, self.count, read.data.token)", "self.count"),
    Mutant("best_keys.py", "place == self.kept", "place == self.wanted"),
)

SET_MUTANTS = (
    Mutant("machine.py", 'Mux(self.words[1][0], arguments["row"], self.position)', "self.position"),
    Mutant("machine.py", 'Mux(self.words[1][0], arguments["row"], self.position)', 'arguments["row"]'),
    Mutant("begin.py", 'machine.arguments["best"][: BEST.bit_length()] == 0', "Const(0)"),
)
"""Of a whole decoder: what only a prompt of which a set is kept shows."""

DECODER_MUTANTS = (
    Mutant("machine.py", "self.keys_at + self.stride", "self.keys_at"),
    Mutant("machine.py", "self.exponents_at + self.positions", "self.exponents_at + 1"),
    Mutant("machine.py", "words + 1 >> 1", "words >> 1"),
    Mutant("begin.py", "machine.bases[count] + machine.words[first + count]", "machine.bases[count]"),
    Mutant("vectors.py", 'field("factor") != 0', "Const(0)"),
    Mutant("vectors.py", "Mux(whole, source, PARTS)", "source"),
    Mutant("products.py", "~packer.o.valid | (beats_left != 0)", "Const(1)"),
    Mutant("products.py", "Mux(columns_left == 0, 0, vector.o.payload)", "vector.o.payload"),
    Mutant("products.py", "vector.o_exponent + exponent[:12].as_signed()", "exponent[:12].as_signed()"),
    Mutant("attention.py", 'machine.position >= field("window")', 'machine.position > field("window")'),
    Mutant("attention.py", "machine.cache_row + 1 - first", "machine.cache_row - first"),
    Mutant("attention.py", "Mux(machine.wide, WIDE_KEY_BITS, KEY_BITS)", "Const(KEY_BITS)"),
    Mutant("attention.py", "query == machine.sizes.queries - 1", "Const(1)"),
    Mutant("attention.py", 'machine.head + 1 == field("heads")', "Const(1)"),
    Mutant("packer.py", "Mux(self.wide, 2, 1)", "Const(2)"),
    Mutant("best_keys.py", "full & (key <= least)", "full"),
    Mutant("memory.py", "controller.read_valid & ~owners.r_data", "controller.read_valid"),
    Mutant("memory.py", "side.request.valid & side.request.ready", "Const(0)"),
    *SET_MUTANTS,
)
"""Of a whole decoder: what joins the units, and the steps of its commands."""
