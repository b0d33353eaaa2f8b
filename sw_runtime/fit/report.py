"""How every layer of a compressed folder was encoded and how well: ``report.json`` beside the weights."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from formats.errors import CheckpointError

REPORT = "report.json"

Method = Literal["feedback", "diagonal", "plain", "rounded"]
"""Errors answered by later columns; columns weighed by their input's power; all columns alike; to FP16."""


@dataclass(frozen=True)
class LayerReport:
    """How a layer was encoded, and its relative output errors ``‖(W − Ŵ) X‖ / ‖W X‖``.

    ``error`` is over the calibration tokens, ``capped_error`` over the same with loud tokens capped, and
    ``held_out_error`` the greater of both over tokens that took no part. None without calibration.
    """

    format: str
    method: Method
    error: float | None = None
    capped_error: float | None = None
    held_out_error: float | None = None

    @property
    def worst(self) -> float:
        """The greatest of the three; 0 without calibration."""
        return max(self.error or 0.0, self.capped_error or 0.0, self.held_out_error or 0.0)

    def as_json(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)


def report_text(layers: Mapping[str, dict[str, Any]], coverage: Mapping[str, Any]) -> str:
    """The file's text: every layer's fields by its name, and how much of the model is compressed."""
    return json.dumps({"coverage": coverage, "layers": layers}, indent=1) + "\n"


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
    try:
        layers = json.loads(path.read_text(encoding="utf-8"))["layers"]
        return {name: LayerReport(**fields) for name, fields in layers.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CheckpointError(f"{path} is damaged ({error!r}); delete it or compress the model again") from error
