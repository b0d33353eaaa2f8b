"""What the time of a compression will be spent on, reckoned from small samples that are timed on this machine."""

import math
import time
from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor, nn

from sw_runtime.compress.divergence import LENGTH
from sw_runtime.compress.divergence import WINDOWS as MEASURED_WINDOWS
from sw_runtime.compress.plan import Plan
from sw_runtime.fit.covariance import CHUNK_TOKENS, input_statistics
from sw_runtime.fit.encoders import Inputs, encoder_of
from sw_runtime.fit.layerwise import LEAST_TOKENS
from sw_runtime.fit.mixed_precision import GRADIENT_WINDOWS
from sw_runtime.fit.workers import Threads
from sw_runtime.nn.experts import by_mixture
from sw_runtime.nn.places import Place
from sw_runtime.precision import bfloat16_products
from sw_runtime.texts.calibration import WINDOWS, longest_window

SAMPLE_COLUMNS = 1024
"""Most columns of a sample: what wider layers need is reckoned from it."""

SAMPLE_ROWS = 8
"""Rows of a sample, a thread."""

SAMPLE_TOKENS = 256
"""Tokens of a sampled product."""

CHOSEN_EXPERTS = 2
"""Experts that a token chooses, where the model's configuration does not say."""


def calibration_tokens(job: Plan) -> int:
    """Tokens of the calibration; 0 without one."""
    return 0 if job.request.calibration_text is None else WINDOWS * longest_window(job.model)


def seconds(job: Plan, threads: int) -> dict[str, float]:
    """Seconds by what they are spent on; takes seconds itself.

    Parameters
    ----------
    threads
        Threads of the search.
    """
    found = {"search": sum(_search_seconds(job, format, threads) for format in set(job.formats.values()))}
    tokens, window = calibration_tokens(job), longest_window(job.model)
    if not tokens:
        return found
    a_token = _active_weights(job) * _product_seconds(job)
    statistics, judging = _statistics_seconds(job)
    found["running the text"] = 2 * tokens * a_token
    found["statistics"] = statistics
    found["judging"] = judging
    found["measuring"] = 2 * MEASURED_WINDOWS * min(LENGTH, window) * a_token
    if job.request.bits is not None:  # a run forward and back, and one that measures every input
        found["sensitivity"] = 2 * (GRADIENT_WINDOWS * window + tokens) * a_token + statistics
    with bfloat16_products():
        if job.request.writes_its_text:
            found["writing the text"] = window * WINDOWS * _active_weights(job) * _product_seconds(job, WINDOWS)
        if job.request.polish:  # both models forward and one back
            found["polish"] = 3 * job.request.polish * window * _active_weights(job) * _product_seconds(job)
    if job.request.polish:  # and both on what is held out, before and after
        found["polish"] += 2 * 2 * WINDOWS // 4 * window * a_token
    return found


def _chosen_experts(job: Plan) -> int:
    """Experts that a token chooses of a mixture."""
    found = getattr(job.model.config.get_text_config(), "num_experts_per_tok", None)
    return found if isinstance(found, int) else CHOSEN_EXPERTS


def _active_weights(job: Plan) -> float:
    """Weights that a token is multiplied with: of a mixture, those of the experts that it chooses."""
    share = dict.fromkeys(job.places, 1.0)
    for experts in by_mixture(job.places).values():
        share |= dict.fromkeys(experts, min(1.0, _chosen_experts(job) / len(experts)))
    return sum(share[name] * place.rows * place.columns for name, place in job.places.items())


def _inputs(job: Plan) -> list[tuple[float, int]]:
    """Tokens and columns of every input that statistics are formed of.

    Experts have an input each; those that would see too few tokens share one.
    """
    tokens, mixtures = calibration_tokens(job), by_mixture(job.places)
    experts = {name for names in mixtures.values() for name in names}
    others = {(name.rpartition(".")[0], place.columns) for name, place in job.places.items() if name not in experts}
    found = [(float(tokens), columns) for _, columns in others]
    for names in mixtures.values():
        columns, seen = job.places[names[0]].columns, tokens * min(1.0, _chosen_experts(job) / len(names))
        found += [(seen, columns)] * len(names) if seen >= LEAST_TOKENS else [(seen * len(names), columns)]
    return found


def _search_seconds(job: Plan, format: str, threads: int) -> float:
    """A few rows of the layer in the middle, encoded, and all weights of the format reckoned from them."""
    sizes = {name: place.rows * place.columns for name, place in job.places.items() if job.formats[name] == format}
    middle = sorted(sizes, key=lambda name: sizes[name])[len(sizes) // 2]
    sample = _sample(job.places[middle], SAMPLE_ROWS * threads)
    encoder, inputs = encoder_of(format), Inputs(None)
    method = encoder.methods[-1]
    if calibration_tokens(job):
        generator = torch.Generator().manual_seed(0)
        inputs = Inputs(input_statistics(torch.randn(2 * sample.shape[1], sample.shape[1], generator=generator)))
        method = encoder.methods[0]

    def encode() -> object:
        return encoder.encode([sample], method, inputs, Threads(threads), None)

    encode()  # compiles the search
    return _timed(encode) / sample.numel() * sum(sizes.values())


def _product_seconds(job: Plan, tokens: int = SAMPLE_TOKENS) -> float:
    """Seconds for a weight and a token, of so many at once."""
    sample = _sample(next(iter(job.places.values())), SAMPLE_COLUMNS)
    sampled = min(tokens, SAMPLE_TOKENS)
    inputs = torch.ones(sampled, sample.shape[1], dtype=sample.dtype)
    return _timed(lambda: nn.functional.linear(inputs, sample)) / sample.numel() / sampled


def _statistics_seconds(job: Plan) -> tuple[float, float]:
    """Seconds for all statistics and what feedback makes of them, and for judging all layers by them."""
    columns = SAMPLE_COLUMNS // 2
    tokens = torch.randn(CHUNK_TOKENS, columns, generator=torch.Generator().manual_seed(0))
    statistics = input_statistics(tokens)
    moments = _timed(lambda: input_statistics(tokens)) / (CHUNK_TOKENS * columns**2)
    factor = _timed(lambda: Inputs(statistics).factor) / columns**3
    judged = _timed(lambda: statistics.calibration.output_errors(tokens[:columns], tokens[:columns])) / columns**3
    formed = sum(seen * columns**2 * moments + columns**3 * factor for seen, columns in _inputs(job))
    return formed, 2 * judged * sum(place.rows * place.columns**2 for place in job.places.values())


def _sample(place: Place, rows: int) -> Tensor:
    """The first rows and columns of a layer's weights; of a skeleton without values, numbers of ordinary size."""
    sample = place.weights[:rows, :SAMPLE_COLUMNS]
    if sample.is_meta:
        generator = torch.Generator().manual_seed(0)
        ordinary = torch.randn(sample.shape, generator=generator) / math.sqrt(place.columns)
        return ordinary.to(sample.dtype)
    return sample.contiguous()


def _timed(work: Callable[[], object]) -> float:
    """Seconds of work: the middle one of three runs, as other programs may disturb one."""
    found = []
    for _ in range(3):
        begun = time.perf_counter()
        work()
        found.append(time.perf_counter() - begun)
    return median(found)
