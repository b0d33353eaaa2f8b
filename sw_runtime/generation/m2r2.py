"""M2R2 while generating: a stream that runs ahead drafts tokens, or decides which may leave early."""

from collections.abc import Iterator
from functools import partial

from torch import Tensor

from golden_models.decoder import Decoder
from golden_models.m2r2.exits import tokens_with_exits
from golden_models.m2r2.speculation import Round, speculation_rounds
from sw_runtime.device.protocol import Device
from sw_runtime.generation.fast_stream import FastStream
from sw_runtime.routing.drafts import accept_drafts
from sw_runtime.routing.rows import first_above


class SpeculatedText:
    """Endless likeliest tokens, drafted early and verified together: those of plain greedy decoding.

    Parameters
    ----------
    decoder
        The model, see ``backbone.decoder_of``.
    stream
        Fitted to it.
    device
        With a router, which compares drafts and targets.
    prompt
        int64 [T], T at least 1.
    drafts
        Tokens drafted a round, 1 to 15: they are verified in one pass over the weights, with one more.

    Raises
    ------
    ValueError
        If the router is missing; about drafts, with the first token.
    """

    def __init__(self, decoder: Decoder, stream: FastStream, device: Device, prompt: Tensor, drafts: int) -> None:
        self.drafts = drafts
        self.rounds: list[Round] = []
        accept = partial(accept_drafts, device)
        self._found = speculation_rounds(decoder, stream.adapters, prompt, drafts, accept)

    def __iter__(self) -> Iterator[int]:
        for found in self._found:
            self.rounds.append(found)
            yield from found.tokens

    def figures(self) -> dict[str, float]:
        """Rounds, the share of their drafts that was accepted, and the tokens a round that this gives."""
        accepted, rounds = sum(found.accepted for found in self.rounds), len(self.rounds)
        return {
            "rounds": rounds,
            "drafts_accepted": accepted / (self.drafts * rounds),
            "tokens_a_round": 1 + accepted / rounds,
        }


class ExitedText:
    """Endless tokens that may leave after a few layers, where a gate's logit is above θ_exit.

    Parameters
    ----------
    decoder, stream, prompt
        As ``SpeculatedText``.
    device
        With a router, which finds the earliest such gate.
    """

    def __init__(self, decoder: Decoder, stream: FastStream, device: Device, prompt: Tensor) -> None:
        self.layers = len(decoder.layers)
        self.left: list[int] = []

        def choose(logits: Tensor) -> Tensor:
            return first_above(device, logits, stream.parameters.threshold, fallback="none")[0]

        self._found = tokens_with_exits(decoder, stream.adapters, stream.gates, stream.parameters, prompt, choose)

    def __iter__(self) -> Iterator[int]:
        for token, layer in self._found:
            self.left.append(layer)
            yield token

    def figures(self) -> dict[str, float]:
        """Share of the tokens that left early, and the mean layer after which a token left."""
        early = sum(layer < self.layers for layer in self.left)
        return {"left_early": early / len(self.left), "mean_layers": sum(self.left) / len(self.left)}
