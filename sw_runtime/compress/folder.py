"""A Hugging Face model in, a Hugging Face folder of seeds out."""

import hashlib
import sys
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from formats.arguments import check_types
from formats.errors import InputError
from formats.presets import mixed_formats
from sw_runtime.compress.encode import encode_calibrated, encode_data_free
from sw_runtime.compress.estimate import estimate
from sw_runtime.compress.loadable import check_loadable
from sw_runtime.compress.lock import FILE as LOCK
from sw_runtime.compress.lock import PARTS, only_writer
from sw_runtime.compress.partial import PartialResults, clear
from sw_runtime.compress.plan import Plan, Request, plan
from sw_runtime.compress.replace import replace
from sw_runtime.compress.result import SHARD_BYTES, config_text, write_result
from sw_runtime.compress.source import Source, digest, state_to_store
from sw_runtime.compress.trial import try_compressed
from sw_runtime.fit.cluster import search_workers
from sw_runtime.fit.mixed_precision import choose_formats, measure_sensitivities
from sw_runtime.fit.workers import Workers
from sw_runtime.nn.quantizer import METHOD
from sw_runtime.progress import progress_bars
from sw_runtime.texts.self_written import SELF, written_windows

ENCODER_VERSION = 5
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
    shard_bytes: int = SHARD_BYTES,
    polish: int = 0,
) -> Path:
    """Compress the linear layers of a model, its head included; what else it holds stays dense.

    Before the search it is tried whether the model answers the same with compressed layers, and whether
    what will be written can be loaded.

    With a calibration text, layers are compressed one after another, each fitted to what the compressed
    ones before it give it, errors answered by later columns (``feedback``), and checked on text held out
    (``candidates``). Stopped and started again with the same arguments, it goes on where it was and
    gives the same bytes. Weights of a folder are read when they are used and their memory is given back after, so
    that the model may be larger than the memory.

    Parameters
    ----------
    source
        A Hugging Face folder, a GGUF file or a folder that holds one, or a loaded transformers model, which is
        left as it is.
    output
        The folder to write: ``model.safetensors`` or its shards, ``config.json`` with its ``quantization_config``,
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
    shard_bytes
        Largest file of weights; a larger result has several and an index.
    polish
        Steps that train row scales, norms and biases after the search towards the original's outputs on the calibration
        text; kept if text held out gains by it.

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
        shard_bytes=(shard_bytes, int),
        polish=(polish, int),
    )
    if tokenizer is not None and not callable(tokenizer):
        raise InputError(f"tokenizer must be a tokenizer of transformers, not {tokenizer!r}")
    if threads is not None and threads < 1:
        raise InputError(f"threads must be at least 1, not {threads}")
    if shard_bytes < 1:
        raise InputError(f"shard_bytes must be at least 1, not {shard_bytes}")
    request = Request(format, calibration_text, bits, modules, fp16, allow_partial, polish)
    output = Path(output)
    if output.exists() or output.is_symlink():  # a link to nowhere is there too
        if not output.is_dir():
            raise FileExistsError(f"{output} is no folder; choose a folder that is new or empty")
        with only_writer(output):
            _check_output(output, overwrite)
    job = plan(source, tokenizer, request)
    state = state_to_store(job.model, job.names, job.source.release)
    try_compressed(job.model, job.places, job.source.release)
    check_loadable(job.model, config_text(job, job.formats), state, job.formats)
    if progress and cluster is None:
        time = estimate(job, threads).time
        print(f"about {time} from the beginning; reading and checking the files comes on top", file=sys.stderr)
    windows = job.windows
    fingerprint = _fingerprint(job, state, windows)
    with only_writer(output), progress_bars(shown=progress), search_workers(threads, cluster) as workers:
        _check_output(output, overwrite)  # again: another process may have finished
        partial = PartialResults(output, fingerprint)
        if request.writes_its_text:
            windows = _written(job.source, partial)
        _encode(job, windows, partial, workers)
        replace(output, write_result(job, state, partial, windows, shard_bytes))
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


def _fingerprint(job: Plan, state: dict[str, Tensor], windows: Tensor | None) -> dict[str, Any]:
    """Everything that the result depends on, as JSON values."""
    text = SELF if job.request.writes_its_text else job.text and hashlib.sha256(job.text.encode()).hexdigest()
    return {
        "weights": digest(state, job.source.release),
        "configuration": hashlib.sha256(job.model.config.to_json_string().encode()).hexdigest(),
        "tokenizer": _tokenizer_digest(job.source),
        "tokens": None if windows is None else digest({"windows": windows}),
        "format": job.request.format,
        "bits": job.request.bits,
        "layers": job.names,
        "fp16": job.request.fp16,
        "calibration text": text,
        "encoder version": ENCODER_VERSION,
    }


def _tokenizer_digest(loaded: Source) -> str | None:
    """SHA-256 of the tokenizer's files; None of a model handed over as an object."""
    if loaded.folder is None:
        return None
    found = hashlib.sha256()
    for path in sorted(loaded.folder.glob("tokenizer*")):
        found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()


def _written(loaded: Source, partial: PartialResults) -> Tensor:
    """Windows that the model writes itself, kept with the partial results: int64 [windows, length]."""
    if not partial.has(WRITTEN):
        partial.save(WRITTEN, {"windows": written_windows(loaded.model, loaded.tokenizer)}, {})
    return partial.load(WRITTEN)[0]["windows"]


def _encode(job: Plan, windows: Tensor | None, partial: PartialResults, workers: Workers) -> None:
    """A part for every layer."""
    if windows is None:
        encode_data_free(job.model, job.formats, partial, workers, job.source.release)
        return
    formats = job.formats | _mixed_formats(job, windows, partial)
    encode_calibrated(job.model, windows, formats, partial, workers, job.source.release)


def _mixed_formats(job: Plan, windows: Tensor, partial: PartialResults) -> dict[str, str]:
    """Formats that share out the bits; kept with the partial results. None of them without a budget."""
    if job.request.bits is None:
        return {}
    if not partial.has("formats"):
        sensitivities = measure_sensitivities(job.model, windows, job.sharing_bits)
        partial.save("formats", {}, choose_formats(sensitivities, job.request.bits, mixed_formats(job.request.format)))
    return partial.load("formats")[1]
