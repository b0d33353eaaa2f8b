"""LazyLLM while generating: the prompt's tokens are computed only once something looks at them."""

from collections.abc import Iterator

import torch
from torch import Tensor

from sw_runtime.device.protocol import Device
from sw_runtime.methods.decoder import Decoder
from sw_runtime.methods.lazyllm.loop import LazyLLM, Step
from sw_runtime.methods.lazyllm.on_device import RouterTokenSets
from sw_runtime.methods.lazyllm.schedule import LazyLLMParameters, port_rates


class PrunedText:
    """Endless likeliest tokens of a model whose prompt is pruned by the device's router.

    The rates are the public port's (``schedule.PORT_KEPT``) at the same depths.

    Parameters
    ----------
    decoder
        The model.
    device
        With a router that holds all tokens, and two bitmaps a layer and three more.
    prompt
        int64 [T], T at least 1.

    Attributes
    ----------
    prompt_computed
        bool [L, T]: the prompt's tokens that were computed at each layer so far.
    prefill_computed
        The same after the first step.
    """

    def __init__(self, decoder: Decoder, device: Device, prompt: Tensor) -> None:
        layers = len(decoder.layers)
        self.prompt = prompt
        self.prefill_computed = self.prompt_computed = torch.zeros(layers, len(prompt), dtype=torch.bool)
        self._model = LazyLLM(decoder, LazyLLMParameters(port_rates(layers)), RouterTokenSets(device, layers))

    def __iter__(self) -> Iterator[int]:
        step = self._note(self._model.step(self.prompt))
        self.prefill_computed = self.prompt_computed
        while True:
            token = int(step.logits.argmax())
            yield token
            step = self._note(self._model.step(torch.tensor([token])))

    def _note(self, step: Step) -> Step:
        self.prompt_computed = self.prompt_computed | step.computed[:, : len(self.prompt)]
        return step

    def figures(self) -> dict[str, float]:
        """Shares of the prompt's tokens that were computed, mean of the layers: for the first token, and by now."""
        return {
            "prompt_computed_for_first_token": self.prefill_computed.double().mean().item(),
            "prompt_computed": self.prompt_computed.double().mean().item(),
        }
