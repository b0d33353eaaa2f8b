"""M2R2 while generating: a stream that runs ahead drafts tokens, or decides which may leave early."""

from collections.abc import Iterator

from torch import Tensor

from sw_runtime.device.protocol import Device
from sw_runtime.methods.decoder import Decoder
from sw_runtime.methods.m2r2.exits import tokens_with_exits
from sw_runtime.methods.m2r2.fast_stream import FastStream
from sw_runtime.methods.m2r2.on_device import accept_on_device, choose_on_device
from sw_runtime.methods.m2r2.speculation import Round, speculation_rounds


class SpeculatedText:
    """Endless likeliest tokens, drafted early and verified together: those of plain greedy decoding.

    Parameters
    ----------
    decoder
        The model.
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
    InputError
        If the router is missing; about drafts, with the first token.
    """

    def __init__(self, decoder: Decoder, stream: FastStream, device: Device, prompt: Tensor, drafts: int) -> None:
        self.drafts = drafts
        self.rounds: list[Round] = []
        self._found = speculation_rounds(decoder, stream.adapters, prompt, drafts, accept_on_device(device))

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
        choose = choose_on_device(device, stream.parameters.threshold)
        self._found = tokens_with_exits(decoder, stream.adapters, stream.gates, stream.parameters, prompt, choose)

    def __iter__(self) -> Iterator[int]:
        for token, layer in self._found:
            self.left.append(layer)
            yield token

    def figures(self) -> dict[str, float]:
        """Share of the tokens that left early, and the mean layer after which a token left."""
        early = sum(layer < self.layers for layer in self.left)
        return {"left_early": early / len(self.left), "mean_layers": sum(self.left) / len(self.left)}
