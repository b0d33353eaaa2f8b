"""How long a text on a simulated board takes is said beforehand."""

import pytest

from seedloom.decoder_devices import time_line


@pytest.mark.parametrize(
    ("tokens", "cycles", "rate", "line"),
    [
        (
            4,
            12_345.6,
            1_234_567,
            "about 0 s for reading 4 tokens, the prompt's included: 12,300 cycles per token, "
            "1,230,000 simulated per second",
        ),
        (1, 31_252_063, 1e6, "about 31 s for reading 1 token, the prompt's included: 31,300,000 cycles per token, "),
        (8, 31_252_063, 1e6, "about 4.2 min for reading 8 tokens, the prompt's included: 31,300,000 cycles"),
        (0, 5000, 1e6, "about 0 s for reading 0 tokens, "),
    ],
)
def test_time_cycles_and_rate_are_told(tokens: int, cycles: float, rate: float, line: str) -> None:
    assert time_line(tokens, cycles, rate).startswith(line)
