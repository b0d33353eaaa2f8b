"""What it is worth that later layers see what compressed ones give them: the same compression without that.

``python benchmarks/float_inputs.py FOLDER`` compresses SmolLM2-135M as ``seedloom compress`` does with ``--calibration
packaged``, but every layer is fitted to what the original's layers give it. ``seedloom eval`` compares the folders.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from torch import Tensor, nn

import seedloom
from sw_runtime.compress import encode as layers
from sw_runtime.fit.layerwise import SharedInput, Stage, Visit, visit_stages
from sw_runtime.texts.packaged_models import smollm2_folder


def visit_float_stages(model: nn.Module, windows: Tensor, names: list[str], visit: Visit) -> None:
    """``visit_stages``, the original's weights put back before the run goes on."""
    weights = {name: model.get_submodule(name).weight for name in names}

    def visit_and_restore(stage: Stage, measure: Callable[[], list[SharedInput]]) -> None:
        visit(stage, measure)
        for name in stage.names:
            model.get_submodule(name).weight = weights[name]

    visit_stages(model, windows, names, visit_and_restore)


def main(folder: Path) -> None:
    """Compress into a folder."""
    vars(layers)["visit_stages"] = visit_float_stages
    seedloom.compress(smollm2_folder(), folder, calibration_text="packaged")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
