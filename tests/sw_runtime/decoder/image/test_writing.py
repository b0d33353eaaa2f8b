"""Words of a program for hardware, beside what the emulated decoder reads of them."""

from itertools import pairwise

from formats.decoder.words import ALIGNMENT, Opcode, read_commands
from hw.board.boards import BOARDS
from sw_runtime.decoder.compiler import compile_program
from sw_runtime.decoder.image.file import Image
from tests.sw_runtime.decoder.models import POSITIONS, parts_of, tiny_model

LAYERS, HEADS, WIDTH, BYTES, EXPONENTS_BYTES = 3, 2, 16, 2, 4
"""Of the tiny model: layers, key and value heads, elements of a head, bytes of an element and of two exponents."""


def test_the_words_of_an_image_are_what_hardware_asks_for() -> None:
    parts = parts_of(tiny_model("mistral"))
    program = compile_program(parts, 16)
    image = Image.of(program, parts.matrices, BOARDS["ecpix5"])
    areas = {area.name: area for area in image.contents.areas}
    words = image.memory[: areas["program"].nbytes].view("<u4").tolist()
    (_, begin), *commands = read_commands(words)

    assert begin["stream_words"] == begin["normed_words"] == 64
    assert sum(value for name, value in begin.items() if name.endswith("_words")) == program.vector_words

    engine = image.contents.engine
    products = [values for opcode, values in commands if opcode in (Opcode.MULTIPLY, Opcode.ANSWER)]
    assert len(products) == 7 * LAYERS + 1
    for values in products:
        weight_format = engine.weight_formats[values["format"]]
        assert values["column_blocks"] == weight_format.blocks(values["columns"])
        assert values["row_groups"] == engine.row_groups(weight_format, values["rows"])

    stores = [values for opcode, values in commands if opcode == Opcode.STORE]
    attends = [values for opcode, values in commands if opcode == Opcode.ATTEND]
    assert len(stores) == len(attends) == LAYERS
    ranges = []
    for store, attend in zip(stores, attends, strict=True):
        assert attend["window"] == 5
        for name in ("keys", "values", "exponents"):
            assert attend[name] == store[name]
            assert store[name] % ALIGNMENT == 0
            nbytes = POSITIONS * HEADS * (EXPONENTS_BYTES if name == "exponents" else WIDTH * BYTES)
            ranges.append(range(store[name], store[name] + nbytes))
    ranges.sort(key=lambda part: part.start)
    assert ranges[0].start == areas["cache"].address
    assert ranges[-1].stop <= areas["cache"].address + areas["cache"].nbytes
    assert all(one.stop <= other.start for one, other in pairwise(ranges))
