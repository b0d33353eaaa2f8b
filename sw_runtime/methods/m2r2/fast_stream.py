"""What M2R2 adds to a decoder, fitted once and kept in a file beside its weights."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from safetensors import SafetensorError
from torch import Tensor

from formats.errors import CheckpointError
from sw_runtime.methods.decoder import Decoder
from sw_runtime.methods.m2r2.exits import ExitGate
from sw_runtime.methods.m2r2.fit import Window, fit_adapters, fit_exit_gates
from sw_runtime.methods.m2r2.residuals import Adapter, M2R2Parameters
from sw_runtime.whole_files import read_tensors, write_tensors

FILE = "m2r2.safetensors"
"""Name of the file in a model's folder."""

WINDOWS, LENGTH = 16, 256
"""Texts that are fitted to, and tokens of each."""

RATE, RANK = 2, 32
"""Adapters are wider than the paper's 8 (unverified), which are too narrow for models of a hundred million weights."""

EXIT_DEPTHS = (0.3, 0.4, 0.5)
"""Shares of a model's layers after which a token may leave."""


def parameters_for(layers: int) -> M2R2Parameters:
    """Hyper-parameters for a model of so many layers, at least 2: those that SmolLM2's figures are measured with."""
    exits = sorted({min(max(round(depth * layers), 1), layers - 1) for depth in EXIT_DEPTHS})
    return M2R2Parameters(rate=RATE, rank=RANK, exits=tuple(exits))


@dataclass(frozen=True)
class FastStream:
    """The stream that runs ahead, and the gates that judge it.

    Parameters
    ----------
    parameters
        Hyper-parameters.
    adapters
        Of the layers up to the last exit.
    gates
        One an exit.
    """

    parameters: M2R2Parameters
    adapters: list[Adapter]
    gates: list[ExitGate]

    @classmethod
    def fit(cls, decoder: Decoder, windows: Sequence[Window], parameters: M2R2Parameters) -> "FastStream":
        """Fit to texts that the decoder has read."""
        adapters, fast = fit_adapters(decoder, windows, parameters)
        return cls(parameters, adapters, fit_exit_gates(decoder, windows, fast, parameters))

    def save(self, folder: Path) -> None:
        """Write the file, whole or not at all."""
        parts: dict[str, Adapter | ExitGate] = {
            f"adapters.{number}": adapter for number, adapter in enumerate(self.adapters)
        }
        parts |= {f"gates.{number}": gate for number, gate in enumerate(self.gates)}
        named = {f"{name}.{key}": tensor for name, part in parts.items() for key, tensor in vars(part).items()}
        tensors = {name: tensor.contiguous() for name, tensor in named.items()}
        write_tensors(folder / FILE, tensors, asdict(self.parameters))

    @classmethod
    def load(cls, folder: Path) -> "FastStream":
        """Read the file.

        Raises
        ------
        FileNotFoundError
            If the folder has none, naming the command that makes it.
        CheckpointError
            If it is not what ``save`` writes, naming the same.
        """
        path, remedy = folder / FILE, f"make it with: seedloom fit-m2r2 {folder}"
        if not path.is_file():
            raise FileNotFoundError(f"{folder} has no {FILE}; {remedy}")
        try:
            tensors, fields = read_tensors(path)
            parameters = M2R2Parameters(**fields | {"exits": tuple(fields["exits"])})
            adapters = [Adapter(**_part(tensors, f"adapters.{number}")) for number in range(parameters.exits[-1])]
            gates = [ExitGate(**_part(tensors, f"gates.{number}")) for number in range(len(parameters.exits))]
        except (SafetensorError, LookupError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path} is damaged ({error}); {remedy}") from error
        return cls(parameters, adapters, gates)


def _part(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    prefix = f"{name}."
    return {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}
