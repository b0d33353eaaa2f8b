"""How far one model's next-token distributions are from another's."""

from torch import Tensor, nn


def mean_divergence(wanted: Tensor, found: Tensor) -> Tensor:
    """Mean KL divergence of distributions from the wanted ones, nats per token, computed in float32: a scalar.

    Parameters
    ----------
    wanted, found
        Logits, [tokens, vocabulary] each; a gradient flows to those that need one.
    """
    wanted, found = wanted.float().log_softmax(dim=-1), found.float().log_softmax(dim=-1)
    return nn.functional.kl_div(found, wanted, reduction="batchmean", log_target=True)
