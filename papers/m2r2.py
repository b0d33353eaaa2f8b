"""M2R2 on SmolLM2: a stream that runs ahead drafts tokens, leaves early and predicts experts; the router decides."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice, product

import torch
from torch import Tensor
from tqdm import tqdm

import seedloom
from formats.engine import EngineParameters
from papers.claim import Finding
from papers.m2r2_cycles import ACTIVE, EXPERTS, Cycles
from papers.m2r2_experts import LINKS, Figures, Fitted, load_experts
from papers.m2r2_sharing import sharing_figures
from papers.report import Report, on
from papers.smollm2 import SmolLM2
from sw_runtime.device.protocol import Device
from sw_runtime.methods.decoder import Decoder
from sw_runtime.methods.m2r2.fast_stream import FastStream, parameters_for
from sw_runtime.methods.m2r2.fit import Window, agreement, fit_adapters, follow, train_adapters
from sw_runtime.methods.m2r2.residuals import M2R2Parameters
from sw_runtime.methods.m2r2.speculation import greedy
from sw_runtime.methods.m2r2.text import ExitedText, SpeculatedText
from sw_runtime.texts.corpora import calibration_articles, evaluation_text
from sw_runtime.texts.tokens import spread_windows, tokenize

ENGINE = EngineParameters(("scaled-4bit",), batch=2)
"""Multiplies one layer, to count what both streams cost there; everything else runs on the host."""

PARAMETERS = parameters_for(30)
"""For SmolLM2's layers: half of them run at most before a token may leave."""

EARLY = (4, 6)
"""Layers after which further streams draft: a draft costs less there, so fewer have to be right for a gain."""

DRAFTS = (1, 3)
"""Numbers of tokens drafted a round."""

WINDOW, PROMPT = 256, 32
"""Tokens of a text that are run at once, and of a beginning that is continued."""


@dataclass(frozen=True)
class Speculated:
    """What drafting gave.

    Parameters
    ----------
    same
        Texts that are greedy decoding's, share of all.
    speed_up
        In cycles of the engine, of the best exit and number of drafts.
    ceiling
        What that one would reach if every draft were right.
    figures
        By exit and number of drafts.
    """

    same: float
    speed_up: float
    ceiling: float
    figures: Figures


def speculate(
    decoder: Decoder, streams: Sequence[FastStream], device: Device, prompts: Sequence[Tensor], new_tokens: int
) -> Speculated:
    """Drafts on the host, compared by the device: are the tokens greedy decoding's, and what do they cost?"""
    plain = [greedy(decoder, prompt, new_tokens) for prompt in tqdm(prompts, desc="greedy", unit="prompt")]
    figures: Figures = {}
    same, speed_ups = [], []
    for stream, drafts in product(streams, DRAFTS):
        exit_layer, cycles = len(stream.adapters), Cycles(decoder, stream.parameters.rank)
        name = f"{drafts} drafted after layer {exit_layer}"
        texts = [SpeculatedText(decoder, stream, device, prompt, drafts) for prompt in prompts]
        found = [list(islice(text, new_tokens)) for text in tqdm(texts, desc=name, unit="prompt")]
        rounds = [each for text in texts for each in text.rounds]
        tokens = sum(each.accepted + 1 for each in rounds)
        same += [one == other for one, other in zip(found, plain, strict=True)]
        spent, ceiling = len(rounds) * cycles.round(exit_layer, drafts), cycles.ceiling(exit_layer, drafts)
        apart = len(rounds) * cycles.round_apart(exit_layer, drafts)
        speed_ups.append((tokens * cycles.greedy() / spent, ceiling))
        figures |= {
            f"{name}: drafts accepted, %": 100 * (tokens - len(rounds)) / (drafts * len(rounds)),
            f"{name}: speed-up in cycles of the engine": speed_ups[-1][0],
            f"{name}: speed-up if each stream took a pass of its own": tokens * cycles.greedy() / apart,
            f"{name}: speed-up if every draft were right": ceiling,
            f"{name}: tokens a round for a speed-up of 1": (drafts + 1) / ceiling,
        }
    return Speculated(sum(same) / len(same), *max(speed_ups), figures)


def early_streams(decoder: Decoder, windows: Sequence[Window], rank: int, epochs: int) -> list[FastStream]:
    """Streams that stop earlier, each R times as fast as the slow one, their adapters trained to the last logits."""
    layers, streams = len(decoder.layers), []
    for exit_layer in EARLY:
        parameters = M2R2Parameters(rate=-(-layers // exit_layer), rank=rank, exits=(exit_layer,))
        started, _ = fit_adapters(decoder, windows, parameters)
        streams.append(FastStream(parameters, train_adapters(decoder, started, windows, epochs), []))
    return streams


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


def measure(
    device: str,
    parameters: M2R2Parameters = PARAMETERS,
    fit_windows: int = 32,
    held_out: int = 2,
    prompts: int = 3,
    new_tokens: int = 40,
    window: int = WINDOW,
    epochs: int = 3,
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
    epochs
        Times that the adapters of the earlier exits are trained on every text.
    """
    smollm2 = SmolLM2.load()
    decoder = Decoder.of(smollm2.model.requires_grad_(requires_grad=False))
    articles, kept = (tokenize(text, smollm2.tokenizer) for text in (calibration_articles(), evaluation_text()))
    beginnings = [text[:PROMPT] for text in spread_windows(kept, prompts, window)]
    opening = seedloom.open_device(device, parameters=ENGINE, router=seedloom.RouterParameters())
    with torch.inference_mode(), closing(opening) as opened:
        texts = spread_windows(articles, fit_windows, window)
        windows = [Window.of(decoder, tokens) for tokens in tqdm(texts, desc="texts to fit", unit="text")]
        fitted = Fitted.to(decoder, parameters, windows)
        streams = [*early_streams(decoder, windows, parameters.rank, epochs), fitted.stream]
        judged = [Window.of(decoder, tokens) for tokens in spread_windows(kept, held_out, window)]
        speculated = speculate(decoder, streams, opened, beginnings, new_tokens)
        loading = load_experts(fitted, opened, judged)
        figures: Figures = {
            **speculated.figures,
            **sharing_figures(decoder, fitted.stream, opened, beginnings[0]),
            **stream_figures(fitted, judged),
            **exit_figures(fitted, opened, beginnings, new_tokens),
            **loading.figures,
            "router cycles in all": f"{opened.counters.router_cycles:,}",
        }
    scale = (
        f"SmolLM2-135M, adapters of rank {parameters.rank} fitted on {fit_windows * window:,} tokens, "
        f"{prompts} texts of {new_tokens} tokens"
    )
    drafts = f"drafts compared by the router, {on(device)}; model on the host"
    link, faster = max(loading.speed_ups.items(), key=lambda item: item[1])
    findings = {
        "lossless": Finding(100 * speculated.same, scale, drafts),
        "speculation": Finding(
            speculated.speed_up,
            f"{scale}; cycles of the engine, {speculated.ceiling:.2f} if every draft were right",
            f"{drafts}; cycles by its timing",
        ),
        "experts": Finding(
            faster,
            f"experts of {loading.expert_bytes:,} bytes made of SmolLM2's MLPs, {ACTIVE} of {EXPERTS}, loaded at "
            f"{link} bytes per cycle; {loading.speed_ups[LINKS[0]]:.2f} at {LINKS[0]}, "
            f"{loading.speed_ups[LINKS[-1]]:.2f} at {LINKS[-1]}",
            f"cache of experts by the router, {on(device)}; model on the host; cycles derived from its timing",
            stand_in="experts cut from a dense model, which only rank",
        ),
    }
    return Report(device, findings, figures)
