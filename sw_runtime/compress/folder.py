"""A Hugging Face model in, a Hugging Face folder of seeds out."""

import dataclasses
import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from formats.errors import InputError
from formats.fp16 import FP16
from formats.presets import mixed_formats
from sw_runtime.arguments import check_types
from sw_runtime.compress.card import model_card
from sw_runtime.compress.coverage import Coverage, coverage
from sw_runtime.compress.encode import encode_calibrated, encode_data_free
from sw_runtime.compress.loadable import check_loadable
from sw_runtime.compress.lock import FILE as LOCK
from sw_runtime.compress.lock import PARTS, only_writer
from sw_runtime.compress.partial import PartialResults, clear, write_file, write_tensors
from sw_runtime.compress.replace import replace
from sw_runtime.compress.source import (
    Source,
    check_pattern,
    digest,
    load,
    state_to_store,
    write_companions,
)
from sw_runtime.compress.trial import trial_inputs, try_compressed
from sw_runtime.fit.cluster import search_workers
from sw_runtime.fit.encoders import encoder_of
from sw_runtime.fit.mixed_precision import check_bits, choose_formats, measure_sensitivities
from sw_runtime.fit.report import REPORT, report_text
from sw_runtime.json_files import json_text
from sw_runtime.nn.checksums import CARD, CHECKSUMS, checksums
from sw_runtime.nn.experts import with_separate_experts
from sw_runtime.nn.golden_tokens import GOLDEN_TOKENS, golden_tokens
from sw_runtime.nn.places import chosen_places
from sw_runtime.nn.quantizer import METHOD, QUANT_METHOD
from sw_runtime.pretrained import first_sentence, is_language_model
from sw_runtime.progress import progress_bars
from sw_runtime.texts.calibration import longest_window, token_windows
from sw_runtime.texts.calibration_text import read_text
from sw_runtime.texts.self_written import SELF, check_writer, written_windows

ENCODER_VERSION = 3
"""Part of a partial result's fingerprint: raise it when the same input would give other bytes."""

WRITTEN = "text-of-its-own"
"""Name of the part that keeps what the model wrote."""


def compress(
    source: str | Path | nn.Module,
    output: str | Path,
    format: str = "trellis-4bit",
    calibration_text: str | Path | None = None,
    bits: float | None = None,
    tokenizer: Any | None = None,
    modules: str | None = None,
    fp16: str | None = None,
    threads: int | None = None,
    cluster: str | None = None,
    overwrite: bool = False,
    progress: bool = True,
    allow_partial: bool = False,
) -> Path:
    """Compress the linear layers of a model, its head included; what else it holds stays dense.

    Before the search it is tried whether the model answers the same with compressed layers, and whether
    what will be written can be loaded.

    With a calibration text, layers are compressed one after another, each fitted to what the compressed
    ones before it give it, errors answered by later columns (``feedback``), and checked on text held out
    (``candidates``). Stopped and started again with the same arguments, it goes on where it was and
    gives the same bytes.

    Parameters
    ----------
    source
        A Hugging Face folder, a GGUF file or a folder that holds one, or a loaded transformers model, which is
        left as it is.
    output
        The folder to write: ``model.safetensors``, ``config.json`` with its ``quantization_config``,
        ``report.json``, a model card ``README.md``, what lies beside the source's weights,
        ``golden_tokens.json`` and ``checksums.json``.
    format
        Name of a preset: a block format, a trellis or a palette.
    calibration_text
        What shows which inputs matter: a plain-text file, ``"packaged"``, ``"datasets:NAME"``, or ``"self"``
        for a text that the model writes first; it is kept in the folder as ``calibration.txt``.
        Without one all inputs count alike and quality suffers. The command's default is ``"self"``; here it is None,
        as a text of its own takes minutes.
    bits
        Bits a weight, row scales included, to mix the formats of the same family to (scaled or trellis) in
        the place of one format for all, by measured sensitivity; needs a calibration text.
    tokenizer
        The tokenizer of a model given as an object; a folder brings its own.
    modules
        Regular expression found in the names of the layers to compress; all linear layers when not
        given. The others stay as they are, on the host.
    fp16
        Regular expression found in the names of those among them to keep in FP16, which devices take
        too; ``bits`` is the mean of the others.
    threads
        Threads of the search; all cores when not given.
    cluster
        Search on a Ray cluster instead: the ``HOST:PORT`` of its head, or ``"auto"`` for the one that this machine is
        part of, else for one of this machine's cores. The bytes are the same.
    overwrite
        Replace a finished result in ``output``, which stays whole until the new one is. Other files stay.
    progress
        Show progress bars on stderr.
    allow_partial
        Go on where less than half of the weights can be compressed.

    Returns
    -------
    The output folder.

    Raises
    ------
    InputError
        If an argument is of another type, the format is unknown, ``bits`` out of reach or not to be had with it, too
        few weights can be compressed, the model does not read a calibration text, no layer matches, a weight is not
        finite, no format suits a layer, another process writes to ``output``, or partial results in it belong to
        another compression.
    FileExistsError
        If ``output`` holds something else, or a finished result without ``overwrite``.
    FileNotFoundError
        If the source or the calibration text is not there.
    CheckpointError
        If the model answers otherwise with compressed layers, or could not be loaded again.
    DependencyError
        If the calibration text needs a package that is not installed.
    """
    check_types(
        source=(source, str | Path | nn.Module),
        output=(output, str | Path),
        format=(format, str),
        calibration_text=(calibration_text, str | Path | None),
        bits=(bits, int | float | None),
        modules=(modules, str | None),
        fp16=(fp16, str | None),
        threads=(threads, int | None),
        cluster=(cluster, str | None),
        overwrite=(overwrite, bool),
        progress=(progress, bool),
        allow_partial=(allow_partial, bool),
    )
    if threads is not None and threads < 1:
        raise InputError(f"threads must be at least 1, not {threads}")
    encoder_of(format)  # refuses a name that is no format
    if bits is not None and not 0 < bits < 16:
        raise InputError(f"bits must be a number of bits per weight, such as 3.5, not {bits!r}")
    if bits is not None and calibration_text is None:
        raise InputError("bits are shared out by measured sensitivity; give a calibration text as well")
    mixture = () if bits is None else mixed_formats(format)
    check_pattern("modules", modules)
    check_pattern("fp16", fp16)
    output = Path(output)
    if output.exists():
        with only_writer(output):
            _check_output(output, overwrite)
    text = None if calibration_text in (None, SELF) else read_text(calibration_text)
    loaded = load(source, tokenizer)
    loaded = dataclasses.replace(loaded, model=with_separate_experts(loaded.model, modules))
    if calibration_text is not None:
        _check_reads_text(loaded.model)
    if calibration_text == SELF:
        check_writer(loaded.model)
    chosen = chosen_places(loaded.model, modules)
    covered = coverage(loaded.model, chosen)
    if not allow_partial:
        covered.check()
    names = list(chosen)
    kept = [name for name in names if fp16 is not None and re.search(fp16, name)]
    if bits is not None:
        shapes = [(place.rows, place.columns) for name, place in chosen.items() if name not in kept]
        check_bits(shapes, bits, mixture)
    state = state_to_store(loaded.model, names)
    formats = dict.fromkeys(names, format) | dict.fromkeys(kept, FP16)
    try_compressed(loaded.model, chosen)
    check_loadable(loaded.model, _config(loaded.model, format, formats), state, formats)
    windows = None if text is None else _windows(text, loaded)
    fingerprint = {
        "weights": digest(state),
        "configuration": hashlib.sha256(loaded.model.config.to_json_string().encode()).hexdigest(),
        "tokenizer": _tokenizer_digest(loaded),
        "tokens": None if windows is None else digest({"windows": windows}),
        "format": format,
        "bits": bits,
        "layers": names,
        "fp16": fp16,
        "calibration text": SELF if calibration_text == SELF else text and hashlib.sha256(text.encode()).hexdigest(),
        "encoder version": ENCODER_VERSION,
    }
    with only_writer(output), progress_bars(shown=progress), search_workers(threads, cluster) as workers:
        _check_output(output, overwrite)  # again: another process may have finished
        partial = PartialResults(output, fingerprint)
        if calibration_text == SELF:
            windows = _written(loaded, partial)
        if windows is None:
            encode_data_free(loaded.model, formats, partial, workers)
        else:
            mixed = [name for name in names if name not in kept]
            formats |= _mixed_formats(loaded.model, windows, mixed, bits, mixture, partial)
            encode_calibrated(loaded.model, windows, formats, partial, workers)
        result = partial.folder / "result"
        _write_results(loaded, result, format, state, names, covered, partial, calibration_text)
        replace(output, result)
        partial.remove()
    return output


def _check_output(output: Path, overwrite: bool) -> None:
    """Only our own results may be replaced, and only when asked. What was begun goes on."""
    clear(output)
    if (output / PARTS).exists() or not {path.name for path in output.iterdir()} - {LOCK}:
        return
    config = output / "config.json"
    ours = config.exists() and f'"quant_method": "{METHOD}' in config.read_text(encoding="utf-8")
    if not ours:
        raise FileExistsError(f"{output} holds other files; choose a folder that is new or empty")
    if not overwrite:
        raise FileExistsError(f"{output} holds a finished compression; choose another folder or overwrite it")


def _tokenizer_digest(loaded: Source) -> str | None:
    """SHA-256 of the tokenizer's files; None of a model handed over as an object."""
    if loaded.folder is None:
        return None
    found = hashlib.sha256()
    for path in sorted(loaded.folder.glob("tokenizer*")):
        found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()


def _writes_alone(model: Any) -> bool:
    """Whether a model goes on with a text: a body without a head does not, nor a decoder that waits for its encoder."""
    return is_language_model(model.config) and model.can_generate() and not model.config.is_encoder_decoder


def _check_reads_text(model: Any) -> None:
    if model.main_input_name != "input_ids" or set(trial_inputs(model)) != {"input_ids"}:
        raise InputError(
            f"{type(model).__name__} does not read text alone; it takes no calibration text (--calibration none)"
        )
    try:
        with torch.no_grad():
            model(**trial_inputs(model))
    except Exception as error:  # whatever a class raises that cannot run as it is configured
        raise InputError(
            f"{type(model).__name__} does not run on a text ({first_sentence(error)}); mend its config.json, or give "
            "--calibration none"
        ) from error


def _windows(text: str, loaded: Source) -> Tensor:
    if loaded.tokenizer is None:
        raise InputError("calibration needs the model's tokenizer; pass tokenizer=, or calibration_text=None")
    return token_windows(text, loaded.tokenizer, length=longest_window(loaded.model))


def _written(loaded: Source, partial: PartialResults) -> Tensor:
    """Windows that the model writes itself, kept with the partial results: int64 [windows, length]."""
    if not partial.has(WRITTEN):
        partial.save(WRITTEN, {"windows": written_windows(loaded.model, loaded.tokenizer)}, {})
    return partial.load(WRITTEN)[0]["windows"]


def _decoded(windows: Tensor, tokenizer: Any | None) -> str:
    """A text of a line or more a window; of the tokens' numbers where there is no tokenizer."""
    numbers = windows.tolist()
    lines = [" ".join(map(str, ids)) for ids in numbers] if tokenizer is None else tokenizer.batch_decode(numbers)
    return "\n".join(lines) + "\n"


def _mixed_formats(
    model: nn.Module,
    windows: Tensor,
    names: list[str],
    bits: float | None,
    mixture: tuple[str, ...],
    partial: PartialResults,
) -> dict[str, str]:
    """Formats that share out the bits; kept with the partial results. None of them without a budget."""
    if bits is None:
        return {}
    if not partial.has("formats"):
        partial.save("formats", {}, choose_formats(measure_sensitivities(model, windows, names), bits, mixture))
    return partial.load("formats")[1]


def _write_results(
    loaded: Source,
    folder: Path,
    format: str,
    state: dict[str, Tensor],
    names: list[str],
    covered: Coverage,
    partial: PartialResults,
    calibration_text: str | Path | None,
) -> None:
    """A new folder from the parts."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    parts = {name: partial.load(name) for name in names}
    reports = {name: record for name, (_, record) in parts.items()}
    formats = {name: record["format"] for name, record in reports.items()}
    packed = {f"{name}.{key}": tensor for name, (tensors, _) in parts.items() for key, tensor in tensors.items()}
    state = {name: tensor.contiguous() for name, tensor in state.items() if name not in packed}
    write_tensors(folder / "model.safetensors", state | packed)
    write_companions(loaded, folder)
    if partial.has(WRITTEN):
        write_file(folder / "calibration.txt", _decoded(_written(loaded, partial), loaded.tokenizer))
    write_file(folder / REPORT, report_text(reports, covered.as_json()))
    write_file(folder / "config.json", _config(loaded.model, format, formats))
    write_file(folder / CARD, model_card(folder, loaded.name, loaded.card, calibration_text))
    if _writes_alone(loaded.model):
        write_file(folder / GOLDEN_TOKENS, json_text(golden_tokens(folder)))
    write_file(folder / CHECKSUMS, json_text(checksums(folder)))  # last: it vouches for all others


def _config(model: Any, format: str, formats: dict[str, str]) -> str:
    config = json.loads(model.config.to_json_string())
    config["architectures"] = [type(model).__name__]
    output_embeddings = model.get_output_embeddings()
    if any(model.get_submodule(name) is output_embeddings for name in formats):
        config["tie_word_embeddings"] = False  # the head is compressed, the input embedding is not
    config["quantization_config"] = {"quant_method": QUANT_METHOD, "format": format, "modules": formats}
    return json_text(config, indent=2, sort_keys=True)
