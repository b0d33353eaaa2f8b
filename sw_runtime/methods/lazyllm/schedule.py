"""When LazyLLM leaves out how many tokens."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from formats.errors import InputError
from formats.router.rates import Rate, exact_rate

PORT_LAYERS = 32
PORT_KEPT = {8: 0.7, 16: 0.5, 24: 0.3}
"""Layer: share kept, of 32 layers. A public port's schedule, not the paper's."""


@dataclass(frozen=True)
class LazyLLMParameters:
    """Hyper-parameters.

    Parameters
    ----------
    rates
        Layer, from 0: share of the tokens attended to there that later layers go without, at least
        0 and below 1. Rounded down to whole tokens; other layers drop none.
    score_code
        What ranks tokens: see ``formats.router.keys.score_keys``.
    pooling
        Width of an average over neighbours, odd; 1 is none. A port uses 13.

    Raises
    ------
    InputError
        If a rate or the width is not as above.
    """

    rates: Mapping[int, Rate]
    score_code: Literal["sum16", "x24"] = "sum16"
    pooling: int = 1

    def __post_init__(self) -> None:
        for layer, rate in self.rates.items():
            if layer < 0 or not 0 <= rate < 1:
                raise InputError(f"a layer is at least 0 and its rate 0 to below 1, not {layer}: {rate}")
        if self.pooling < 1 or self.pooling % 2 == 0:
            raise InputError(f"pooling must be an odd width, not {self.pooling}")


def port_rates(layers: int) -> dict[int, Rate]:
    """The port's schedule at the same depths of a model of other depth: rates of ``LazyLLMParameters``.

    In a model of few layers those that would fall on the last one are left out: nothing comes after it.
    """
    depths = {layer * layers // PORT_LAYERS: 1 - exact_rate(kept) for layer, kept in PORT_KEPT.items()}
    return {layer: rate for layer, rate in depths.items() if layer < layers - 1}


def rates_of_shares(kept: Mapping[int, Rate]) -> dict[int, Rate]:
    """Rates after which these shares of all the tokens are left: layer, ascending: share."""
    rates: dict[int, Rate] = {}
    before = Fraction(1)
    for layer, share in kept.items():
        rates[layer] = 1 - exact_rate(share) / before
        before = exact_rate(share)
    return rates
