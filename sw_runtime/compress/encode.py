"""The layers of a model encoded, part by part, every finished part kept."""

import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn
from tqdm import tqdm

from formats.errors import InputError
from formats.matrices import FP16_LIMIT
from sw_runtime.compress.partial import PartialResults
from sw_runtime.compress.row_parts import RowParts
from sw_runtime.fit.candidates import GroupEncoder
from sw_runtime.fit.encoders import FORMING
from sw_runtime.fit.layerwise import SharedInput, Stage, after_every_stage, visit_stages
from sw_runtime.fit.report import LayerReport
from sw_runtime.fit.workers import Workers
from sw_runtime.nn.experts import mixture_of
from sw_runtime.nn.layer_classes import layer_class
from sw_runtime.nn.places import Place, place_in
from sw_runtime.progress import progress_bar

logger = logging.getLogger("seedloom.fit")

STATISTICS_BYTES = 1 << 30
"""Bounds what the statistics of groups searched side by side take, where one takes less than that.

A mixture of experts has hundreds of groups.
"""

MATRICES_A_GROUP = 3
"""float64 matrices [columns, columns] that a group of layers holds while it is searched: its factor; calibration and
held-out moments and the search's own form of the factor, float32 each; and a copy of a part."""


def encode_data_free(
    model: nn.Module,
    formats: Mapping[str, str],
    partial: PartialResults,
    workers: Workers,
    release: Callable[[], None] = lambda: None,
) -> None:
    """Encode layers by their weights alone, one after another; ``partial`` then has a part of each name.

    Layers that FP16 cannot hold come first, so that one that no format suits is refused before hours are spent.

    Parameters
    ----------
    formats
        Format of every chosen layer, by name.
    release
        Called whenever a layer is done with: may give back the memory of weights that are read again when used.
    """

    def fits_fp16(name: str) -> bool:
        fits = float(place_in(model, name).weights.abs().max()) < FP16_LIMIT
        release()
        return fits

    with _progress(model, formats, partial) as bar:
        for name in sorted((name for name in formats if not partial.has(name)), key=fits_fp16):
            _encode_group(model, [name], None, formats, partial, workers, bar.update)
            release()


def encode_calibrated(
    model: nn.Module,
    windows: Tensor,
    formats: Mapping[str, str],
    partial: PartialResults,
    workers: Workers,
    release: Callable[[], None] = lambda: None,
) -> None:
    """Encode layers in the order they run, each on what the encoded ones before it make of a text.

    Only a layer that runs holds its encoded weights. Layers that do not run are encoded by their weights alone.

    Parameters
    ----------
    windows
        Token ids, int64 [windows, length]; the last quarter is held out.
    release
        As for ``encode_data_free``.
    """
    with _progress(model, formats, partial) as bar:

        def visit(stage: Stage, measure: Callable[[], list[SharedInput]]) -> None:
            if not all(partial.has(name) for name in stage.names):
                _encode_stage(model, measure(), formats, partial, workers, bar.update)

        with after_every_stage(model, release):
            visit_stages(model, windows, list(formats), visit, lambda stage: _encoded_weights(model, stage, partial))
    unseen = [name for name in formats if not partial.has(name)]
    if unseen:
        logger.warning("the text does not reach %s: encoded by the weights alone", ", ".join(unseen))
    encode_data_free(model, formats, partial, workers, release)


@contextmanager
def _encoded_weights(model: nn.Module, stage: Stage, partial: PartialResults) -> Iterator[None]:
    """A stage's layers hold what was encoded, and after it what they held before.

    Experts, of which a stage may have hundreds, hold it only while they are called.
    """
    with ExitStack() as layers:
        for place in (place_in(model, name) for name in stage.names if partial.has(name)):
            holding = _held_when_called if mixture_of(place.name) else _held
            layers.enter_context(holding(place, lambda place: _decoded(partial, place.name, place.weights)))
        yield


@contextmanager
def _held(place: Place, decoded: Callable[[Place], Tensor]) -> Iterator[None]:
    dense = place.parameter
    place.put(decoded(place))
    try:
        yield
    finally:
        place.put_back(dense)


@contextmanager
def _held_when_called(place: Place, decoded: Callable[[Place], Tensor]) -> Iterator[None]:
    calls: list[AbstractContextManager[None]] = []

    def enter(*_: object) -> None:
        calls.append(_held(place, decoded))
        calls[-1].__enter__()

    def leave(*_: object) -> None:
        calls.pop().__exit__(None, None, None)

    hooks = [
        place.module.register_forward_pre_hook(enter),
        place.module.register_forward_hook(leave, always_call=True),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _encode_stage(
    model: nn.Module,
    groups: list[SharedInput],
    formats: Mapping[str, str],
    partial: PartialResults,
    workers: Workers,
    progress: Callable[[int], object],
) -> None:
    """Groups of layers side by side: the search holds no Python lock."""
    waiting = [group for group in groups if not all(partial.has(name) for name in group.names)]
    waiting.sort(key=lambda group: -sum(place_in(model, name).weights.numel() for name in group.names))
    columns = max((place_in(model, name).columns for group in waiting for name in group.names), default=1)
    at_once = groups_at_once(columns, workers.groups)
    share = workers.shared(min(at_once, len(waiting)))
    with ThreadPoolExecutor(at_once) as pool:
        jobs = [
            pool.submit(_encode_group, model, group.names, group, formats, partial, share, progress)
            for group in waiting
        ]
        try:
            for job in jobs:
                job.result()
        except BaseException:  # who stops should not wait for what is not begun
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def groups_at_once(columns: int, most: int) -> int:
    """Groups of so many columns that are searched side by side, given how many are worth it."""
    return min(most, max(1, STATISTICS_BYTES // (MATRICES_A_GROUP * 8 * columns**2)))


def _encode_group(
    model: nn.Module,
    names: list[str],
    shared: SharedInput | None,
    formats: Mapping[str, str],
    partial: PartialResults,
    workers: Workers,
    progress: Callable[[int], object],
) -> None:
    """Encode and keep layers of one input; errors name the layers."""
    kept, encoder = RowParts(partial, names[0]), None
    for together in _searched_together(names, formats, alone=shared is not None and shared.all_experts):
        if all(partial.has(name) for name in together):
            continue
        try:
            if encoder is None:
                with FORMING:
                    encoder = GroupEncoder(None if shared is None else shared.statistics, workers.keeping(kept))
            weights = [place_in(model, name).weights for name in together]
            encoded = encoder.encode(weights, formats[together[0]], progress)
        except InputError as error:
            raise InputError(
                f"{', '.join(together)}: {error}; leave it out, by the regular expression of modules"
            ) from error
        for name, layer in zip(together, encoded, strict=True):
            logger.info("%s", _choice(name, formats[name], layer.report))
            tensors = layer_class(layer.matrix.name).stored_tensors(layer.matrix)
            partial.save(name, tensors, layer.report.as_json())
    kept.remove()


def _searched_together(names: list[str], formats: Mapping[str, str], alone: bool) -> list[list[str]]:
    """Layers of one format together; or each alone, as of experts, which may be hundreds."""
    if alone:
        return [[name] for name in names]
    return [
        [name for name in names if formats[name] == format] for format in dict.fromkeys(formats[name] for name in names)
    ]


def _choice(name: str, format: str, report: LayerReport) -> str:
    """What was chosen for a layer, and why where it is not what was asked for."""
    error = "" if report.held_out_error is None else f", output error {report.held_out_error:.4f} on held-out text"
    reason = "" if report.format == format else f", because {format} would spoil the layer's output"
    return f"{name}: {report.format}, method {report.method}{error}{reason}"


def _decoded(partial: PartialResults, name: str, dense: Tensor) -> Tensor:
    """A finished layer's weights as a loaded model will have them, in the dtype of the dense ones."""
    tensors, record = partial.load(name)
    rows, columns = dense.shape
    layer = layer_class(record["format"]).empty(columns, rows, record["format"], bias=False)
    layer.load_state_dict(tensors)
    return layer.decoded(dense.dtype)


@contextmanager
def _progress(model: nn.Module, formats: Mapping[str, str], partial: PartialResults) -> "Iterator[tqdm[Any]]":
    sizes = {name: place_in(model, name).weights.numel() for name in formats}
    done = sum(size for name, size in sizes.items() if partial.has(name))
    with progress_bar(
        total=sum(sizes.values()), initial=done, desc="seed search", unit="weight", unit_scale=True
    ) as bar:
        yield bar
