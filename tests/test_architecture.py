"""What each room may know, where the import linter cannot see it."""

import subprocess
import sys

import pytest

WITHOUT_TORCH = (
    "golden_models.seedlm.block_format",
    "golden_models.router.descriptor",
    "golden_models.router.legality",
    "hw",
    "hw.engine",
    "hw.parameters",
    "hw.router.router",
    "hw.top",
    "synth",
)


@pytest.mark.parametrize("module", WITHOUT_TORCH)
def test_hardware_needs_no_torch(module: str) -> None:
    code = f"import sys, {module}; print([name for name in ('torch', 'transformers') if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
