"""How every layer of a compressed folder was encoded and how well: ``report.json`` beside the weights."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from formats.errors import CheckpointError
from sw_runtime.json_files import json_text, read_object
from sw_runtime.nn.shards import COPY_OR_COMPRESS
from sw_runtime.whole_files import write_file

REPORT = "report.json"

Method = Literal["feedback", "diagonal", "plain", "rounded"]
"""Errors answered by later columns; columns weighed by their input's power; all columns alike; to FP16."""


@dataclass(frozen=True)
class LayerReport:
    """How a layer was encoded, and its relative output errors ``‖(W − Ŵ) X‖ / ‖W X‖``.

    ``error`` is over the calibration tokens, ``capped_error`` over the same with loud tokens capped, and
    ``held_out_error`` the greater of both over tokens that took no part. None without calibration, which has
    ``row_error`` instead: the worst relative error of a row's weights, or of those beside its outliers.
    ``all_experts``: the tokens are those of all experts of a mixture, as this one saw too few.
    """

    format: str
    method: Method
    error: float | None = None
    capped_error: float | None = None
    held_out_error: float | None = None
    row_error: float | None = None
    all_experts: bool = False

    @property
    def worst(self) -> float:
        """The greatest of the three output errors; 0 without calibration."""
        return max(self.error or 0.0, self.capped_error or 0.0, self.held_out_error or 0.0)

    def as_json(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)


def report_text(layers: Mapping[str, dict[str, Any]], coverage: Mapping[str, Any]) -> str:
    """The file's text: every layer's fields by its name, and how much of the model is compressed."""
    return json_text({"coverage": coverage, "layers": layers})


def add_to_report(folder: Path, found: dict[str, Any]) -> None:
    """Write more into a folder's report, by name.

    Raises
    ------
    CheckpointError
        If the folder has no report, or a damaged one.
    """
    write_file(folder / REPORT, json_text(read_object(folder / REPORT, COPY_OR_COMPRESS) | found))


def read_report(folder: Path) -> dict[str, LayerReport]:
    """Reports by layer name; none where the folder has no such file.

    Raises
    ------
    CheckpointError
        If the file is not what ``seedloom compress`` writes.
    """
    path = folder / REPORT
    if not path.exists():
        return {}
    layers = read_object(path, COPY_OR_COMPRESS).get("layers")
    if not isinstance(layers, dict):
        raise CheckpointError(f"{path} is damaged (it has no layers); {COPY_OR_COMPRESS}")
    return {name: _layer_report(path, name, values) for name, values in layers.items()}


def _layer_report(path: Path, name: str, values: Any) -> LayerReport:
    match values:
        case {"format": str(), "method": str(), **errors} if set(values) <= {
            field.name for field in fields(LayerReport)
        }:
            if all(error is None or isinstance(error, int | float) for error in errors.values()):
                return LayerReport(**values)
    raise CheckpointError(f"{path} is damaged (of {name} it says {values!r}); {COPY_OR_COMPRESS}")
