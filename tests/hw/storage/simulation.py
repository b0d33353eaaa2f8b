"""An image loader and a card under simulation, as Python sees them: one call loads a card."""

import ctypes
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from formats.card_image import CardError
from hw.storage.card import START_SECONDS
from hw.storage.loader import ImageLoader
from hw.verilog import convert
from sw_runtime.device.simulator.build import HARNESS, TOP, build_library
from sw_runtime.device.simulator.card import CardSettings, card_settings
from sw_runtime.device.simulator.library import ALWAYS

CLOCK_MHZ = 2.0
"""So slow that a second is few cycles."""

CARD_MHZ = 0.5
MEMORY_WORDS = 400
CARD_MODEL = HARNESS.with_name("card_model.cpp")
CARD_HARNESS = Path(__file__).with_name("card_harness.cpp")


class CardRun(ctypes.Structure):
    """Mirror of the harness's struct of the same name."""

    _fields_ = (
        ("card", CardSettings),
        ("taken_chance", ctypes.c_uint64),
        ("cycle_limit", ctypes.c_uint64),
        ("words", ctypes.c_void_p),
        *((name, ctypes.c_uint64) for name in ("room", "word_count", "cycles", "error", "said_words", "said_left")),
        *((name, ctypes.c_uint64) for name in ("broken", "broken_offers", "unflushed")),
    )


@dataclass(frozen=True)
class Loaded:
    """What came of a card: the error, the words that were written, how long it took, and the words still to come."""

    error: CardError
    memory: bytes
    cycles: int
    left: int


def loader() -> ImageLoader:
    """The subject."""
    return ImageLoader(CLOCK_MHZ, MEMORY_WORDS, CARD_MHZ)


def build(verilog: Callable[[], str] = lambda: convert(loader(), TOP), more: str = "") -> Path:
    """Compile the subject."""
    with tempfile.TemporaryDirectory() as folder:
        harness = Path(folder) / "harness.cpp"
        harness.write_text(f'#include "{HARNESS}"\n#include "{CARD_MODEL}"\n{CARD_HARNESS.read_text()}{more}')
        return build_library(verilog, (CLOCK_MHZ, CARD_MHZ, MEMORY_WORDS), harness, "a card's loader")


class CardSimulation:
    """A loader out of reset, which may load several cards, one after the other."""

    def __init__(self, library: Path) -> None:
        self._library = ctypes.CDLL(str(library))
        self._library.card_open.restype = ctypes.c_void_p
        self.handle = ctypes.c_void_p(self._library.card_open(ctypes.c_uint64(1)))

    def load(self, card: bytes, seed: int = 1, taken_share: float = 1, **faults: int) -> Loaded:
        """Put a card in, with these faults of ``CardSettings``, and load it.

        Raises
        ------
        AssertionError
            If the loader breaks a rule of the standard or of a stream, counts other words than it writes, says that it
            is done before the memory has written everything, or never does.
        """
        words = np.zeros(2 * MEMORY_WORDS, dtype=np.uint32)
        run = CardRun(
            card=card_settings(card, CLOCK_MHZ, CARD_MHZ, **faults),
            taken_chance=round(taken_share * ALWAYS),
            cycle_limit=round(1.5 * START_SECONDS * CLOCK_MHZ * 1e6),
            words=words.ctypes.data,
            room=len(words),
        )
        ended = self._library.card_run(self.handle, ctypes.byref(run), ctypes.c_uint64(seed)) == 0
        assert ended, "the loader never says that it is done"
        assert run.broken == 0, f"rules of the card, a bit each: {run.broken:#b}"
        assert (run.broken_offers, run.unflushed) == (0, 0)
        assert run.said_words == run.word_count <= MEMORY_WORDS
        return Loaded(CardError(run.error), words[: run.word_count].tobytes(), run.cycles, run.said_left)

    def close(self) -> None:
        """Free the unit."""
        self._library.card_close(self.handle)
