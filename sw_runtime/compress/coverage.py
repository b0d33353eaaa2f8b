"""How much of a model is compressed, and what stays dense for which reason."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from formats.errors import CheckpointError, InputError
from sw_runtime.fit.report import REPORT
from sw_runtime.json_files import read_object
from sw_runtime.nn.places import NOT_CHOSEN, Place, reason_dense
from sw_runtime.nn.shards import COPY_OR_COMPRESS

LEAST_SHARE = 0.5
"""Share of a model's weights below which compressing it is likely a mistake."""


@dataclass(frozen=True)
class Coverage:
    """What of a model is compressed.

    Parameters
    ----------
    compressed
        Weights in compressed layers.
    layers
        Compressed layers of every class.
    dense
        Weights that stay dense, by the reason; most first.
    """

    compressed: int
    layers: dict[str, int]
    dense: dict[str, int]

    @property
    def total(self) -> int:
        """All weights of the model."""
        return self.compressed + sum(self.dense.values())

    @property
    def share(self) -> float:
        """Compressed weights over all."""
        return self.compressed / self.total

    def __str__(self) -> str:
        layers = ", ".join(f"{number} {kind}" for kind, number in self.layers.items())
        dense = "; ".join(f"{self._percent(weights)} ({reason})" for reason, weights in self.dense.items())
        return (
            f"{self._percent(self.compressed)} of the model's weights are compressed ({layers}); "
            f"stays dense: {dense or 'nothing'}"
        )

    def _percent(self, weights: int) -> str:
        return f"{100 * weights / self.total:.1f} %"

    def as_json(self) -> dict[str, Any]:
        """The fields by name, and the share."""
        return asdict(self) | {"share": self.share}

    def check(self) -> None:
        """Refuse a model little of which can be compressed; layers that the caller left out could be.

        Raises
        ------
        InputError
            If less than half of the weights can be compressed, saying what stays dense and why.
        """
        possible = self.compressed + self.dense.get(NOT_CHOSEN, 0)
        if possible < LEAST_SHARE * self.total:
            raise InputError(f"only {self}; give --allow-partial (allow_partial=True) to compress it all the same")


def read_coverage(folder: Path) -> Coverage | None:
    """What of a model is compressed in a folder; None where its report does not say.

    Raises
    ------
    CheckpointError
        If the report is not what ``seedloom compress`` writes.
    """
    path = folder / REPORT
    if not path.exists():
        return None
    match read_object(path, COPY_OR_COMPRESS).get("coverage"):
        case None:
            return None
        case {"compressed": int(compressed), "layers": dict(layers), "dense": dict(dense)} if compressed > 0:
            if all(isinstance(number, int) for number in (*layers.values(), *dense.values())):
                return Coverage(compressed, layers, dense)
    raise CheckpointError(f"{path} is damaged (its coverage is no count of weights); {COPY_OR_COMPRESS}")


def coverage(model: nn.Module, chosen: Mapping[str, Place]) -> Coverage:
    """What of a model is compressed when the chosen places are. Weights under two names count once."""
    dense: Counter[str] = Counter()
    own = {f"{name}.weight" for name in chosen}
    seen = set()
    for name, parameter in model.named_parameters(remove_duplicate=False):
        if name not in own and id(parameter) not in seen:
            seen.add(id(parameter))
            dense[reason_dense(model, name)] += parameter.numel()
    return Coverage(
        sum(place.weights.numel() for place in chosen.values()),
        dict(Counter(place.kind for place in chosen.values())),
        dict(dense.most_common()),
    )
