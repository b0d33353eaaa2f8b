"""Runs products given as JSON through the engine of whatever ``hw`` comes first on the path.

Prints "exact", "wrong" or "lost". Knows no torch, so that a check of a changed copy of the
hardware starts in a moment.
"""

import json
import sys
from pathlib import Path
from typing import Any

from formats.engine import EngineParameters
from hw.engine.engine import Engine
from tests.hw.python_simulator import stream_through


def check(products: dict[str, Any]) -> str:
    """Whether results are as expected, both read out at once and slowly."""
    parameters = EngineParameters(**{**products["parameters"], "formats": tuple(products["parameters"]["formats"])})
    for result_pause in (0, 40):
        try:
            beats = stream_through(
                Engine(parameters), products["commands"], products["beats"], len(products["expected"]), result_pause
            )
        except TimeoutError:
            return "lost"
        # padding of a vector's last beat, and rows past the last, mean nothing
        if any((a ^ b) & mask for a, b, mask in zip(beats, products["expected"], products["masks"], strict=True)):
            return "wrong"
    return "exact"


if __name__ == "__main__":
    print(check(json.loads(Path(sys.argv[1]).read_text())))
