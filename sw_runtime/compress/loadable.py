"""Before the search: could the folder be loaded that the search will end in?"""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from sw_runtime.nn.checkpoint import SAFETENSORS_DTYPES, check_complete, place_compressed_linears
from sw_runtime.nn.layer_classes import layer_class
from sw_runtime.nn.places import place_in
from sw_runtime.nn.shards import StoredTensor
from sw_runtime.pretrained import load_config


def check_loadable(model: Any, config: str, state: Mapping[str, Tensor], formats: Mapping[str, str]) -> None:
    """Build the compressed model without weights and compare it with what will be written.

    Parameters
    ----------
    config
        Text of the config.json to write.
    state
        Every tensor to store, still dense.
    formats
        Format of every chosen layer, by name.

    Raises
    ------
    CheckpointError
        As loading the folder would: naming a tensor that is missing, left over or tied.
    """
    with TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(config, encoding="utf-8")
        read_again = load_config(Path(folder))
    with torch.device("meta"):
        skeleton = type(model)(read_again)
    place_compressed_linears(skeleton, dict(formats))
    check_complete(skeleton, _headers(model, state, formats))


def _headers(model: Any, state: Mapping[str, Tensor], formats: Mapping[str, str]) -> dict[str, StoredTensor]:
    file = Path("model.safetensors")
    dense = {f"{name}.weight" for name in formats}
    headers = {name: StoredTensor(file, "", tuple(tensor.shape)) for name, tensor in state.items() if name not in dense}
    for name, format in formats.items():
        place = place_in(model, name)
        with torch.device("meta"):
            layer = layer_class(format).empty(place.columns, place.rows, format, bias=False)
        for key, tensor in layer.named_buffers():
            headers[f"{name}.{key}"] = StoredTensor(file, SAFETENSORS_DTYPES[tensor.dtype], tuple(tensor.shape))
    return headers
