"""M2R2 on SmolLM2: a stream that runs ahead drafts tokens, leaves early and predicts experts; the router decides."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor
from tqdm import tqdm

import seedloom
from formats.engine import EngineParameters
from papers.claim import Finding
from papers.report import Report, on
from papers.smollm2 import SmolLM2
from sw_runtime.device.cost import pass_cost
from sw_runtime.device.protocol import Device
from sw_runtime.methods.decoder import Decoder, Product
from sw_runtime.methods.m2r2.expert_gates import fit_expert_gates
from sw_runtime.methods.m2r2.experts import ExpertCache, LoadedExperts, choose_experts, predicted_layers
from sw_runtime.methods.m2r2.fast_stream import FastStream, parameters_for
from sw_runtime.methods.m2r2.fit import Window, agreement, follow
from sw_runtime.methods.m2r2.on_device import DeviceExpertCache
from sw_runtime.methods.m2r2.residuals import M2R2Parameters
from sw_runtime.methods.m2r2.speculation import greedy
from sw_runtime.methods.m2r2.text import ExitedText, SpeculatedText
from sw_runtime.texts.corpora import calibration_articles, evaluation_text
from sw_runtime.texts.tokens import spread_windows, tokenize

ENGINE = EngineParameters(("scaled-4bit",))
"""Beside the router, and idle: the model runs on the host here."""

COUNTED = EngineParameters(("scaled-4bit", "fp16"), batch=8, maximum_columns=1536, maximum_rows=49152)
"""What the cycles of drafting and verifying are counted for."""

EXPERTS, ACTIVE = 32, 4
"""Of each MLP, one in eight at work as in OLMoE (unverified)."""

PARAMETERS = parameters_for(30)
"""For SmolLM2's layers: half of them run at most before a token may leave."""

DRAFTS = (1, 3)
"""Numbers of tokens drafted a round."""

WINDOW, PROMPT = 256, 32
"""Tokens of a text that are run at once, and of a beginning that is continued."""

Figures = dict[str, float | str]


@dataclass(frozen=True)
class Cycles:
    """Cycles of the engine for a decoder's matrices, adapters in FP16 and everything else as seeds.

    Parameters
    ----------
    decoder
        Whose shapes count.
    rank
        Of the adapters.
    """

    decoder: Decoder
    rank: int

    def layer(self, vectors: int) -> int:
        """One layer of the frozen model for some vectors that share the pass over its weights."""
        products = self.decoder.layers[0].products
        return sum(self._pass("scaled-4bit", _shape(product), vectors) for product in products)

    def adapter(self) -> int:
        """One adapter for one vector."""
        width = self.decoder.embedding.shape[1]
        return self._pass("fp16", (self.rank, width), 1) + self._pass("fp16", (width, self.rank), 1)

    def head(self, vectors: int) -> int:
        """Logits."""
        return self._pass("scaled-4bit", _shape(self.decoder.head), vectors)

    def greedy(self) -> int:
        """A token of plain decoding."""
        return len(self.decoder.layers) * self.layer(1) + self.head(1)

    def round(self, exit_layer: int, drafts: int) -> int:
        """Drafts, both streams sharing the passes; the last one's slow stream; and the verification of all."""
        draft = exit_layer * (self.layer(2) + self.adapter()) + self.head(1)
        later = len(self.decoder.layers) - exit_layer
        verification = exit_layer * self.layer(1) + later * self.layer(drafts + 1) + self.head(drafts + 1)
        return drafts * draft + verification

    def _pass(self, name: str, shape: tuple[int, ...], vectors: int) -> int:
        rows, columns = shape
        weight_format = COUNTED.weight_formats[COUNTED.formats.index(name)]
        return pass_cost(COUNTED, weight_format, rows, columns, vectors).cycles


def _shape(product: Product) -> tuple[int, int]:
    return product.out_features, product.in_features


@dataclass(frozen=True)
class Fitted:
    """A decoder with everything that was fitted to it.

    Parameters
    ----------
    decoder
        Frozen.
    stream
        The one that runs ahead.
    expert_gates
        [EXPERTS, D] a layer.
    """

    decoder: Decoder
    stream: FastStream
    expert_gates: list[Tensor]

    @classmethod
    def to(cls, decoder: Decoder, parameters: M2R2Parameters, texts: Tensor) -> "Fitted":
        """Fit adapters and gates to texts, int64 [texts, T]."""
        windows = [Window.of(decoder, tokens) for tokens in tqdm(texts, desc="texts to fit", unit="text")]
        stream = FastStream.fit(decoder, windows, parameters)
        return cls(decoder, stream, fit_expert_gates(decoder, windows, EXPERTS))


@dataclass(frozen=True)
class Speculated:
    """What drafting gave.

    Parameters
    ----------
    same
        Texts that are greedy decoding's, share of all.
    speed_up
        In cycles of the engine, of the best number of drafts.
    figures
        By number of drafts.
    """

    same: float
    speed_up: float
    figures: Figures


def speculate(fitted: Fitted, device: Device, prompts: Sequence[Tensor], new_tokens: int) -> Speculated:
    """Drafts on the host, compared by the device: are the tokens greedy decoding's, and what do they cost?"""
    decoder, exit_layer = fitted.decoder, len(fitted.stream.adapters)
    cycles = Cycles(decoder, fitted.stream.parameters.rank)
    plain = [greedy(decoder, prompt, new_tokens) for prompt in tqdm(prompts, desc="greedy", unit="prompt")]
    figures: Figures = {}
    same, speed_ups = [], []
    for drafts in DRAFTS:
        texts = [SpeculatedText(decoder, fitted.stream, device, prompt, drafts) for prompt in prompts]
        found = [list(islice(text, new_tokens)) for text in tqdm(texts, desc=f"{drafts} drafts", unit="prompt")]
        rounds = [each for text in texts for each in text.rounds]
        tokens = sum(each.accepted + 1 for each in rounds)
        same += [one == other for one, other in zip(found, plain, strict=True)]
        spent, ordinary = len(rounds) * cycles.round(exit_layer, drafts), tokens * cycles.greedy()
        speed_ups.append(ordinary / spent)
        accepted = 100 * (tokens - len(rounds)) / (drafts * len(rounds))
        break_even = cycles.round(exit_layer, drafts) / cycles.greedy()
        figures |= {
            f"{drafts} drafted a round: drafts accepted, %": accepted,
            f"{drafts} drafted a round: speed-up in cycles of the engine": speed_ups[-1],
            f"{drafts} drafted a round: tokens a round for a speed-up of 1": break_even,
        }
    return Speculated(sum(same) / len(same), max(speed_ups), figures)


def exit_figures(fitted: Fitted, device: Device, prompts: Sequence[Tensor], new_tokens: int) -> Figures:
    """Text whose tokens leave early where the device finds a logit above θ_exit, beside the slow stream's."""
    left: list[int] = []
    alike: list[bool] = []
    for prompt in tqdm(prompts, desc="exits", unit="prompt"):
        text = ExitedText(fitted.decoder, fitted.stream, device, prompt)
        tokens = list(islice(text, new_tokens))
        left += text.left
        whole = torch.cat([prompt, torch.tensor(tokens)])
        final = Window.of(fitted.decoder, whole).slow[-1]
        expected = fitted.decoder.logits(final)[len(prompt) - 1 : -1].argmax(dim=-1)
        alike += (expected == torch.tensor(tokens)).tolist()
    early = [layer < len(fitted.decoder.layers) for layer in left]
    agree = [same for same, out in zip(alike, early, strict=True) if out]
    return {
        "exits: tokens that leave early, %": 100 * sum(early) / len(early),
        "exits: mean layer after which a token leaves": sum(left) / len(left),
        "exits: early tokens that the slow stream would choose, %": 100 * sum(agree) / max(len(agree), 1),
    }


def expert_hits(fitted: Fitted, cache: ExpertCache, windows: Sequence[Window], ahead: str) -> LoadedExperts[int]:
    """Experts of the texts' tokens through a cache.

    Parameters
    ----------
    cache
        Empty, a set a layer.
    ahead
        What predicts experts: ``"nothing"``, the ``"slow"`` stream or the ``"fast"`` one.
    """
    decoder, layers = fitted.decoder, len(fitted.decoder.layers)
    loaded = LoadedExperts([range(EXPERTS)] * layers, cache)
    for window in windows:
        needed = [_gate_logits(fitted, number, window.attended[number]) for number in range(layers)]
        source = {"nothing": [], "slow": window.slow, "fast": follow(decoder, fitted.stream.adapters, window)}[ahead]
        predicted = {
            later: _gate_logits(fitted, later, source[number])
            for number in range(min(len(source), len(fitted.stream.adapters)))
            for later in predicted_layers(number, fitted.stream.parameters.rate, layers)
        }
        for token in tqdm(range(len(needed[0])), desc=f"experts, predicted by {ahead}", unit="token"):
            for number in range(layers):
                for later in predicted_layers(number, fitted.stream.parameters.rate, layers):
                    if later in predicted:
                        loaded.prefetch(later, choose_experts(predicted[later][token], ACTIVE))
                loaded.need(number, choose_experts(needed[number][token], ACTIVE))
    return loaded


def _gate_logits(fitted: Fitted, number: int, stream: Tensor) -> Tensor:
    """What a layer's expert gate makes of a stream: [T, D] → [T, EXPERTS]."""
    return fitted.decoder.mlp_input(fitted.decoder.layers[number], stream) @ fitted.expert_gates[number].T


def stream_figures(fitted: Fitted, windows: Sequence[Window]) -> Figures:
    """How often a stream that stops at the last exit predicts the slow stream's token, the first one left out."""
    decoder, exit_layer = fitted.decoder, len(fitted.stream.adapters)

    def share(stopped: Sequence[Tensor]) -> float:
        pairs = zip(stopped, windows, strict=True)
        agrees = [agreement(decoder, states[1:], window.slow[-1][1:]) for states, window in pairs]
        return 100 * torch.cat(agrees).double().mean().item()

    fast = [follow(decoder, fitted.stream.adapters, window)[-1] for window in windows]
    slow = share([window.slow[exit_layer] for window in windows])
    return {
        f"tokens after layer {exit_layer} that are the slow stream's last, fast stream, %": share(fast),
        f"tokens after layer {exit_layer} that are the slow stream's last, slow stream, %": slow,
    }


def expert_figures(fitted: Fitted, device: Device, windows: Sequence[Window]) -> Figures:
    """What loading ahead of time makes ready, and what its wrong guesses fetch."""
    figures: Figures = {}
    waited = {}
    for ahead in ("nothing", "slow", "fast"):
        loaded = expert_hits(fitted, DeviceExpertCache(device, len(fitted.decoder.layers)), windows, ahead)
        waited[ahead] = loaded.needed - loaded.ready
        figures |= {
            f"experts ready when needed, predicted by {ahead}, %": 100 * loaded.ready / loaded.needed,
            f"experts fetched for each needed, predicted by {ahead}": loaded.fetched / loaded.needed,
        }
    return figures | {"expert misses, without prediction over with the fast stream": waited["nothing"] / waited["fast"]}


def measure(
    device: str,
    parameters: M2R2Parameters = PARAMETERS,
    fit_windows: int = 16,
    held_out: int = 2,
    prompts: int = 3,
    new_tokens: int = 40,
    window: int = WINDOW,
) -> Report:
    """Fit M2R2 to SmolLM2 on Wikipedia and try it on articles that were kept apart.

    Parameters
    ----------
    device
        ``"emulated"`` or ``"simulated"``: what compares drafts, chooses exits and keeps the cache of experts.
    parameters
        Hyper-parameters.
    fit_windows, held_out, window
        Texts to fit to, texts to judge by, and tokens of each.
    prompts, new_tokens
        Texts to generate; each begins with 32 tokens.
    """
    smollm2 = SmolLM2.load()
    decoder = Decoder.of(smollm2.model)
    articles, kept = (tokenize(text, smollm2.tokenizer) for text in (calibration_articles(), evaluation_text()))
    beginnings = [text[:PROMPT] for text in spread_windows(kept, prompts, window)]
    opening = seedloom.open_device(device, parameters=ENGINE, router=seedloom.RouterParameters())
    with torch.inference_mode(), closing(opening) as opened:
        fitted = Fitted.to(decoder, parameters, spread_windows(articles, fit_windows, window))
        judged = [Window.of(decoder, tokens) for tokens in spread_windows(kept, held_out, window)]
        speculated = speculate(fitted, opened, beginnings, new_tokens)
        experts = expert_figures(fitted, opened, judged)
        figures: Figures = {
            **speculated.figures,
            **stream_figures(fitted, judged),
            **exit_figures(fitted, opened, beginnings, new_tokens),
            **experts,
            "router cycles in all": f"{opened.counters.router_cycles:,}",
        }
    scale = (
        f"SmolLM2-135M, adapters of rank {parameters.rank} fitted on {fit_windows * window:,} tokens, "
        f"{prompts} texts of {new_tokens} tokens"
    )
    drafts = f"drafts compared by the router, {on(device)}; model on the host"
    ready = {ahead: experts[f"experts ready when needed, predicted by {ahead}, %"] for ahead in ("fast", "nothing")}
    findings = {
        "lossless": Finding(100 * speculated.same, scale, drafts),
        "speculation": Finding(
            speculated.speed_up, f"{scale}; cycles of the engine", f"{drafts}; cycles by its timing"
        ),
        "experts": Finding(
            None,
            "experts made of SmolLM2's MLPs, 4 of 32",
            f"cache of experts by the router, {on(device)}; model on the host",
            instead=f"experts ready: {ready['fast']:.0f} % with the fast stream, {ready['nothing']:.0f} % without",
        ),
    }
    return Report(device, findings, figures)
