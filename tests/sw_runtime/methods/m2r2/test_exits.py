from functools import partial
from itertools import islice

import pytest
import torch
from torch import Tensor

from golden_models.m2r2.exits import ExitGate as GoldenExitGate
from golden_models.m2r2.exits import choose_exit
from golden_models.m2r2.exits import exit_logits as golden_exit_logits
from golden_models.m2r2.exits import tokens_with_exits as golden_tokens_with_exits
from sw_runtime.methods.m2r2.exits import ExitGate, exit_logits, intervals, tokens_with_exits
from sw_runtime.methods.m2r2.residuals import M2R2Parameters
from tests.golden_models.m2r2.models import random_adapters
from tests.sw_runtime.methods.models import PROMPT, SHAPES, adapters, both_decoders

EXITS = (2, 4)


def golden_gates(width: int = 64) -> list[GoldenExitGate]:
    generator = torch.Generator().manual_seed(2)
    maps = torch.randn(2, 3, 8, width, generator=generator)
    weights = torch.randn(2, 8, generator=generator)
    return [GoldenExitGate(*three, weight, torch.zeros(())) for three, weight in zip(maps, weights, strict=True)]


def gates(golden: list[GoldenExitGate]) -> list[ExitGate]:
    return [ExitGate(**vars(gate)) for gate in golden]


def choose_rows(logits: Tensor) -> Tensor:
    """The golden choice at θ_exit = 0, a token at a time."""
    return torch.tensor([choose_exit(row, 0.0) for row in logits])


def test_an_interval_reaches_from_behind_the_last_exit_to_its_own() -> None:
    layers = list(range(7))
    assert [layers[interval] for interval in intervals((2, 3, 6))] == [[1, 2], [3], [4, 5, 6]]


def test_logits_of_all_tokens_are_the_golden_ones() -> None:
    golden, fast = golden_gates(), torch.randn(5, 3, 64)
    logits = exit_logits(gates(golden), list(fast), EXITS)
    for token in range(3):
        torch.testing.assert_close(logits[token], golden_exit_logits(golden, list(fast[:, token]), EXITS))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("prompt", [PROMPT, PROMPT[:1]])
def test_tokens_and_exits_are_the_golden_models(shape: dict[str, int], prompt: Tensor) -> None:
    decoder, golden_decoder = both_decoders(**shape)
    width, parameters = golden_decoder.embedding.shape[1], M2R2Parameters(exits=EXITS[: len(decoder.layers) // 2 - 1])
    count = len(parameters.exits)
    golden_adapters, golden = random_adapters(parameters.exits[-1], 1, 0.02, width), golden_gates(width)[:count]
    ours = tokens_with_exits(decoder, adapters(golden_adapters), gates(golden), parameters, prompt, choose_rows)
    expected = golden_tokens_with_exits(
        golden_decoder, golden_adapters, golden, parameters.exits, prompt, partial(choose_exit, theta=0.0)
    )
    assert list(islice(ours, 12)) == list(islice(expected, 12))


def test_some_tokens_leave_and_some_stay() -> None:
    """Else the comparison above would show little."""
    decoder, _ = both_decoders()
    ours = tokens_with_exits(
        decoder,
        adapters(random_adapters(4, 1, 0.02)),
        gates(golden_gates()),
        M2R2Parameters(exits=EXITS),
        PROMPT,
        choose_rows,
    )
    assert {left for _, left in islice(ours, 12)} >= {2, 6}
