"""Look into a compressed folder: what it holds, whether every word is valid, and whether it is what was written."""

from dataclasses import dataclass
from pathlib import Path

from safetensors import safe_open
from transformers import PreTrainedConfig, PreTrainedModel

from formats.arguments import check_types
from formats.errors import CheckpointError
from sw_runtime.nn.attach import compressed_linears
from sw_runtime.nn.checkpoint import check_complete, place_compressed_linears
from sw_runtime.nn.checksums import check_checksums
from sw_runtime.nn.device_linear import check_finite
from sw_runtime.nn.golden_tokens import check_golden_tokens
from sw_runtime.nn.quantizer import METHODS, SeedLMConfig
from sw_runtime.nn.shards import StoredTensor, read_headers, shard_files
from sw_runtime.pretrained import build_skeleton, load_config, model_class
from sw_runtime.progress import progress_bar

DENSE_BITS = 16
"""Bits of a weight in the uncompressed model that sizes are compared with."""


@dataclass(frozen=True)
class CompressedLayer:
    """A compressed linear layer: name, format, rows, columns and bytes stored, scales included."""

    name: str
    format: str
    rows: int
    columns: int
    stored_bytes: int

    @property
    def bits_per_weight(self) -> float:
        """Stored bits per weight, scales included."""
        return 8 * self.stored_bytes / (self.rows * self.columns)


@dataclass(frozen=True)
class Contents:
    """What a compressed folder holds.

    Parameters
    ----------
    layers
        The compressed layers.
    other_bytes
        Bytes of everything else in the files: embeddings, norms, biases, headers.
    """

    layers: list[CompressedLayer]
    other_bytes: int

    @property
    def layer_bytes(self) -> int:
        """Bytes of the compressed layers."""
        return sum(layer.stored_bytes for layer in self.layers)

    @property
    def weights(self) -> int:
        """Weights in the compressed layers."""
        return sum(layer.rows * layer.columns for layer in self.layers)

    @property
    def dense_bytes(self) -> int:
        """Bytes the compressed layers would take as 16-bit floats."""
        return self.weights * DENSE_BITS // 8

    @property
    def bits_per_weight(self) -> float:
        """Mean over all compressed weights."""
        return 8 * self.layer_bytes / self.weights


def compressed_config(folder: Path) -> PreTrainedConfig:
    """The configuration of a compressed folder.

    Raises
    ------
    InputError
        If it is no path.
    FileNotFoundError
        If there is no such folder, or no model in it.
    CheckpointError
        If the model is not compressed.
    """
    check_types(folder=(folder, Path))
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder; name one that `seedloom compress` wrote")
    if not (folder / "config.json").exists():
        raise FileNotFoundError(f"{folder} has no config.json; name a folder that `seedloom compress` wrote")
    config: PreTrainedConfig = load_config(folder)
    quantization = getattr(config, "quantization_config", None)
    if not isinstance(quantization, dict) or quantization.get("quant_method") not in METHODS:
        raise CheckpointError(f"{folder} is not compressed; run `seedloom compress {folder} OUTPUT` first")
    return config


def describe(folder: Path) -> Contents:
    """List a compressed folder's layers, formats and sizes from its headers.

    Raises
    ------
    FileNotFoundError, CheckpointError
        If the folder is not a complete compressed model, saying what is wrong.
    """
    return _contents(*_skeleton(folder))


def verify(folder: Path, run: bool = False, progress: bool = True) -> Contents:
    """Read every tensor: complete, each word valid, padding bits zero, numbers finite, and all as it was written.

    Parameters
    ----------
    folder
        The compressed folder.
    run
        Also run the model on the host, and compare what it writes with its golden tokens.
    progress
        Show a progress bar where stderr is a terminal.

    Raises
    ------
    FileNotFoundError, CheckpointError
        Naming tensor and file of the first fault.
    """
    model, tensors = _skeleton(folder)
    checks = dict.fromkeys(tensors, check_finite) | {
        f"{name}.{buffer}": check
        for name, layer in compressed_linears(model).items()
        for buffer, check in layer.checks().items()
    }
    for name, check in progress_bar(
        checks.items(), desc="verifying", unit="tensor", disable=None if progress else True
    ):
        file = tensors[name].file
        with safe_open(file, framework="pt") as shard:
            tensor = shard.get_tensor(name)
        try:
            check(tensor)
        except ValueError as error:
            raise CheckpointError(f"tensor {name} in {file}: {error}") from error
    check_checksums(folder)
    if run:
        check_golden_tokens(folder)
    return _contents(model, tensors)


def _skeleton(folder: Path) -> tuple[PreTrainedModel, dict[str, StoredTensor]]:
    """The folder's model without weights, and the headers of its files, checked against each other."""
    config = compressed_config(folder)
    named = model_class(folder, config)
    model = build_skeleton(folder, lambda: named(config))
    tensors = read_headers(shard_files(folder))
    try:
        place_compressed_linears(model, SeedLMConfig(**config.quantization_config).modules)
    except CheckpointError as error:
        raise CheckpointError(f"{folder / 'config.json'}: {error}") from error
    check_complete(model, tensors)
    return model, tensors


def _contents(model: PreTrainedModel, tensors: dict[str, StoredTensor]) -> Contents:
    layers = [
        CompressedLayer(
            name,
            layer.format_name,
            layer.out_features,
            layer.in_features,
            layer.stored_bytes,
        )
        for name, layer in compressed_linears(model).items()
    ]
    total = sum(file.stat().st_size for file in {tensor.file for tensor in tensors.values()})
    return Contents(layers, total - sum(layer.stored_bytes for layer in layers))
