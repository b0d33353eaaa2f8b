"""The next token out of the best of a device's keys: the likeliest, or one that is drawn."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from formats.board_requests import BEST
from formats.errors import InputError
from sw_runtime.decoder.vectors import Integers

DRAWN_BY = ("temperature", "top_k", "top_p")
"""Entries of a generation configuration that are followed where tokens are drawn."""

NOT_FOLLOWED = ("min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff")


@dataclass(frozen=True)
class Sampling:
    """How a token is drawn.

    Parameters
    ----------
    temperature
        Divides the logits; above 0.
    top_k
        Of so many best tokens, at most ``BEST``; 50 is what transformers takes where nobody says.
    top_p
        Of these, the fewest whose probabilities reach this sum.
    """

    temperature: float = 1.0
    top_k: int = 50
    top_p: float = 1.0

    @classmethod
    def of(cls, settings: Any) -> "Sampling":
        """As a model's ``generation_config`` asks.

        Raises
        ------
        InputError
            If it asks for what the best ``BEST`` keys do not tell, or what is no number of its kind.
        """
        for name in NOT_FOLLOWED:
            if getattr(settings, name, None) not in (None, 0, 0.0, 1.0):
                raise InputError(
                    f"generation_config.json asks for {name} {getattr(settings, name)}, but the whole decoder draws "
                    f"by {', '.join(DRAWN_BY)}; give --greedy, or delete the entry"
                )
        defaults = cls()
        given = {name: getattr(settings, name, None) for name in DRAWN_BY}
        found = cls(**{name: getattr(defaults, name) if value is None else value for name, value in given.items()})
        for name, kind in (("temperature", int | float), ("top_k", int), ("top_p", int | float)):
            value = getattr(found, name)
            if not isinstance(value, kind) or isinstance(value, bool):
                what = "an integer" if kind is int else "a number"
                raise InputError(
                    f"generation_config.json asks for {name} {value!r}, which is not {what}; correct the entry"
                )
        if not 1 <= found.top_k <= BEST:
            raise InputError(
                f"generation_config.json asks for top_k {found.top_k}, and the device hands over the best {BEST}; "
                f"set top_k to 1 to {BEST}"
            )
        if not found.temperature > 0 or not 0 < found.top_p <= 1:
            raise InputError(
                f"generation_config.json asks for temperature {found.temperature} and top_p {found.top_p}; "
                "the one must be above 0, the other above 0 and at most 1"
            )
        return found

    def draw(self, best: "BestTokens", exponent: int, generator: np.random.Generator) -> int:
        """A token.

        Parameters
        ----------
        best
            ``top_k`` or more; a logit is a key times ``2^exponent``.
        exponent
            Of the keys.
        generator
            Of random numbers.
        """
        logits = best.keys[: self.top_k] * 2.0**exponent / self.temperature
        shares = np.exp(logits - logits[0])
        shares /= shares.sum()
        kept = int(np.searchsorted(np.cumsum(shares), self.top_p)) + 1
        shares = shares[:kept] / shares[:kept].sum()
        return int(best.tokens[generator.choice(len(shares), p=shares)])


@dataclass(frozen=True)
class BestTokens:
    """The tokens of the largest keys, the largest first, of equal keys the lower token: as the token router's TOPK.

    Parameters
    ----------
    tokens, keys
        int64 [at most ``BEST``].
    """

    tokens: Integers
    keys: Integers

    @classmethod
    def of(cls, keys: Integers, count: int) -> "BestTokens":
        """The best of all keys, int64 [vocabulary]."""
        tokens = np.argsort(-keys, kind="stable")[:count]
        return cls(tokens, keys[tokens])


class NextToken:
    """Chooses each next token of a text.

    Parameters
    ----------
    exponent
        Of the keys: a logit is a key times ``2^exponent``.
    sampling
        How tokens are drawn; None takes the likeliest.
    seed
        Of the tokens that are drawn.
    """

    def __init__(self, exponent: int, sampling: Sampling | None = None, seed: int = 0) -> None:
        self._exponent, self._sampling = exponent, sampling
        self._generator = np.random.default_rng(seed)
        self.best = 1 if sampling is None else sampling.top_k

    def of(self, best: BestTokens) -> int:
        """The next token; ``self.best`` of the best are looked at."""
        if self._sampling is None:
            return int(best.tokens[0])
        return self._sampling.draw(best, self._exponent, self._generator)
