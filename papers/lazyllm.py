"""LazyLLM on Wikipedia: how much of a long prompt a model computes, and what that does to its next tokens."""

import math
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor
from tqdm import tqdm

import seedloom
from formats.errors import InputError
from formats.router.rates import Rate
from papers.claim import Finding
from papers.lazyllm_first_token import FirstToken, TimedSets, first_token
from papers.lazyllm_questions import DEPTHS, SHOWN, Answers, on_needles, on_passages
from papers.report import Report, on, yes_or_no
from papers.smollm2 import SmolLM2
from sw_runtime.device.protocol import Device
from sw_runtime.methods.decoder import Decoder
from sw_runtime.methods.lazyllm.loop import LazyLLM, Step
from sw_runtime.methods.lazyllm.on_device import RouterTokenSets
from sw_runtime.methods.lazyllm.schedule import (
    PORT_KEPT,
    PORT_LAYERS,
    LazyLLMParameters,
    port_rates,
    rates_of_shares,
)
from sw_runtime.texts.corpora import wikipedia_articles
from sw_runtime.texts.tokens import tokenize

ENGINE = seedloom.EngineParameters(("scaled-4bit",))
"""Beside the router, and idle: the model runs on the host here."""

DENSE = "no rates"
PORT = "port: 70, 50, 30 % of what is left"
"""The schedule that the claims are tried on, the only one that a source gives."""


def schedules(layers: int) -> dict[str, dict[int, Rate]]:
    """The three schedules that are compared, by name."""
    depths = [layer * layers // PORT_LAYERS for layer in PORT_KEPT]
    return {
        "gentle: 10 % a time": dict.fromkeys(depths, 0.1),
        "70, 50, 30 % of the prompt": rates_of_shares(dict(zip(depths, PORT_KEPT.values(), strict=True))),
        PORT: port_rates(layers),
    }


def work(decoder: Decoder, step: Step) -> int:
    """Multiply-accumulates of a step: matrices of the tokens computed, attention, and the head once."""
    layer = decoder.layers[0]
    a_token = sum(product.in_features * product.out_features for product in layer.products)
    head = decoder.head.in_features * decoder.head.out_features
    return int(step.computed.sum()) * a_token + 2 * layer.query.out_features * step.pairs + head


@dataclass
class Tally:
    """What runs of one schedule gave, over all prompts.

    Parameters
    ----------
    prefill_work, total_work
        Multiply-accumulates to the first token, and to the last.
    prefill_seconds, total_seconds
        The same in CPU time of the model, without what the device takes.
    prefill_shares, total_shares
        A prompt: share of its tokens computed at each layer, [L], in the prefill and in all steps.
    nats, agree
        A token: its negative log-likelihood, and whether the likeliest is the dense model's.
    difference
        Largest of all logits' differences from the dense model's.
    prefill_cycles, step_cycles
        Busy cycles of the router in the prefill, and in each later step.
    survivors
        A prompt: tokens that the last layer attends to in the prefill.
    """

    prefill_work: int = 0
    total_work: int = 0
    prefill_seconds: float = 0.0
    total_seconds: float = 0.0
    prefill_shares: list[Tensor] = field(default_factory=list)
    total_shares: list[Tensor] = field(default_factory=list)
    nats: list[float] = field(default_factory=list)
    agree: list[bool] = field(default_factory=list)
    difference: float = 0.0
    prefill_cycles: list[int] = field(default_factory=list)
    step_cycles: list[int] = field(default_factory=list)
    survivors: list[list[int]] = field(default_factory=list)

    @property
    def perplexity(self) -> float:
        """Of the tokens after the prompts."""
        return math.exp(sum(self.nats) / len(self.nats))


def follow(
    model: LazyLLM,
    sets: TimedSets,
    device: Device,
    prompt: Tensor,
    continuation: Tensor,
    dense: Tensor,
    tally: Tally,
) -> None:
    """Read a prompt and the text that follows it, a token per step, and note what each step predicts.

    Parameters
    ----------
    model, sets
        Fresh; the model's sets are these, on the device.
    prompt, continuation
        int64 [T], [t].
    dense
        Logits of the dense model at the last token of the prompt and at the continuation's but its last:
        [t, vocabulary].
    """
    prompt_computed = torch.zeros(len(model.decoder.layers), len(prompt), dtype=torch.bool)
    for number, (target, expected) in enumerate(zip(continuation, dense, strict=True)):
        before, started, elsewhere = device.counters.router_cycles, time.process_time(), sets.seconds
        step = model.step(continuation[number - 1 : number] if number else prompt)
        seconds = time.process_time() - started - (sets.seconds - elsewhere)
        cycles = device.counters.router_cycles - before
        tally.total_seconds += seconds
        prompt_computed |= step.computed[:, : len(prompt)]
        tally.total_work += work(model.decoder, step)
        tally.nats.append(-step.logits.log_softmax(dim=-1)[target].item())
        tally.agree.append(bool(step.logits.argmax() == expected.argmax()))
        tally.difference = max(tally.difference, (step.logits - expected).abs().max().item())
        if number:
            tally.step_cycles.append(cycles)
        else:
            tally.prefill_cycles.append(cycles)
            tally.prefill_work += work(model.decoder, step)
            tally.prefill_seconds += seconds
            tally.prefill_shares.append(step.computed.double().mean(dim=1))
            tally.survivors.append(step.attended[-1].nonzero().flatten().tolist())
    tally.total_shares.append(prompt_computed.double().mean(dim=1))


def prompts_of(tokenizer: Any, count: int, tokens: int) -> list[Tensor]:
    """Beginnings of as many articles that are long enough: int64 [tokens] each.

    Raises
    ------
    InputError
        If there are not so many.
    """
    prompts: list[Tensor] = []
    for article in wikipedia_articles():
        ids = tokenize(article, tokenizer)
        if len(ids) >= tokens:
            prompts.append(ids[:tokens])
        if len(prompts) == count:
            return prompts
    raise InputError(f"{len(prompts)} articles have {tokens} tokens, not {count}; ask for fewer or shorter prompts")


def mean_percent(values: Sequence[Tensor]) -> float:
    """Mean of shares, in %."""
    return 100 * torch.stack(list(values)).mean().item()


def figures_of(tallies: Mapping[str, Tally]) -> dict[str, float | str]:
    """What the tallies say, by name."""
    dense = tallies[DENSE]
    figures: dict[str, float | str] = {
        "no rates: all tokens predicted as by the dense model": yes_or_no(all(dense.agree)),
        "no rates: largest difference of a logit": dense.difference,
        "dense: perplexity": dense.perplexity,
    }
    for name, tally in tallies.items():
        if name == DENSE:
            continue
        figures |= {
            f"{name}: work of the prefill, dense over it": dense.prefill_work / tally.prefill_work,
            f"{name}: work of prefill and generation, dense over it": dense.total_work / tally.total_work,
            f"{name}: CPU time of the prefill, dense over it": dense.prefill_seconds / tally.prefill_seconds,
            f"{name}: prompt tokens computed in the prefill, mean of layers, %": mean_percent(tally.prefill_shares),
            f"{name}: prompt tokens computed in all steps, mean of layers, %": mean_percent(tally.total_shares),
            f"{name}: perplexity": tally.perplexity,
            f"{name}: tokens predicted as by the dense model, %": 100 * sum(tally.agree) / len(tally.agree),
            f"{name}: router cycles, prefill / a later step": _cycles(tally),
        }
    return figures


def findings_of(
    tallies: Mapping[str, Tally], first: FirstToken, answers: Answers, texts: tuple[int, int, int], device: str
) -> dict[str, Finding]:
    """The claims' quantities, under the port's schedule.

    Parameters
    ----------
    first
        Of prompts as long as the texts'.
    texts
        How many, tokens of each, tokens that follow.
    """
    dense, port = tallies[DENSE], tallies[PORT]
    count, tokens, more = texts
    ran = f"sets of tokens by the router, {on(device)}; model on the host"
    timed = f"{ran}; its CPU time"
    scale = f"SmolLM2-135M, {count} Wikipedia articles of {tokens:,} tokens, {more} more each"
    asked = (
        f"SmolLM2-135M, {len(answers.right)} questions of Natural Questions on a passage after {SHOWN} examples, "
        f"{min(answers.tokens)} to {max(answers.tokens)} tokens"
    )
    rival = f"SmolLM2-135M, {tokens:,} tokens of a Wikipedia article, against transformers' own prefill"
    return {
        "first token": Finding(first.transformers / first.lazy, rival, timed),
        "generation": Finding(dense.total_seconds / port.total_seconds, scale, timed),
        "computed": Finding(mean_percent(port.total_shares), scale, ran),
        "accuracy": answers.finding(asked, ran),
    }


def measure(
    device: str,
    prompts: int = 2,
    prompt_tokens: int = 1024,
    new_tokens: int = 32,
    score_code: Literal["sum16", "x24"] = "sum16",
    runs: int = 3,
    questions: int = 60,
    depths: Sequence[float] = DEPTHS,
) -> Report:
    """Run SmolLM2 over beginnings of Wikipedia articles and what follows, dense and under three schedules; ask it.

    Parameters
    ----------
    device
        ``"emulated"`` or ``"simulated"``: what ranks tokens and holds their sets.
    prompts, prompt_tokens
        Articles, and tokens of each that are read at once.
    new_tokens
        Tokens after them that are predicted, one a step; the text's own are read, whatever is predicted.
    score_code
        As in ``LazyLLMParameters``.
    runs
        Of each first token that is timed, after half the ``prompt_tokens``, so many, and twice as many.
    questions, depths
        On passages, and depths at which a sentence is planted; under the port's schedule.
    """
    smollm2 = SmolLM2.load()
    decoder = Decoder.of(smollm2.model)
    layers = len(decoder.layers)
    texts = prompts_of(smollm2.tokenizer, prompts, prompt_tokens + new_tokens)
    lengths = prompt_tokens // 2, prompt_tokens, 2 * prompt_tokens
    settings: dict[str, dict[int, Rate]] = {DENSE: {}} | schedules(layers)
    tallies = {name: Tally() for name in settings}
    opening = seedloom.open_device(device, parameters=ENGINE, router=seedloom.RouterParameters())
    progress = tqdm(total=prompts * len(settings), desc="prompts", unit="run")
    with torch.inference_mode(), closing(opening) as opened, progress:
        for text in texts:
            dense = smollm2.model(text[None, :-1], logits_to_keep=new_tokens).logits[0]
            for name, rates in settings.items():
                sets = TimedSets(RouterTokenSets(opened, layers, score_code))
                lazy = LazyLLM(decoder, LazyLLMParameters(rates, score_code), sets)
                follow(lazy, sets, opened, text[:prompt_tokens], text[prompt_tokens:], dense, tallies[name])
                progress.update()
        model, tokenizer, rates = smollm2.model, smollm2.tokenizer, settings[PORT]
        long = prompts_of(tokenizer, 1, max(lengths))[0]
        times = {tokens: first_token(model, opened, long[:tokens], rates, runs) for tokens in lengths}
        answers = on_passages(model, tokenizer, opened, rates, questions)
        needles = on_needles(model, tokenizer, opened, rates, depths)
    details: dict[str, Any] = {
        "share of prompt tokens computed a layer, prefill": {n: _a_layer(t.prefill_shares) for n, t in tallies.items()},
        "share of prompt tokens computed a layer, all steps": {n: _a_layer(t.total_shares) for n, t in tallies.items()},
        "attended in the last layer of the prefill": {name: tally.survivors for name, tally in tallies.items()},
    }
    details |= {"answers": asdict(answers), "needles": asdict(needles)}
    findings = findings_of(tallies, times[prompt_tokens], answers, (prompts, prompt_tokens, new_tokens), device)
    figures = figures_of(tallies)
    for tokens, taken in times.items():
        figures |= taken.figures(tokens)
    figures |= answers.figures("questions") | needles.figures("planted sentence")
    return Report(device, findings, figures, details)


def _cycles(tally: Tally) -> str:
    prefill, later = (sum(c) / max(len(c), 1) for c in (tally.prefill_cycles, tally.step_cycles))
    return f"{prefill:,.0f} / {later:,.0f}"


def _a_layer(shares: Sequence[Tensor]) -> list[float]:
    """Mean over prompts, to four places."""
    return [round(share, 4) for share in torch.stack(list(shares)).mean(dim=0).tolist()]
