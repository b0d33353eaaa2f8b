"""SmolLM2-135M, the language model that most demonstrations run on."""

from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from golden_models.decoder import Decoder
from sw_runtime.texts.packaged_models import smollm2_folder


@dataclass(frozen=True)
class SmolLM2:
    """SmolLM2-135M-Instruct in float32.

    Parameters
    ----------
    model
        The ``LlamaForCausalLM``.
    decoder
        The same in the open; its tensors are the model's.
    tokenizer
        Its own.
    """

    model: Any
    decoder: Decoder
    tokenizer: Any

    @classmethod
    def load(cls) -> "SmolLM2":
        """The packaged weights.

        Raises
        ------
        FileNotFoundError
            If the package is not installed, naming the command that does it.
        """
        folder = smollm2_folder()
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        return cls(model, Decoder.from_transformers(model), AutoTokenizer.from_pretrained(folder))
