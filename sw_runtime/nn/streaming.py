"""Text as it is made, and what each token cost the device."""

from dataclasses import replace
from typing import Any

from torch import Tensor
from transformers import TextStreamer

from sw_runtime.device.protocol import Counters, Device


class CountingStreamer(TextStreamer):
    """Prints text like its base class and notes what the device's counters gained for each token.

    The first token comes with the whole prompt's work and is not noted.

    Parameters
    ----------
    tokenizer
        Turns tokens into text.
    device
        Whose counters to read.
    show
        Print the text.
    """

    def __init__(self, tokenizer: Any, device: Device, show: bool) -> None:
        super().__init__(tokenizer, skip_special_tokens=True)
        self._device = device
        self._show = show
        self._before: Counters | None = None
        self._prompt_seen = False
        self.spent: list[Counters] = []

    def put(self, value: Tensor) -> None:
        """Take the prompt, then one token at a time."""
        if self._show:
            super().put(value)
        if self._prompt_seen:
            if self._before is not None:
                self.spent.append(self._device.counters - self._before)
            self._before = replace(self._device.counters)
        self._prompt_seen = True

    def end(self) -> None:
        """Print what is left."""
        if self._show:
            super().end()
