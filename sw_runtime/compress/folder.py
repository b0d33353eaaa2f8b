"""A Hugging Face model in, a Hugging Face folder of seeds out."""

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from formats.errors import InputError
from formats.fp16 import FP16
from sw_runtime.compress.coverage import Coverage, coverage
from sw_runtime.compress.encode import encode_calibrated, encode_data_free
from sw_runtime.compress.loadable import check_loadable
from sw_runtime.compress.partial import PartialResults, write_file, write_tensors
from sw_runtime.compress.source import (
    Source,
    check_pattern,
    digest,
    load,
    state_to_store,
    write_companions,
)
from sw_runtime.compress.trial import trial_inputs, try_compressed
from sw_runtime.fit.encoders import encoder_of
from sw_runtime.fit.mixed_precision import check_bits, choose_formats, measure_sensitivities
from sw_runtime.fit.report import REPORT, report_text
from sw_runtime.nn.places import chosen_places
from sw_runtime.progress import progress_bars
from sw_runtime.texts.calibration import token_windows
from sw_runtime.texts.calibration_text import read_text

ENCODER_VERSION = 2
"""Part of a partial result's fingerprint: raise it when the same input would give other bytes."""


def compress(
    source: str | Path | nn.Module,
    output: str | Path,
    format: str = "scaled-4bit",
    calibration_text: str | Path | None = None,
    bits: float | None = None,
    tokenizer: Any | None = None,
    modules: str | None = None,
    fp16: str | None = None,
    threads: int | None = None,
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
        A Hugging Face folder, or a loaded transformers model, which is left as it is.
    output
        The folder to write: ``model.safetensors``, ``config.json`` with its ``quantization_config``,
        ``report.json``, and every other file of the source folder.
    format
        Name of a preset block format or a palette.
    calibration_text
        What shows which inputs matter: a plain-text file, ``"packaged"``, or ``"datasets:NAME"``.
        Without one all inputs count alike and quality suffers.
    bits
        Bits a weight, row scales included, to mix the scaled formats to in the place of one format for
        all, by measured sensitivity; needs a calibration text.
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
    overwrite
        Replace a finished result in ``output``.
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
        If the format is unknown, ``bits`` out of reach, too few weights can be compressed, the model does not
        read a calibration text, no layer matches, a weight is not finite, or partial results in ``output``
        belong to another compression.
    FileExistsError
        If ``output`` holds something else, or a finished result without ``overwrite``.
    FileNotFoundError
        If the source or the calibration text is not there.
    CheckpointError
        If the model answers otherwise with compressed layers, or could not be loaded again.
    DependencyError
        If the calibration text needs a package that is not installed.
    """
    encoder_of(format)  # refuses a name that is no format
    if bits is not None and calibration_text is None:
        raise InputError("bits are shared out by measured sensitivity; give a calibration text as well")
    check_pattern("modules", modules)
    check_pattern("fp16", fp16)
    output = Path(output)
    _check_output(output, overwrite)
    text = None if calibration_text is None else read_text(calibration_text)
    loaded = load(source, tokenizer)
    chosen = chosen_places(loaded.model, modules)
    covered = coverage(loaded.model, chosen)
    if not allow_partial:
        covered.check()
    if text is not None:
        _check_reads_text(loaded.model)
    names = list(chosen)
    kept = [name for name in names if fp16 is not None and re.search(fp16, name)]
    if bits is not None:
        check_bits([(place.rows, place.columns) for name, place in chosen.items() if name not in kept], bits)
    state = state_to_store(loaded.model, names)
    formats = dict.fromkeys(names, format) | dict.fromkeys(kept, FP16)
    try_compressed(loaded.model, chosen)
    check_loadable(loaded.model, _config(loaded.model, format, formats), state, formats)
    windows = None if text is None else _windows(text, loaded)
    if output.exists() and not (output / ".partial").exists():
        shutil.rmtree(output)
    fingerprint = {
        "weights": digest(state),
        "format": format,
        "bits": bits,
        "layers": names,
        "fp16": fp16,
        "calibration text": hashlib.sha256(text.encode()).hexdigest() if text else None,
        "encoder version": ENCODER_VERSION,
    }
    partial = PartialResults(output, fingerprint)
    with progress_bars(shown=progress):
        if windows is None:
            encode_data_free(loaded.model, formats, partial, threads)
        else:
            mixed = [name for name in names if name not in kept]
            formats |= _mixed_formats(loaded.model, windows, mixed, bits, partial)
            encode_calibrated(loaded.model, windows, formats, partial, threads)
    _write_results(loaded, output, format, state, names, covered, partial)
    partial.remove()
    return output


def _check_output(output: Path, overwrite: bool) -> None:
    """Only our own results may be replaced, and only when asked."""
    if not output.exists() or (output / ".partial").exists() or not any(output.iterdir()):
        return
    config = output / "config.json"
    ours = config.exists() and '"quant_method": "seedlm"' in config.read_text(encoding="utf-8")
    if not ours:
        raise FileExistsError(f"{output} holds other files; choose a folder that is new or empty")
    if not overwrite:
        raise FileExistsError(f"{output} holds a finished compression; choose another folder or overwrite it")


def _check_reads_text(model: Any) -> None:
    if model.main_input_name != "input_ids" or set(trial_inputs(model)) != {"input_ids"}:
        raise InputError(f"{type(model).__name__} does not read text alone; compress it without a calibration text")


def _windows(text: str, loaded: Source) -> Tensor:
    if loaded.tokenizer is None:
        raise InputError("calibration needs the model's tokenizer; pass tokenizer=, or calibration_text=None")
    return token_windows(text, loaded.tokenizer)


def _mixed_formats(
    model: nn.Module, windows: Tensor, names: list[str], bits: float | None, partial: PartialResults
) -> dict[str, str]:
    """Formats that share out the bits; kept with the partial results. None of them without a budget."""
    if bits is None:
        return {}
    if not partial.has("formats"):
        partial.save("formats", {}, choose_formats(measure_sensitivities(model, windows, names), bits))
    return partial.load("formats")[1]


def _write_results(
    loaded: Source,
    output: Path,
    format: str,
    state: dict[str, Tensor],
    names: list[str],
    covered: Coverage,
    partial: PartialResults,
) -> None:
    """The folder from its parts."""
    parts = {name: partial.load(name) for name in names}
    reports = {name: record for name, (_, record) in parts.items()}
    formats = {name: record["format"] for name, record in reports.items()}
    packed = {f"{name}.{key}": tensor for name, (tensors, _) in parts.items() for key, tensor in tensors.items()}
    state = {name: tensor.contiguous() for name, tensor in state.items() if name not in packed}
    write_tensors(output / "model.safetensors", state | packed)
    write_companions(loaded, output)
    write_file(output / REPORT, report_text(reports, covered.as_json()))
    write_file(output / "config.json", _config(loaded.model, format, formats))


def _config(model: Any, format: str, formats: dict[str, str]) -> str:
    config = json.loads(model.config.to_json_string())
    config["architectures"] = [type(model).__name__]
    output_embeddings = model.get_output_embeddings()
    if any(model.get_submodule(name) is output_embeddings for name in formats):
        config["tie_word_embeddings"] = False  # the head is compressed, the input embedding is not
    config["quantization_config"] = {"quant_method": "seedlm", "format": format, "modules": formats}
    return json.dumps(config, indent=2, sort_keys=True) + "\n"
