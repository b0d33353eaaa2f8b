"""A text on a board, kept answer by answer, so that a command that was stopped goes on."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError

from hw.sources import build_number
from sw_runtime.cache import cache_folder
from sw_runtime.decoder.image.file import Image
from sw_runtime.decoder.on_board import TokenAnswer
from sw_runtime.decoder.sampling import BestTokens
from sw_runtime.json_files import json_text
from sw_runtime.whole_files import read_tensors, write_tensors


class KeptText:
    """Answers to a text's tokens, and what each token left in the cache, in a file of the cache folder ``texts``.

    The file is there whole or not at all. One that cannot be read counts as none.

    Parameters
    ----------
    image
        That the board runs. Its hashes, the hardware's sources and ``text`` name the file.
    text
        JSON values that decide what the board is sent: the prompt, and how each token is chosen.
    """

    def __init__(self, image: Image, text: dict[str, Any]) -> None:
        named = json_text({"build": build_number(), "image": asdict(image.contents), "text": text})
        self.path = cache_folder("texts") / f"{hashlib.sha256(named.encode()).hexdigest()[:20]}.safetensors"
        self.answers: list[TokenAnswer] = []
        self.rows: list[NDArray[np.uint8]] = []
        try:
            tensors, record = read_tensors(self.path)
            self.rows = list(tensors["cache"].numpy())
            self.answers = [_answer(**fields) for fields in record["answers"]]
        except (FileNotFoundError, SafetensorError, KeyError, TypeError, ValueError):
            self.answers, self.rows = [], []

    @property
    def tokens(self) -> int:
        """Tokens that are kept."""
        return len(self.rows)

    def add(self, answer: TokenAnswer, rows: Sequence[NDArray[np.uint8]]) -> None:
        """Keep the answer to further tokens, and what each of them left in the cache.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        self.answers.append(answer)
        self.rows.extend(rows)
        record = {"answers": [_fields(each) for each in self.answers]}
        write_tensors(self.path, {"cache": torch.from_numpy(np.stack(self.rows))}, record)

    def delete(self) -> None:
        """The text is whole: keep it no longer."""
        self.path.unlink(missing_ok=True)


def _fields(answer: TokenAnswer) -> dict[str, Any]:
    best = answer.best
    return {
        "taken": answer.taken,
        "tokens": best.tokens.tolist(),
        "keys": best.keys.tolist(),
        "cycles": answer.cycles,
        "port_busy_cycles": answer.port_busy_cycles,
    }


def _answer(taken: int, tokens: list[int], keys: list[int], cycles: int, port_busy_cycles: int) -> TokenAnswer:
    return TokenAnswer(taken, BestTokens(np.array(tokens), np.array(keys)), cycles, port_busy_cycles)
