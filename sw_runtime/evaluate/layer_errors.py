"""Every layer's error in what it puts out, on the original's inputs."""

from typing import Any

import torch
from torch import Tensor

from sw_runtime.nn.places import places
from sw_runtime.progress import progress_bar


def layer_errors(original: Any, compressed: Any, windows: Tensor) -> dict[str, float]:
    """‖(W − Ŵ) X‖ / ‖W X‖ of every linear layer, X the original's inputs.

    Parameters
    ----------
    original, compressed
        Models of the same layers by name; the compressed one's may be of any kind.
    windows
        Token ids, int64 [windows, length].
    """
    lost: dict[str, float] = {}
    whole: dict[str, float] = {}

    def compare(name: str, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        found = compressed.get_submodule(name)(inputs[0])
        lost[name] = lost.get(name, 0.0) + (found - output).double().square().sum().item()
        whole[name] = whole.get(name, 0.0) + output.double().square().sum().item()

    hooks = [
        place.module.register_forward_hook(lambda _, inputs, output, name=name: compare(name, inputs, output))
        for name, place in places(original).items()
    ]
    try:
        with torch.no_grad():
            for window in progress_bar(windows, desc="layer errors", unit="window"):
                original(input_ids=window[None], use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    return {name: (lost[name] / max(whole[name], 1e-300)) ** 0.5 for name in lost}
