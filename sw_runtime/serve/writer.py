"""Writes answers, several at a time: after each token the next answer has its turn.

Every step is one answer's alone, and so are its cache, its random numbers and its counters. So an answer is the same,
bit for bit, whoever else is being answered.
"""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from threading import Event
from typing import Any

import torch
from torch import Tensor

from sw_runtime.device.protocol import Counters, Device
from sw_runtime.serve.text import Text
from sw_runtime.serve.turns import Turns


@dataclass(frozen=True)
class Wanted:
    """An answer to write.

    Parameters
    ----------
    prompt
        Its tokens, one or more.
    tokens
        New tokens at most.
    sampling
        Entries that stand instead of those of the model's generation configuration.
    stops
        Texts that end it.
    seed
        Of its random numbers; None for any.
    """

    prompt: list[int]
    tokens: int
    sampling: dict[str, Any] = field(default_factory=dict)
    stops: list[str] = field(default_factory=list)
    seed: int | None = None


@dataclass(frozen=True)
class Piece:
    """What a token adds.

    Parameters
    ----------
    text
        New text; empty where the token is no whole character, or may begin a stop.
    tokens
        New tokens so far.
    seconds
        Spent on this answer so far, waiting for others left out.
    spent
        What the device has done for this answer so far; None on the host.
    finish
        "stop" or "length" in the last piece, which is no token's.
    """

    text: str
    tokens: int
    seconds: float
    spent: Counters | None
    finish: str | None = None


class AbandonedError(Exception):
    """Nobody waits for the answer any more."""


class Writer:
    """A model that answers.

    Parameters
    ----------
    model, tokenizer
        A transformers model and its tokenizer.
    device
        The device that the model is attached to; None on the host. No one else uses it meanwhile.
    """

    def __init__(self, model: Any, tokenizer: Any, device: Device | None = None) -> None:
        self.model, self.tokenizer = model, tokenizer
        self._device, self._turns = device, Turns()

    def write(self, wanted: Wanted, tell: Callable[[Piece], None], gone: Event) -> None:
        """Write an answer; any number of threads may do so.

        Parameters
        ----------
        wanted
            The answer.
        tell
            Takes the pieces, between turns.
        gone
            Ends the answer before its next token.

        Raises
        ------
        AbandonedError
            If ``gone`` is set.
        DeviceError
            If the device stops.
        """
        text = Text(self.tokenizer, wanted.stops)
        turn = _Turn(self._turns, self._device, wanted.seed)
        pen = _Pen(text, turn, tell, gone)
        settings = copy.deepcopy(self.model.generation_config)
        settings.update(max_new_tokens=wanted.tokens, cache_implementation=None, return_dict_in_generate=False)
        settings.update(**wanted.sampling)
        prompt = torch.tensor([wanted.prompt])
        turn.begin()
        try:
            self.model.generate(
                prompt,
                attention_mask=torch.ones_like(prompt),
                generation_config=settings,
                streamer=pen,
                tokenizer=self.tokenizer,  # for stop_strings of the model's own
            )
        except _StoppedError:
            pass
        finally:
            turn.end()
        ended = text.stopped or len(text.tokens) < wanted.tokens or text.tokens[-1] in _ends(settings)
        tell(turn.piece(text, text.rest(), "stop" if ended else "length"))


def _ends(settings: Any) -> list[int]:
    ends = settings.eos_token_id
    return ends if isinstance(ends, list) else [ends]


class _StoppedError(Exception):
    """A stop was written."""


class _Turn:
    """One answer's turns: its random numbers, and what it has cost."""

    def __init__(self, turns: Turns, device: Device | None, seed: int | None) -> None:
        generator = torch.Generator()
        if seed is None:
            generator.seed()
        else:
            generator.manual_seed(seed)
        self._turns, self._device, self._random = turns, device, generator.get_state()
        self._held, self._others = False, self._random
        self._seconds, self._start = 0.0, 0.0
        self._spent, self._before = Counters(), Counters()

    def begin(self) -> None:
        """Wait for a turn; random numbers then go on where they were."""
        self._turns.take()
        self._held, self._others = True, torch.get_rng_state()
        torch.set_rng_state(self._random)
        self._start = time.perf_counter()
        if self._device is not None:
            self._before = replace(self._device.counters)

    def end(self) -> None:
        """Let the others have theirs."""
        if not self._held:
            return
        self._seconds += time.perf_counter() - self._start
        if self._device is not None:
            self._spent += self._device.counters - self._before
        self._random = torch.get_rng_state()
        torch.set_rng_state(self._others)
        self._held = False
        self._turns.give()

    def piece(self, text: Text, new: str, finish: str | None = None) -> Piece:
        """A piece of text with what has been spent so far."""
        spent = None if self._device is None else self._spent
        return Piece(new, len(text.tokens), self._seconds, spent, finish)


class _Pen:
    """A streamer of transformers: takes the tokens as they are made, and ends the turn after each."""

    def __init__(self, text: Text, turn: _Turn, tell: Callable[[Piece], None], gone: Event) -> None:
        self._text, self._turn, self._tell, self._gone = text, turn, tell, gone
        self._prompt = True

    def put(self, value: Tensor) -> None:
        """A token, int64 [1]; the prompt comes first."""
        if self._prompt:
            self._prompt = False
            return
        self._turn.end()
        self._tell(self._turn.piece(self._text, self._text.add(int(value[0]))))
        if self._gone.is_set():
            raise AbandonedError
        if self._text.stopped:
            raise _StoppedError
        self._turn.begin()

    def end(self) -> None:
        """Nothing is held back here; the last piece tells the end."""
