"""How many draft tokens a target model accepts: speculative decoding."""

from torch import Tensor


def _leading(passed: Tensor) -> int:
    """Length of the run of True at the start: bool [g] → int."""
    return int(passed.long().cumprod(dim=0).sum())


def accept_greedy(drafts: Tensor, targets: Tensor) -> tuple[int, int]:
    """Drafts that equal the target's own choices, and the token that follows them.

    Parameters
    ----------
    drafts
        Token ids, int64 [g].
    targets
        The target's choice at each draft and after the last: int64 [g + 1].

    Returns
    -------
    tuple[int, int]
        Accepted drafts a, and ``targets[a]``: the correction, or the bonus if all were accepted.
    """
    accepted = _leading(drafts == targets[:-1])
    return accepted, int(targets[accepted])


def accept_stochastic(u: Tensor, q: Tensor, p: Tensor) -> int:
    """Leading drafts that pass ``u < p / q``, tested as ``u * q < p * 2^24``; int64 [g] each, UQ0.24.

    ``p = 0`` never passes, ``p >= q > 0`` always. The token after them is the host's to draw.
    """
    return _leading(u * q < p << 24)
