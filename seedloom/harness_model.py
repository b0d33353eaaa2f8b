"""A compressed folder as a model of EleutherAI's evaluation harness."""

from contextlib import ExitStack
from typing import Any

from lm_eval.api.registry import register_model
from lm_eval.models.huggingface import HFLM

from seedloom.api import HOST, check_device, load, placed


@register_model("seedloom")
class SeedloomModel(HFLM):  # type: ignore[misc]  # the harness carries no types
    """A compressed folder whose layers multiply on the host or on a device: ``--model seedloom``.

    Parameters
    ----------
    folder
        The compressed folder; it is not verified first.
    on
        What multiplies the compressed layers, as ``--device`` of the other commands.
    device
        The harness's own: torch's device of all else. It stays the CPU.
    settings
        What else the harness passes to its Hugging Face models.

    Raises
    ------
    InputError, CheckpointError
        If the folder or the device will not do.
    """

    def __init__(self, folder: str, on: str = HOST, device: str | None = None, **settings: Any) -> None:
        check_device(on)
        model, tokenizer = load(folder)
        self._places = ExitStack()  # the device is open as long as the process runs
        self._places.enter_context(placed(model, on))
        super().__init__(pretrained=model, tokenizer=tokenizer, **settings)
