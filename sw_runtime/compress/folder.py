"""A Hugging Face model in, a Hugging Face folder of seeds out."""

import hashlib
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from golden_models.seedlm.block_format import PRESETS, BlockFormat
from golden_models.seedlm.storage import pack_rows
from sw_runtime.compress.calibration import InputPower, input_powers, packaged_text, token_windows
from sw_runtime.compress.partial import PartialResults, write_file, write_tensors
from sw_runtime.compress.row_range import scales
from sw_runtime.compress.search import encode_matrix

ENCODER_VERSION = 1
"""Part of a partial result's fingerprint: raise it when the same input would give other bytes."""

WEIGHT_FILES = (".safetensors", ".safetensors.index.json", ".bin", ".bin.index.json", ".gguf", ".pt", ".pth", ".h5")


@dataclass(frozen=True)
class _Source:
    """A model with what belongs to it.

    Parameters
    ----------
    folder
        Where it was loaded from; ``None`` for a model handed over as an object.
    """

    model: Any
    tokenizer: Any | None
    folder: Path | None


def compress(
    source: str | Path | nn.Module,
    output: str | Path,
    format: str = "scaled-4bit",
    calibration_text: str | Path | None = None,
    tokenizer: Any | None = None,
    modules: str | None = None,
    threads: int | None = None,
    overwrite: bool = False,
) -> Path:
    """Compress the linear layers of a language model, its head included.

    Stopped and started again with the same arguments, it goes on where it was and gives the same
    bytes.

    Parameters
    ----------
    source
        A Hugging Face folder, or a loaded transformers model.
    output
        The folder to write: ``model.safetensors``, ``config.json`` with its
        ``quantization_config``, and every other file of the source folder.
    format
        Name of a preset block format.
    calibration_text
        A plain-text file whose text shows which inputs matter, or ``"packaged"``; without one all
        inputs count alike and quality suffers.
    tokenizer
        The tokenizer of a model given as an object; a folder brings its own.
    modules
        Regular expression found in the names of the layers to compress; all linear layers when not
        given.
    threads
        Threads of the search; all cores when not given.
    overwrite
        Replace a finished result in ``output``.

    Returns
    -------
    The output folder.

    Raises
    ------
    ValueError
        If the format is unknown, no layer matches, a weight is not finite, or partial results in
        ``output`` belong to another compression.
    FileExistsError
        If ``output`` holds something else, or a finished result without ``overwrite``.
    FileNotFoundError
        If the source or the calibration text is not there.
    """
    if format not in PRESETS:
        raise ValueError(f"format must be one of {', '.join(PRESETS)}, not {format!r}")
    output = Path(output)
    _check_output(output, overwrite)
    text = _calibration_text(calibration_text)
    loaded = _load(source, tokenizer)
    names = _linear_layers(loaded.model, modules)
    state = _state(loaded.model, names)
    if output.exists() and not (output / ".partial").exists():
        shutil.rmtree(output)
    fingerprint = {
        "weights": _digest(state),
        "format": format,
        "layers": names,
        "calibration text": hashlib.sha256(text.encode()).hexdigest() if text else None,
        "encoder version": ENCODER_VERSION,
    }
    partial = PartialResults(output, fingerprint)
    powers = _powers(loaded, text, names, partial)
    packed = _encode_layers(state, names, powers, PRESETS[format], partial, threads)
    state = {name: tensor.contiguous() for name, tensor in state.items() if name not in packed}
    write_tensors(output / "model.safetensors", state | packed)
    _write_companions(loaded, output)
    write_file(output / "config.json", _config(loaded.model, format, names))
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


def _calibration_text(source: str | Path | None) -> str | None:
    if source is None:
        return None
    if source == "packaged":
        return packaged_text()
    if not Path(source).is_file():
        raise FileNotFoundError(f"no calibration text {str(source)!r}; give a plain-text file or 'packaged'")
    return Path(source).read_text(encoding="utf-8")


def _load(source: str | Path | nn.Module, tokenizer: Any | None) -> _Source:
    if isinstance(source, nn.Module):
        return _Source(source.eval(), tokenizer, None)
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = Path(source)
    if not (folder / "config.json").exists():
        raise FileNotFoundError(f"no model in {str(folder)!r}: a Hugging Face folder has a config.json")
    if tokenizer is None and (folder / "tokenizer_config.json").exists():
        tokenizer = AutoTokenizer.from_pretrained(folder)
    return _Source(AutoModelForCausalLM.from_pretrained(folder, dtype="auto").eval(), tokenizer, folder)


def _linear_layers(model: nn.Module, pattern: str | None) -> list[str]:
    layers = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    names = [name for name in layers if re.search(pattern or "", name)]
    if not names:
        raise ValueError(
            f"no linear layer's name matches {pattern!r}; the model has {', '.join(layers[:8]) or 'none'} …"
        )
    return names


def _state(model: nn.Module, names: list[str]) -> dict[str, Tensor]:
    """Every tensor to store, still dense. A tensor under two names is stored once, unless a layer
    to compress is one of them: then the other keeps the dense values.
    """
    chosen = {f"{name}.weight" for name in names}
    state: dict[str, Tensor] = {}
    seen = set()
    for name, tensor in model.state_dict().items():
        if name in chosen:
            if not tensor.isfinite().all():
                raise ValueError(f"{name} holds NaN or infinity; repair the checkpoint or leave the layer out")
        elif tensor.data_ptr() in seen and tensor.numel():
            continue
        else:
            seen.add(tensor.data_ptr())
        state[name] = tensor.detach()
    return state


def _digest(state: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in state.items():
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _powers(loaded: _Source, text: str | None, names: list[str], partial: PartialResults) -> dict[str, InputPower]:
    """Input powers of the chosen layers; kept with the partial results. None without a text."""
    if text is None:
        return {}
    if loaded.tokenizer is None:
        raise ValueError("calibration needs the model's tokenizer; pass tokenizer=, or calibration_text=None")
    if not partial.has("calibration"):
        measured = input_powers(loaded.model, token_windows(text, loaded.tokenizer))
        partial.save("calibration", {n: torch.stack([measured[n].plain, measured[n].capped]) for n in names})
    return {name: InputPower(*both) for name, both in partial.load("calibration").items()}


def _groups(names: list[str], powers: dict[str, InputPower]) -> list[list[str]]:
    """Layers of one input together: the encoder prepares its tables once for all of them."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(powers[name].digest if powers else name, []).append(name)
    return list(groups.values())


def _encode_layers(
    state: dict[str, Tensor],
    names: list[str],
    powers: dict[str, InputPower],
    block_format: BlockFormat,
    partial: PartialResults,
    threads: int | None,
) -> dict[str, Tensor]:
    """Packed words and scales of every chosen layer, by tensor name."""
    groups = _groups(names, powers)
    sizes = {name: state[f"{name}.weight"].numel() for name in names}
    done = sum(sizes[name] for group in groups if partial.has(group[0]) for name in group)
    packed: dict[str, Tensor] = {}
    with tqdm(
        total=sum(sizes.values()), initial=done, desc=f"{block_format.name} search", unit="weight", unit_scale=True
    ) as bar:
        for group in groups:
            if not partial.has(group[0]):
                weights = [state[f"{name}.weight"] for name in group]
                encoded = _encode_group(weights, powers.get(group[0]), block_format, threads, bar)
                named = zip(group, encoded, strict=True)
                partial.save(group[0], {f"{name}.{part}": t for name, parts in named for part, t in parts.items()})
            packed |= partial.load(group[0])
    return packed


def _encode_group(
    weights: list[Tensor], power: InputPower | None, block_format: BlockFormat, threads: int | None, bar: "tqdm[Any]"
) -> list[dict[str, Tensor]]:
    """Encode matrices of one input, stacked: ``weight`` and ``weight_scale`` of each."""
    stacked = torch.cat([w.float() for w in weights])
    columns = stacked.shape[1]
    powers = [power.plain, power.capped] if power else [torch.ones(columns)]
    importance = power.importance(block_format.block_size) if power else None
    matrix_scales = scales(stacked, block_format, powers)
    encoded = encode_matrix(stacked, block_format, matrix_scales, importance, threads, bar.update)
    stored: list[dict[str, Tensor]] = []
    first = 0
    for matrix in weights:
        rows = slice(first, first + len(matrix))
        first = rows.stop
        scale = matrix_scales.clone() if block_format.exponent_bits else matrix_scales[rows].bfloat16()
        stored.append({"weight": pack_rows(encoded.words[rows], block_format), "weight_scale": scale})
    return stored


def _config(model: Any, format: str, names: list[str]) -> str:
    config = json.loads(model.config.to_json_string())
    config["architectures"] = [type(model).__name__]
    output_embeddings = model.get_output_embeddings()
    if any(model.get_submodule(name) is output_embeddings for name in names):
        config["tie_word_embeddings"] = False  # the head is compressed, the input embedding is not
    config["quantization_config"] = {
        "quant_method": "seedlm",
        "format": format,
        "modules": dict.fromkeys(names, format),
    }
    return json.dumps(config, indent=2, sort_keys=True) + "\n"


def _write_companions(loaded: _Source, output: Path) -> None:
    """Tokenizer, generation settings, chat template and whatever else lies beside the weights."""
    if loaded.folder:
        for path in sorted(loaded.folder.iterdir()):
            if path.is_file() and path.name != "config.json" and not path.name.endswith(WEIGHT_FILES):
                shutil.copyfile(path, output / path.name)
        return
    if loaded.tokenizer is not None:
        loaded.tokenizer.save_pretrained(output)
    if getattr(loaded.model, "generation_config", None) is not None:
        loaded.model.generation_config.save_pretrained(output)
