"""Whether a program keeps to its memory, its slots and its engine: hardware looks at few of its fields.

The records alone are judged, with the areas that they must lie in. A device trusts them, so a program that is
not sound would read another area as weights, write over it, or wait for ever.
"""

from collections.abc import Iterator, Mapping, Sequence

from formats.board_requests import WORD_BYTES
from formats.decoder.tables import FACTOR_BITS
from formats.decoder.words import ACTIVATIONS, ALIGNMENT, SLOTS, Opcode
from formats.engine import EngineParameters
from sw_runtime.decoder.constants import MOST_POSITIONS
from sw_runtime.decoder.image.memory_map import ANGLE_BYTES, EXPONENTS_BYTES, SCALE_BYTES, WEIGHT_BYTES
from sw_runtime.device.layout import stored_bytes
from sw_runtime.device.protocol import MatrixShape

Values = dict[str, int]

EXPONENT_LIMIT = 1 << 11
"""Exponents are signed and have 12 bits."""

EPS_LIMIT = 1 << 24
"""A norm's ε has 24 bits."""

SLOT_FIELDS = {
    Opcode.NORMALISE: ("source", "destination"),
    Opcode.MULTIPLY: ("source", "destination"),
    Opcode.ADD: ("source", "destination"),
    Opcode.ADD_CONSTANT: ("destination",),
    Opcode.ROTATE: ("slot",),
    Opcode.STORE: ("key_slot", "value_slot"),
    Opcode.ATTEND: ("source", "destination"),
    Opcode.GATE: ("gate", "up", "destination"),
    Opcode.ANSWER: ("source",),
}
"""Fields that are numbers of slots."""


def violations(
    commands: Sequence[tuple[Opcode, Values]], areas: Mapping[str, range], engine: EngineParameters
) -> Iterator[str]:
    """What is wrong with a program: a line for each violation, with the command's number, BEGIN being 0.

    Parameters
    ----------
    commands
        As ``formats.decoder.words.read_commands`` gives them.
    areas
        Bytes of ``constants``, ``rotary``, ``weights`` and ``cache``.
    engine
        That multiplies.
    """
    begin = commands[0][1]
    check = _Check(begin, areas, engine)
    yield from (f"command 0, BEGIN: {wrong}" for wrong in _begin(begin))
    for number, (opcode, values) in enumerate(commands[1:], 1):
        last = number == len(commands) - 1
        yield from (f"command {number}, {opcode.name}: {wrong}" for wrong in check.wrong(opcode, values, last))


def _begin(begin: Values) -> Iterator[str]:
    if begin["kv_bits"] not in (8, 16):
        yield f"kv_bits is {begin['kv_bits']}, not 8 or 16"
    if begin["positions"] < 1:
        yield "the context has no position"
    if begin["positions"] > MOST_POSITIONS:
        yield f"a context of {begin['positions']} positions; a device counts them up to {MOST_POSITIONS}"
    if not 1 <= begin["dim"] <= begin["stream_words"]:
        yield f"an embedding of {begin['dim']} elements in a stream of {begin['stream_words']} words"


class _Check:
    """What is known of a program before its next command: the vectors in its slots, and the caches it filled."""

    def __init__(self, begin: Values, areas: Mapping[str, range], engine: EngineParameters) -> None:
        self._begin, self._areas, self._engine = begin, areas, engine
        self._lengths = {0: begin["dim"]}
        self._stored: dict[tuple[int, ...], tuple[int, int, int]] = {}
        self._written: list[range] = []

    def wrong(self, opcode: Opcode, values: Values, last: bool) -> Iterator[str]:
        """Violations of a command, which is then taken as done."""
        if opcode == Opcode.BEGIN or (opcode == Opcode.ANSWER) != last:
            yield "stands within the program; BEGIN comes first and ANSWER last, each once"
            return
        missing = [(name, values[name]) for name in SLOT_FIELDS[opcode] if values[name] >= len(SLOTS)]
        yield from (f"{name} {value} is no slot; there are {len(SLOTS)}" for name, value in missing)
        if missing:
            return
        for name, value in values.items():
            if name.endswith("exponent") and not -EXPONENT_LIMIT <= value < EXPONENT_LIMIT:
                yield f"{name} {value} does not fit 12 bits"
        yield from getattr(self, f"_{opcode.name.lower()}")(values)

    def _reads(self, slot: int, length: int) -> Iterator[str]:
        held = self._lengths.get(slot)
        if held is None:
            yield f"slot {SLOTS[slot]} holds nothing yet"
        elif held != length:
            yield f"slot {SLOTS[slot]} holds {held} elements, not {length}"

    def _writes(self, slot: int, length: int) -> Iterator[str]:
        room = self._begin[f"{SLOTS[slot]}_words"]
        if not 1 <= length <= room:
            yield f"{length} elements into slot {SLOTS[slot]} of {room} words"
        self._lengths[slot] = length

    def _within(self, field: str, address: int, nbytes: int, area: str) -> Iterator[str]:
        place, end = self._areas[area], address + nbytes
        if address % ALIGNMENT:
            yield f"{field} {address:#x} is no multiple of {ALIGNMENT}"
        if nbytes and not place.start <= address < end <= place.stop:
            yield f"{field} {address:#x} to {end:#x} leave the area {area}, {place.start:#x} to {place.stop:#x}"

    def _matrix(self, values: Values) -> Iterator[str]:
        engine, number = self._engine, values["format"]
        rows, columns = values["rows"], values["columns"]
        if number >= len(engine.formats):
            yield f"format {number} is none of the image's {len(engine.formats)}"
            return
        if not 1 <= rows <= engine.maximum_rows or not 1 <= columns <= engine.maximum_columns:
            largest = f"{engine.maximum_rows} x {engine.maximum_columns}"
            yield f"a matrix of {rows} x {columns}; the engine takes at most {largest}"
            return
        weight_format = engine.weight_formats[number]
        counts = weight_format.blocks(columns), engine.row_groups(weight_format, rows)
        if counts != (values["column_blocks"], values["row_groups"]):
            found = f"{values['column_blocks']} column blocks and {values['row_groups']} row groups"
            yield f"{found}, where {rows} x {columns} have {counts[0]} and {counts[1]}"
        nbytes = stored_bytes(MatrixShape(engine.formats[number], rows, columns), engine)
        yield from self._within("weights", values["weights"], nbytes, "weights")
        yield from self._within("scales", values["scales"], SCALE_BYTES * rows, "weights")

    def _cache(self, values: Values, kv_heads: int) -> Iterator[tuple[str, range]]:
        """Fields and bytes of a cache."""
        rows = kv_heads * self._begin["positions"]
        row_bytes = values["width"] * self._begin["kv_bits"] // 8
        for name, each in (("keys", row_bytes), ("values", row_bytes), ("exponents", EXPONENTS_BYTES)):
            yield name, range(values[name], values[name] + rows * each)

    def _normalise(self, values: Values) -> Iterator[str]:
        length = values["heads"] * values["width"]
        yield from self._reads(values["source"], length)
        yield from self._writes(values["destination"], length)
        yield from self._within("weights", values["weights"], WEIGHT_BYTES * values["width"], "constants")
        if not 0 < values["eps"] < EPS_LIMIT or values["eps_exponent"] % 2:
            yield f"eps {values['eps']} · 2^{values['eps_exponent']}; it has 1 to 24 bits and an even exponent"

    def _multiply(self, values: Values) -> Iterator[str]:
        yield from self._reads(values["source"], values["columns"])
        yield from self._writes(values["destination"], values["rows"])
        yield from self._matrix(values)

    def _answer(self, values: Values) -> Iterator[str]:
        yield from self._reads(values["source"], values["columns"])
        yield from self._matrix(values)

    def _add(self, values: Values) -> Iterator[str]:
        yield from self._reads(values["source"], values["length"])
        yield from self._reads(values["destination"], values["length"])

    def _add_constant(self, values: Values) -> Iterator[str]:
        yield from self._reads(values["destination"], values["length"])
        yield from self._within("constant", values["constant"], WORD_BYTES * values["length"], "constants")

    def _rotate(self, values: Values) -> Iterator[str]:
        yield from self._reads(values["slot"], values["heads"] * values["width"])
        if values["width"] % 2:
            yield f"heads of {values['width']} elements have no pairs to turn"
        row_bytes = ANGLE_BYTES * values["width"]
        yield from self._within("rows", values["rows"], self._begin["positions"] * row_bytes, "rotary")
        if values["factor"] >> FACTOR_BITS:
            yield f"factor {values['factor']} does not fit {FACTOR_BITS} bits"

    def _store(self, values: Values) -> Iterator[str]:
        length = values["heads"] * values["width"]
        yield from self._reads(values["key_slot"], length)
        yield from self._reads(values["value_slot"], length)
        for name, part in self._cache(values, values["heads"]):
            yield from self._within(name, part.start, len(part), "cache")
            if any(part.start < other.stop and other.start < part.stop for other in self._written):
                yield f"{name} {part.start:#x} to {part.stop:#x} are cached over another layer's"
            self._written.append(part)
        places = values["keys"], values["values"], values["exponents"]
        self._stored[places] = values["heads"], values["width"], values["of_set"]
        if values["of_set"] > 1:
            yield f"of_set is {values['of_set']}, not 0 or 1"

    def _attend(self, values: Values) -> Iterator[str]:
        length = values["heads"] * values["width"]
        yield from self._reads(values["source"], length)
        yield from self._writes(values["destination"], length)
        if not values["kv_heads"] >= 1 or values["heads"] % values["kv_heads"]:
            yield f"{values['heads']} heads cannot share {values['kv_heads']} heads of keys"
        places = values["keys"], values["values"], values["exponents"]
        if self._stored.get(places) != (values["kv_heads"], values["width"], values["of_set"]):
            cache = f"a cache of {values['kv_heads']} heads of {values['width']}, of_set {values['of_set']}"
            yield f"no STORE before it fills {cache}, at these places"
        if values["of_set"] and values["window"]:
            yield f"a window of {values['window']} positions in the cache of a set, whose rows are no positions"

    def _gate(self, values: Values) -> Iterator[str]:
        yield from self._reads(values["gate"], values["length"])
        yield from self._reads(values["up"], values["length"])
        yield from self._writes(values["destination"], values["length"])
        if values["destination"] == values["up"]:
            yield "the destination is the other factor's slot, which is still to be read"
        if values["activation"] >= len(ACTIVATIONS):
            yield f"activation {values['activation']} is none of {len(ACTIVATIONS)}"
