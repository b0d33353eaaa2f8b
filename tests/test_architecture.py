"""What each room may know, where the import linter cannot see it."""

import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import golden_models

WITHOUT_TORCH = (
    "formats.block",
    "formats.decoder.program",
    "formats.decoder.tables",
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
    "hw.link.serial",
    "hw.memory.words",
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


def test_no_golden_model_is_left_out_of_the_contracts() -> None:
    root = Path(__file__).parents[1]
    contracts = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    forbidden = {name for contract in contracts for name in contract.get("forbidden_modules", [])}
    models = {module.name for module in pkgutil.iter_modules(golden_models.__path__, "golden_models.")}
    assert models
    assert models <= forbidden
