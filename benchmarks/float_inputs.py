"""What it is worth that later layers see what compressed ones give them: the same compression without that.

``python benchmarks/float_inputs.py FOLDER`` compresses SmolLM2-135M as ``seedloom compress`` does with ``--calibration
packaged``, but every layer is fitted to what the original's layers give it. ``seedloom eval`` compares the folders.
"""

import sys
from pathlib import Path

from torch import Tensor, nn

import seedloom
from sw_runtime.compress import encode as layers
from sw_runtime.fit.layerwise import Running, Visit, visit_stages
from sw_runtime.texts.packaged_models import smollm2_folder


def visit_float_stages(model: nn.Module, windows: Tensor, names: list[str], visit: Visit, running: Running) -> None:
    """``visit_stages``, every stage run with the original's weights."""
    visit_stages(model, windows, names, visit)


def main(folder: Path) -> None:
    """Compress into a folder."""
    vars(layers)["visit_stages"] = visit_float_stages
    seedloom.compress(smollm2_folder(), folder, calibration_text="packaged")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
