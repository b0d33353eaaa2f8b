"""The folder that a compression ends in, written from its finished parts."""

import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from huggingface_hub import split_torch_state_dict_into_shards
from torch import Tensor

from sw_runtime.compress.card import model_card
from sw_runtime.compress.divergence import DIVERGENCE, measured_divergence
from sw_runtime.compress.partial import PartialResults
from sw_runtime.compress.plan import Plan
from sw_runtime.compress.source import write_companions
from sw_runtime.fit.polish import polish
from sw_runtime.fit.report import REPORT, add_to_report, report_text
from sw_runtime.json_files import json_text
from sw_runtime.nn.checksums import CARD, CHECKSUMS, checksums
from sw_runtime.nn.golden_tokens import GOLDEN_TOKENS, golden_tokens
from sw_runtime.nn.quantizer import QUANT_METHOD
from sw_runtime.nn.shards import INDEX
from sw_runtime.pretrained import writes_alone
from sw_runtime.whole_files import write_file, write_tensors

SHARD_BYTES = 5 * 10**9
"""Largest file of weights, as Hugging Face keeps them; a larger model has several and an index."""


def write_result(
    plan: Plan, state: dict[str, Tensor], partial: PartialResults, windows: Tensor | None, shard_bytes: int
) -> Path:
    """Write everything into a new folder beside the parts.

    Parameters
    ----------
    state
        Every tensor to store, still dense.
    windows
        What was calibrated on, token ids int64 [windows, length]; None without a text.
    shard_bytes
        Largest file of weights.

    Returns
    -------
    The folder.
    """
    folder = partial.folder / "result"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    _write_shards(folder, plan, state, partial, shard_bytes)
    write_companions(plan.source, folder)
    if plan.request.writes_its_text and windows is not None:
        write_file(folder / "calibration.txt", _decoded(windows, plan.source.tokenizer))
    reports = {name: partial.load(name)[1] for name in plan.names}
    write_file(folder / REPORT, report_text(reports, plan.coverage.as_json()))
    formats = {name: record["format"] for name, record in reports.items()}
    write_file(folder / "config.json", config_text(plan, formats))
    if plan.request.polish and windows is not None:
        polish(plan.model, folder, windows, plan.request.polish)
    if windows is not None and writes_alone(plan.model):
        found = measured_divergence(plan.source, folder, windows)
        add_to_report(folder, {DIVERGENCE: None if found is None else asdict(found)})
    write_file(folder / CARD, model_card(folder, plan.source.name, plan.source.card, plan.request.calibration_text))
    if writes_alone(plan.model):
        write_file(folder / GOLDEN_TOKENS, json_text(golden_tokens(folder)))
    write_file(folder / CHECKSUMS, json_text(checksums(folder)))  # last: it vouches for all others
    return folder


def _decoded(windows: Tensor, tokenizer: Any | None) -> str:
    """A text of a line or more a window; of the tokens' numbers where there is no tokenizer."""
    numbers = windows.tolist()
    lines = [" ".join(map(str, ids)) for ids in numbers] if tokenizer is None else tokenizer.batch_decode(numbers)
    return "\n".join(lines) + "\n"


def config_text(plan: Plan, formats: dict[str, str]) -> str:
    """The text of ``config.json``, given the format of every compressed layer by name."""
    config = json.loads(plan.model.config.to_json_string())
    config["architectures"] = [type(plan.model).__name__]
    output_embeddings = plan.model.get_output_embeddings()
    if any(plan.model.get_submodule(name) is output_embeddings for name in formats):
        config["tie_word_embeddings"] = False  # the head is compressed, the input embedding is not
    config["quantization_config"] = {"quant_method": QUANT_METHOD, "format": plan.request.format, "modules": formats}
    return json_text(config, indent=2, sort_keys=True)


def _write_shards(
    folder: Path, plan: Plan, state: dict[str, Tensor], partial: PartialResults, shard_bytes: int
) -> None:
    """One file, or several and their index, as transformers names and reads them; one in memory at a time."""
    split = split_torch_state_dict_into_shards(
        _tensors(plan.names, state, partial), filename_pattern="model{suffix}.safetensors", max_shard_size=shard_bytes
    )
    for file, names in split.filename_to_tensors.items():
        tensors = _tensors({name.rpartition(".")[0] for name in names} & set(plan.names), state, partial)
        write_tensors(folder / file, {name: tensors[name].contiguous() for name in names})
        plan.source.release()
    if split.is_sharded:
        index = {"metadata": split.metadata, "weight_map": split.tensor_to_filename}
        write_file(folder / INDEX, json_text(index, indent=2, sort_keys=True))


def _tensors(layers: Iterable[str], state: dict[str, Tensor], partial: PartialResults) -> dict[str, Tensor]:
    """Everything to store, the named layers encoded: views of files, read when they are written."""
    packed = {f"{name}.{key}": tensor for name in layers for key, tensor in partial.load(name)[0].items()}
    return state | packed
