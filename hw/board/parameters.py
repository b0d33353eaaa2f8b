"""What a board's hardware is built for."""

from dataclasses import asdict, dataclass, fields

from formats.board_requests import IDENTITY, VERSION, WORD_BYTES
from formats.engine import EngineParameters
from formats.errors import InputError
from hw.decoder.parameters import DecoderParameters
from hw.memory.kinds import MemoryKind

NORM_BITS, SCALE_BITS = 16, 16
"""Of a norm's weight and of a row's scale, as they lie in the memory."""


@dataclass(frozen=True)
class BoardParameters:
    """An engine and the memory that it reads from.

    Parameters
    ----------
    engine
        Its port has the width of a request's words.
    memory
        Its clock is the engine's.
    build
        What IDENTIFY answers as the build.
    decoder
        Sizes of the units of a board that takes tokens; None for one that multiplies.
    card
        The board has a slot, and loads its memory from a card.

    Raises
    ------
    InputError
        If the engine's port is wider than a word, or ``build`` does not fit 32 bits.
    """

    engine: EngineParameters
    memory: MemoryKind
    build: int = 0
    decoder: DecoderParameters | None = None
    card: bool = False

    def __post_init__(self) -> None:
        if self.engine.port_bytes != WORD_BYTES:
            raise InputError(
                f"port_bytes of a board's engine must be {WORD_BYTES}, not {self.engine.port_bytes!r}: "
                f"{self.memory.name} fills no wider port"
            )
        if not 0 <= self.build < 1 << 32:
            raise InputError(f"build must be 0 to 2^32 - 1, not {self.build!r}")

    @property
    def word_bits(self) -> tuple[int, ...]:
        """Widths of what is read: activations, the beats of each format, and a decoder's norms."""
        engine, others = self.engine, {NORM_BITS} if self.decoder else set()
        return tuple(sorted({engine.port_bits, *map(engine.beat_bits, engine.weight_formats), *others}, reverse=True))

    @property
    def side_bits(self) -> tuple[int, ...]:
        """Widths of what a decoder reads beside: exponents of keys and values, and rows' scales."""
        return (self.engine.port_bits, SCALE_BITS) if self.decoder else ()

    @property
    def memory_words(self) -> int:
        """Words that the memory holds."""
        return self.memory.size_bytes // WORD_BYTES

    def identity(self) -> list[int]:
        """Words that IDENTIFY answers, in the order of ``formats.board_requests.IDENTITY``."""
        names = ",".join(self.engine.formats).encode()
        names += bytes(-len(names) % WORD_BYTES)
        sizes = dict.fromkeys((field.name for field in fields(DecoderParameters)), 0)
        known = {
            "version": VERSION,
            "build": self.build,
            "memory_bytes": self.memory.size_bytes,
            "clock_khz": round(1000 * self.memory.clock_mhz),
            **(asdict(self.decoder) if self.decoder else sizes),
        }
        return [
            *(known[each.name] if each.name in known else getattr(self.engine, each.name) for each in IDENTITY[:-1]),
            *(int.from_bytes(names[at : at + WORD_BYTES], "little") for at in range(0, len(names), WORD_BYTES)),
        ]
