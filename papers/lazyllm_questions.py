"""LazyLLM on questions: a passage after examples, and a planted sentence among passages, against the dense model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm
from transformers import DynamicCache

from formats.router.rates import Rate
from papers.claim import Finding
from papers.prompts import ANSWER_TOKENS, EXAMPLES, Prompts
from papers.questions import STAND_IN, holds, interval, passages
from sw_runtime.device.protocol import Device
from sw_runtime.methods.decoder import Decoder
from sw_runtime.methods.lazyllm.loop import LazyLLM
from sw_runtime.methods.lazyllm.on_device import RouterTokenSets
from sw_runtime.methods.lazyllm.schedule import LazyLLMParameters

SHOWN = 6
"""Examples before a question's passage. They make the prompt long; with more passages than the right one, a model of
135 M parameters hardly answers."""

FEWEST_WORDS, MOST_WORDS = 40, 80

LEAST_RIGHT = 15
"""Right answers that the dense model must give: with fewer, a ratio over them says nothing."""

NEEDLE = "The secret number of {} is {}."
NEEDLES = {"Lisbon": "4817", "Oslo": "7352"}
DEPTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Where the needle is planted, as a share of the passages around it."""

HAYSTACK = 6
"""Passages around a needle."""

Step = Callable[[Tensor], Tensor]
"""Append tokens, int64 [T], and predict the next: logits, [vocabulary]."""


def answer(step: Step, prompts: Prompts, prompt: Tensor) -> str:
    """The likeliest answer, a token per step, to the end of its line: int64 [T]."""
    tokens: list[int] = []
    fresh = prompt
    while len(tokens) < ANSWER_TOKENS and not prompts.ends(token := int(step(fresh).argmax())):
        tokens.append(token)
        fresh = torch.tensor([token])
    return prompts.text(tokens)


def dense_step(model: Any) -> Step:
    """Steps of a transformers model with its own cache."""
    cache = DynamicCache(config=model.config)
    return lambda fresh: model(fresh[None], cache=cache, logits_to_keep=1).logits[0, -1]


def lazy_step(decoder: Decoder, device: Device, rates: Mapping[int, Rate]) -> Step:
    """Steps of LazyLLM, its sets in the device's router."""
    lazy = LazyLLM(decoder, LazyLLMParameters(rates), RouterTokenSets(device, len(decoder.layers)))
    return lambda fresh: lazy.step(fresh).logits


@dataclass
class Answers:
    """What both say, an entry per prompt.

    Parameters
    ----------
    right
        What the answer must hold.
    dense, lazy
        Answers.
    tokens
        Of the prompt.
    """

    right: list[str] = field(default_factory=list)
    dense: list[str] = field(default_factory=list)
    lazy: list[str] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)

    @property
    def scores(self) -> tuple[Tensor, Tensor]:
        """Which answers of LazyLLM and of the dense model are right: float64 [n] each."""
        lazy, dense = (
            torch.tensor([holds(said, right) for said, right in zip(answers, self.right, strict=True)]).double()
            for answers in (self.lazy, self.dense)
        )
        return lazy, dense

    def finding(self, scale: str, ran: str) -> Finding:
        """The score kept, % of the dense model's, with its interval."""
        lazy, dense = self.scores
        if dense.sum() < LEAST_RIGHT:
            few = f"the dense model answers {dense.sum():.0f} of {len(dense)} questions, LazyLLM {lazy.sum():.0f}"
            return Finding(None, scale, ran, instead=few)
        low, high = interval(lazy, dense)
        return Finding(100 * (lazy.sum() / dense.sum()).item(), scale, ran, (100 * low, 100 * high), STAND_IN)

    def figures(self, name: str) -> dict[str, float | str]:
        """By name."""
        lazy, dense = self.scores
        same = sum(ours == theirs for ours, theirs in zip(self.lazy, self.dense, strict=True))
        return {
            f"{name}: right, dense / LazyLLM / of": f"{dense.sum():.0f} / {lazy.sum():.0f} / {len(dense)}",
            f"{name}: answers of LazyLLM that are the dense model's, %": 100 * same / len(dense),
            f"{name}: tokens of a prompt": f"{min(self.tokens)} to {max(self.tokens)}",
        }


@torch.inference_mode()
def ask(
    model: Any, device: Device, rates: Mapping[int, Rate], prompts: Prompts, asked: Sequence[tuple[Tensor, str]]
) -> Answers:
    """Put prompts, int64 [T] each with the right answer, to both."""
    decoder, answers = Decoder.of(model), Answers()
    for prompt, right in tqdm(asked, desc="questions", unit="question"):
        answers.right.append(right)
        answers.tokens.append(len(prompt))
        answers.dense.append(answer(dense_step(model), prompts, prompt))
        answers.lazy.append(answer(lazy_step(decoder, device, rates), prompts, prompt))
    return answers


def on_passages(model: Any, tokenizer: Any, device: Device, rates: Mapping[int, Rate], questions: int) -> Answers:
    """Questions of Natural Questions, each on its passage, after examples of others."""
    texts, asked = passages(SHOWN + questions, FEWEST_WORDS, MOST_WORDS)
    prompts = Prompts(tokenizer, texts, asked[:SHOWN])
    put = [(prompts.whole([texts[one.passage]], one.text), one.answer) for one in asked[SHOWN:]]
    return ask(model, device, rates, prompts, put)


def on_needles(
    model: Any, tokenizer: Any, device: Device, rates: Mapping[int, Rate], depths: Sequence[float]
) -> Answers:
    """A planted sentence at several depths among passages."""
    texts, asked = passages(EXAMPLES + HAYSTACK, FEWEST_WORDS, MOST_WORDS)
    prompts, hay = Prompts(tokenizer, texts, asked[:EXAMPLES]), texts[EXAMPLES:]
    put = []
    for city, number in NEEDLES.items():
        for depth in depths:
            at = round(depth * len(hay))
            around = [*hay[:at], NEEDLE.format(city, number), *hay[at:]]
            put.append((prompts.whole(around, f"what is the secret number of {city}?"), number))
    return ask(model, device, rates, prompts, put)
