"""LazyLLM on Wikipedia: how much of a long prompt a model computes, and what that does to its next tokens."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor
from tqdm import tqdm
from transformers import AutoModelForCausalLM, AutoTokenizer

import seedloom
from golden_models.decoder import Decoder
from golden_models.lazyllm import (
    PORT_KEPT,
    PORT_LAYERS,
    LazyLLM,
    LazyLLMParameters,
    Step,
    port_rates,
    rates_of_shares,
)
from golden_models.router.descriptor import NO_SLOT, Command, Flag, Opcode, Quota
from golden_models.router.formats import UQ0_16
from golden_models.router.keys import score_keys
from golden_models.router.rates import Rate, rate24
from seedloom.papers.report import Figure, Mark, Report
from sw_runtime.compress.corpora import wikipedia_articles
from sw_runtime.compress.packaged_models import smollm2_folder
from sw_runtime.device.protocol import Device, Request
from sw_runtime.routing.commands import ask, check_tokens, load_keys, mask_of, request, size_of

ENGINE = seedloom.EngineParameters(("scaled-4bit",))
"""Beside the router, and idle: the model runs on the host here."""

SELECTED, KEPT, FIRST_OF_LAYERS = 0, 1, 2
"""Bitmaps of a step; behind them one of computed tokens a layer, then one of tokens aside a layer."""

CACHED, REVIVED = 0x88, 0x08
"""Truth tables: a & b; a & b & ~c."""

DROPPED, STORED = 0x0002, 0xFF02
"""a & ~b & ~c & ~d, which is emitted; d | (a & ~b & ~c), which is written."""

EITHER, COPY, NOTHING = 0xFFAA, 0xAAAA, 0
"""a | d; a; the empty set."""

DENSE = "no rates"

TTFT: tuple[str, Mark] = ("2.34 (time, Llama-2-7B, multi-document)", "as reported")
GENERATION: tuple[str, Mark] = ("1.02 to 1.79 (time, Llama-2-7B)", "second-hand")
COMPUTED: tuple[str, Mark] = ("63.7 to 99.6 (Llama-2-7B)", "second-hand")
"""The paper's figures: times on an A100, where ours are counts of work; its 16 tasks, where ours is one text."""


class RouterTokenSets:
    """LazyLLM's sets of tokens in the bitmaps of a device's router (see ``golden_models.lazyllm.TokenSets``).

    Parameters
    ----------
    device
        A device with a router; all its bitmaps are cleared.
    layers
        Layers of the model.
    score_code
        As in ``LazyLLMParameters``.

    Raises
    ------
    ValueError
        If the router has too few bitmaps for the layers.
    """

    def __init__(self, device: Device, layers: int, score_code: Literal["sum16", "x24"] = "sum16") -> None:
        router = size_of(device)
        slots = FIRST_OF_LAYERS + 2 * layers
        if router.slots < slots:
            raise ValueError(f"{layers} layers take {slots} bitmaps, the router has {router.slots}; open a larger one")
        self.device, self.layers, self.score_code = device, layers, score_code
        self.tokens = 0
        device.route([_write(NOTHING, router.keys, dst=slot) for slot in range(slots)])

    def begin(self, tokens: int) -> None:
        """As ``TokenSets.begin``.

        Raises
        ------
        ValueError
            If they are more than the router holds.
        """
        check_tokens(self.device, tokens)
        self.tokens = tokens
        ask(self.device, Request(Command(Opcode.RANGE, n=tokens, dst=SELECTED)))  # all but a run of none

    def enter(self, layer: int) -> tuple[Tensor, Tensor]:
        """As ``TokenSets.enter``."""
        computed = self._computed(layer)
        cached = self._list(CACHED, computed, SELECTED)
        revived = torch.zeros(0, dtype=torch.int64)
        if layer:
            revived = self._list(REVIVED, self._aside(layer - 1), SELECTED, computed)
        ask(self.device, _write(EITHER, self.tokens, sa=SELECTED, dst=computed))
        return cached, revived

    def prune(self, layer: int, scores: Tensor, rate: Rate) -> tuple[Tensor, Tensor]:
        """As ``TokenSets.prune``."""
        rows = UQ0_16.quantise(scores) if self.score_code == "sum16" else score_keys(scores, "x24")[None]
        loads = [load_keys(row, accumulate=index > 0) for index, row in enumerate(rows)]
        flags = Quota.RATE | Flag.TOPK_LAST
        top = request(Opcode.TOPK, flags=flags, n=self.tokens, x=rate24(rate), sa=SELECTED, dst=KEPT)
        kept = mask_of(ask(self.device, *loads, top), self.tokens)
        deeper, aside = self._computed(layer + 1), self._aside(layer)
        stored = self._list(DROPPED, SELECTED, KEPT, deeper, dst=aside, written=STORED)
        ask(self.device, _write(COPY, self.tokens, sa=KEPT, dst=SELECTED))
        return kept, stored

    def _list(self, table: int, sa: int, sb: int, sc: int = NO_SLOT, dst: int = NO_SLOT, written: int = 0) -> Tensor:
        """Members of a function of sets, ascending; with ``dst`` another one is written there."""
        flags = Flag.GATHER_LIST | (Flag.GATHER_WRITE if dst != NO_SLOT else 0)
        gather = request(Opcode.GATHER, flags=flags, n=self.tokens, z=table, y=written, sa=sa, sb=sb, sc=sc, dst=dst)
        return torch.tensor(ask(self.device, gather).payload, dtype=torch.int64)

    def _computed(self, layer: int) -> int:
        return FIRST_OF_LAYERS + layer

    def _aside(self, layer: int) -> int:
        return FIRST_OF_LAYERS + self.layers + layer


def _write(table: int, tokens: int, dst: int, sa: int = NO_SLOT) -> Request:
    """Write a function of a set and of what a bitmap held into that bitmap, silently."""
    return Request(Command(Opcode.GATHER, flags=Flag.GATHER_WRITE, n=tokens, y=table, sa=sa, dst=dst))


def schedules(layers: int) -> dict[str, dict[int, Rate]]:
    """The three schedules that are compared, by name."""
    depths = [layer * layers // PORT_LAYERS for layer in PORT_KEPT]
    return {
        "gentle: 10 % a time": dict.fromkeys(depths, 0.1),
        "70, 50, 30 % of the prompt": rates_of_shares(dict(zip(depths, PORT_KEPT.values(), strict=True))),
        "port: 70, 50, 30 % of what is left": port_rates(layers),
    }


def work(decoder: Decoder, step: Step) -> int:
    """Multiply-accumulates of a step: matrices of the tokens computed, attention, and the head once."""
    layer = decoder.layers[0]
    matrices = (layer.query, layer.key, layer.value, layer.output, layer.gate, layer.up, layer.down)
    a_token = sum(matrix.numel() for matrix in matrices)
    return int(step.computed.sum()) * a_token + 2 * layer.query.shape[0] * step.pairs + decoder.head.numel()


@dataclass
class Tally:
    """What runs of one schedule gave, over all prompts.

    Parameters
    ----------
    prefill_work, total_work
        Multiply-accumulates to the first token, and to the last.
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


def follow(model: LazyLLM, device: Device, prompt: Tensor, continuation: Tensor, dense: Tensor, tally: Tally) -> None:
    """Read a prompt and the text that follows it, a token a step, and note what each step foretells.

    Parameters
    ----------
    model
        Fresh; its sets are on the device.
    prompt, continuation
        int64 [T], [t].
    dense
        Logits of the dense model at the last token of the prompt and at the continuation's but its last:
        [t, vocabulary].
    """
    prompt_computed = torch.zeros(len(model.decoder.layers), len(prompt), dtype=torch.bool)
    for number, (target, expected) in enumerate(zip(continuation, dense, strict=True)):
        before = device.counters.router_cycles
        step = model.step(continuation[number - 1 : number] if number else prompt)
        cycles = device.counters.router_cycles - before
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
            tally.prefill_shares.append(step.computed.double().mean(dim=1))
            tally.survivors.append(step.attended[-1].nonzero().flatten().tolist())
    tally.total_shares.append(prompt_computed.double().mean(dim=1))


def prompts_of(tokenizer: Any, count: int, tokens: int) -> list[Tensor]:
    """Beginnings of as many articles that are long enough: int64 [tokens] each.

    Raises
    ------
    ValueError
        If there are not so many.
    """
    prompts: list[Tensor] = []
    for article in wikipedia_articles():
        ids = tokenizer(article, verbose=False)["input_ids"]
        if len(ids) >= tokens:
            prompts.append(torch.tensor(ids[:tokens]))
        if len(prompts) == count:
            return prompts
    raise ValueError(f"{len(prompts)} articles have {tokens} tokens, not {count}; ask for fewer or shorter prompts")


def figures_of(tallies: Mapping[str, Tally]) -> list[Figure]:
    """What the tallies say, beside the paper's."""
    dense = tallies[DENSE]

    def mean(values: Sequence[Tensor]) -> float:
        return 100 * torch.stack(list(values)).mean().item()

    same = "the same" if all(dense.agree) else "NOT the same"
    figures = [
        Figure("no rates: tokens foretold; largest difference of a logit", f"{same}; {dense.difference:.1g}"),
        Figure("perplexity, dense", dense.perplexity),
    ]
    for name, tally in tallies.items():
        if name == DENSE:
            continue
        figures += [
            Figure(f"{name}: work of the prefill, dense over ours", dense.prefill_work / tally.prefill_work, *TTFT),
            Figure("… of prefill and generation", dense.total_work / tally.total_work, *GENERATION),
            Figure("… prompt tokens computed in the prefill, mean of layers, %", mean(tally.prefill_shares)),
            Figure("… in all steps, %", mean(tally.total_shares), *COMPUTED),
            Figure("… perplexity", tally.perplexity),
            Figure("… tokens foretold as by the dense model, %", 100 * sum(tally.agree) / len(tally.agree)),
            Figure("… router cycles, prefill / a later step", _cycles(tally)),
        ]
    return figures


def measure(
    device: str,
    prompts: int = 4,
    prompt_tokens: int = 1024,
    new_tokens: int = 32,
    score_code: Literal["sum16", "x24"] = "sum16",
) -> Report:
    """Run SmolLM2 over beginnings of Wikipedia articles and what follows, dense and under three schedules.

    Parameters
    ----------
    device
        ``"emulated"`` or ``"simulated"``: what ranks tokens and holds their sets.
    prompts, prompt_tokens
        Articles, and tokens of each that are read at once.
    new_tokens
        Tokens after them that are foretold, one a step; the text's own are read, whatever is foretold.
    score_code
        As in ``LazyLLMParameters``.
    """
    model = AutoModelForCausalLM.from_pretrained(smollm2_folder(), dtype=torch.float32)
    decoder = Decoder.from_transformers(model)
    texts = prompts_of(AutoTokenizer.from_pretrained(smollm2_folder()), prompts, prompt_tokens + new_tokens)
    layers = len(decoder.layers)
    settings: dict[str, dict[int, Rate]] = {DENSE: {}} | schedules(layers)
    tallies = {name: Tally() for name in settings}
    opened = seedloom.open_device(device, parameters=ENGINE, router=seedloom.RouterParameters())
    try:
        with torch.inference_mode(), tqdm(total=prompts * len(settings), desc="prompts", unit="run") as progress:
            for text in texts:
                dense = model(text[None, :-1], logits_to_keep=new_tokens).logits[0]
                for name, rates in settings.items():
                    sets = RouterTokenSets(opened, layers, score_code)
                    lazy = LazyLLM(decoder, LazyLLMParameters(rates, score_code), sets)
                    follow(lazy, opened, text[:prompt_tokens], text[prompt_tokens:], dense, tallies[name])
                    progress.update()
    finally:
        opened.close()
    scale = f"SmolLM2-135M, {prompts} Wikipedia articles of {prompt_tokens:,} tokens, {new_tokens} more each"
    details = {
        "share of prompt tokens computed a layer, prefill": {n: _a_layer(t.prefill_shares) for n, t in tallies.items()},
        "share of prompt tokens computed a layer, all steps": {n: _a_layer(t.total_shares) for n, t in tallies.items()},
        "attended in the last layer of the prefill": {name: tally.survivors for name, tally in tallies.items()},
    }
    return Report("LazyLLM (2407.14057)", scale, device, figures_of(tallies), details)


def _cycles(tally: Tally) -> str:
    prefill, later = (sum(c) / max(len(c), 1) for c in (tally.prefill_cycles, tally.step_cycles))
    return f"{prefill:,.0f} / {later:,.0f}"


def _a_layer(shares: Sequence[Tensor]) -> list[float]:
    """Mean over prompts, to four places."""
    return [round(share, 4) for share in torch.stack(list(shares)).mean(dim=0).tolist()]
