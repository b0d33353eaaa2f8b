"""What each room may know, where the import linter cannot see it."""

import subprocess
import sys

import pytest

WITHOUT_TORCH = (
    "formats.block",
    "formats.fp16",
    "formats.palette_format",
    "formats.presets",
    "formats.weight_format",
    "formats.router.answer",
    "formats.router.stream",
    "formats.router.descriptor",
    "formats.router.legality",
    "hw",
    "hw.engine.engine",
    "formats.engine",
    "hw.router.router",
    "hw.top",
    "synth",
)


@pytest.mark.parametrize("module", WITHOUT_TORCH)
def test_hardware_needs_no_torch(module: str) -> None:
    code = f"import sys, {module}; print([name for name in ('torch', 'transformers') if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
