"""The next token out of the best of a device's keys: the likeliest, or one that is drawn."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from formats.errors import InputError
from sw_runtime.decoder.vectors import Integers

BEST = 64
"""Tokens that a device hands over with their keys, to draw one of."""

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
            If it asks for what the best ``BEST`` keys do not tell, or what is no number of the kind.
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
        if not 1 <= found.top_k <= BEST:
            raise InputError(
                f"generation_config.json asks for top_k {found.top_k}, and the device hands over the best {BEST}; "
                f"set top_k to 1 to {BEST}"
            )
        if found.temperature <= 0 or not 0 < found.top_p <= 1:
            raise InputError(
                f"generation_config.json asks for temperature {found.temperature} and top_p {found.top_p}; "
                "the one must be above 0, the other above 0 and at most 1"
            )
        return found

    def draw(self, keys: Integers, exponent: int, generator: np.random.Generator) -> int:
        """A token.

        Parameters
        ----------
        keys
            int64 [vocabulary]; a logit is a key times ``2^exponent``.
        exponent
            Of the keys.
        generator
            Of random numbers.
        """
        best = best_tokens(keys, self.top_k)
        logits = keys[best] * 2.0**exponent / self.temperature
        shares = np.exp(logits - logits[0])
        shares /= shares.sum()
        kept = int(np.searchsorted(np.cumsum(shares), self.top_p)) + 1
        shares = shares[:kept] / shares[:kept].sum()
        return int(best[generator.choice(len(shares), p=shares)])


def best_tokens(keys: Integers, count: int) -> Integers:
    """The tokens of the largest keys, the largest first, of equal keys the lower token: as the token router's TOPK."""
    return np.argsort(-keys, kind="stable")[:count]


def likeliest(keys: Integers) -> int:
    """The token of the largest key, of equal keys the lowest: as the token router's ARGMAX."""
    return int(keys.argmax())
