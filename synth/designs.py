"""What is measured: components of the hardware, by name."""

from collections.abc import Callable
from dataclasses import dataclass

from amaranth.lib import wiring

from formats.board_requests import BEST
from formats.engine import EngineParameters
from formats.fp16 import Fp16Format
from formats.presets import PRESETS, TRELLIS_PRESETS
from hw.board.board import Board
from hw.board.parameters import BoardParameters
from hw.board.serial_board import SerialBoard
from hw.decoder.attention_unit import AttentionUnit
from hw.decoder.best_keys import BestKeys
from hw.decoder.parameters import DecoderParameters
from hw.decoder.row_scale import RowScale
from hw.decoder.vector_unit import VectorUnit
from hw.engine.engine import Engine
from hw.engine.fp16_lane import Fp16Lane
from hw.engine.lane import Lane
from hw.link.link import LinkParameters
from hw.link.serial import SerialLink
from hw.memory.chips import AS4C32M16SB_7, Sdram
from hw.memory.port import MemoryPort
from hw.memory.sdram import SdramController
from hw.memory.words import WordReader
from hw.router.parameters import UnitParameters
from hw.router.router import Router
from hw.storage.loader import ImageLoader


@dataclass(frozen=True)
class Design:
    """A component to measure.

    Parameters
    ----------
    name
        What tables and the command line call it.
    build
        Makes the component for a family whose multipliers take weights of so many bits.
    lanes
        Blocks it takes a cycle; keys, for a router.
    xc7, ecp5
        Families to synthesise it for.
    placed
        Place and route it too, where it is for an ECP5.
    """

    name: str
    build: Callable[[int], wiring.Component]
    lanes: int = 1
    xc7: bool = True
    ecp5: bool = True
    placed: bool = True


SDRAM = Sdram(AS4C32M16SB_7, clock_mhz=100, cas_latency=2)
"""The 64 MB of a ULX3S."""

ECP5_MULTIPLIER_BITS, XC7_MULTIPLIER_BITS = 18, 25
"""Wider operand of a MULT18X18D and of a DSP48E1."""


def lane(*presets: str) -> Callable[[int], wiring.Component]:
    """One lane for 16-bit activations that decodes the given presets."""
    formats = EngineParameters(presets).lane_formats
    return lambda bits: Lane(formats, activation_bits=16, batch=1, multiplier_bits=bits)


def engine(*formats: str, port_bytes: int) -> Callable[[int], wiring.Component]:
    """An engine with as many lanes as the port feeds."""
    return lambda bits: Engine(EngineParameters(formats, port_bytes=port_bytes, multiplier_bits=bits))


def board_parameters(multiplier_bits: int, *formats: str) -> BoardParameters:
    """A ULX3S with 64 MB of memory, and an engine for a model 2,048 columns wide."""
    engine = EngineParameters(formats, port_bytes=4, maximum_columns=2048, multiplier_bits=multiplier_bits)
    return BoardParameters(engine, SDRAM)


SMOLLM2_UNITS = DecoderParameters(vector_words=8192, parts=9, queries=3, width=64, positions=2048)
"""Units of a decoder as SmolLM2-135M needs them, for 2,048 positions."""


def decoder_board(*formats: str) -> Callable[[int], wiring.Component]:
    """The same board with a whole decoder."""

    def build(bits: int) -> Board:
        engine = EngineParameters(formats, port_bytes=4, multiplier_bits=bits)
        return Board(BoardParameters(engine, SDRAM, decoder=SMOLLM2_UNITS), SdramController(SDRAM))

    return build


BAUD_DIVISOR = 33
"""3 Mbaud at 100 MHz."""


def router(lanes: int) -> Callable[[int], wiring.Component]:
    """A whole router of the default size; its multiplier is the same for every family.

    Raises
    ------
    InputError
        If ``lanes`` is not 4, 8 or 16.
    """
    parameters = UnitParameters(lanes=lanes)
    return lambda _: Router(parameters)


DESIGNS: dict[str, Design] = {
    design.name: design
    for design in (
        *(Design(f"{preset} lane", lane(preset)) for preset in (*PRESETS, *TRELLIS_PRESETS)),
        Design("scaled-4bit and -3bit lane", lane("scaled-4bit", "scaled-3bit")),
        Design("lane of all trellis formats", lane(*TRELLIS_PRESETS)),
        Design("fp16 lane", lambda _: Fp16Lane(Fp16Format(), activation_bits=16, batch=1)),
        Design("paper-4bit engine, 1 lane", engine("paper-4bit", port_bytes=4)),
        Design("scaled-4bit engine, 1 lane", engine("scaled-4bit", port_bytes=4)),
        Design("trellis-4bit engine, 1 lane", engine("trellis-4bit", port_bytes=4)),
        Design("paper-4bit engine, 16 lanes", engine("paper-4bit", port_bytes=64), lanes=16, ecp5=False),
        Design("scaled-4bit engine, 16 lanes", engine("scaled-4bit", port_bytes=64), lanes=16, ecp5=False),
        Design("trellis-4bit engine, 16 lanes", engine("trellis-4bit", port_bytes=64), lanes=16, ecp5=False),
        Design("SDRAM controller", lambda _: SdramController(SDRAM), xc7=False),
        Design("memory port, 4 bytes", lambda _: MemoryPort(AS4C32M16SB_7, port_bytes=4), xc7=False),
        Design("word reader, 32 and 24 bits", lambda _: WordReader(AS4C32M16SB_7, 4, (32, 24)), xc7=False),
        Design(
            "card loader, 64 MB", lambda _: ImageLoader(100, AS4C32M16SB_7.size_bytes // 4), xc7=False, placed=False
        ),
        Design("serial link, window of 4", lambda _: SerialLink(LinkParameters(), BAUD_DIVISOR), xc7=False),
        Design("vector unit, 8,192 words", lambda _: VectorUnit(8192, slots=128), xc7=False, placed=False),
        Design("row scale", lambda _: RowScale(), xc7=False, placed=False),
        Design("best keys, 64 of 65,536", lambda _: BestKeys(65536, BEST), xc7=False, placed=False),
        Design("attention unit, 3 queries", lambda _: AttentionUnit(3, 4, 64, 2048), xc7=False, placed=False),
        Design(
            "scaled-4bit board, 1 lane",
            lambda bits: Board(board_parameters(bits, "scaled-4bit"), SdramController(SDRAM)),
            xc7=False,
        ),
        Design(
            "scaled-4bit serial board, 1 lane",
            lambda bits: SerialBoard(board_parameters(bits, "scaled-4bit"), SdramController(SDRAM), BAUD_DIVISOR),
            xc7=False,
        ),
        Design("trellis-4bit decoder board, 1 lane", decoder_board("trellis-4bit"), xc7=False, placed=False),
        *(Design(f"router, {lanes} lanes", router(lanes), lanes, xc7=False, placed=False) for lanes in (4, 8, 16)),
    )
}
"""Lanes, engines on the smallest and the widest memory port, what lies between that and a chip, a link, a decoder's
units, a board with all of them, and routers."""
