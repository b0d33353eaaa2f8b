from typing import Any

import pytest
import torch
from optimum.quanto import QLinear, qint4

from formats.errors import DependencyError
from sw_runtime.evaluate import baselines
from sw_runtime.evaluate.baselines import BASELINES, layers_without_head, quantise, quanto_group
from sw_runtime.evaluate.rounding import round_to_nearest
from tests.sw_runtime.evaluate.models import WINDOWS, llama_to_quantise


def dense(layer: torch.nn.Module) -> torch.Tensor:
    """What a layer multiplies by, whatever keeps its weights."""
    with torch.no_grad():
        outputs: torch.Tensor = layer(torch.eye(layer.in_features))
    return outputs.T


@pytest.mark.parametrize("name", [name for name in BASELINES if name != "bnb-nf4"])  # too large for the tests: 125 MB
def test_every_layer_but_the_head_is_quantised(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "calibration", lambda _: (object(), WINDOWS.repeat(4, 1)))
    original, model = llama_to_quantise(), llama_to_quantise()
    quantise(model, name)
    for layer, linear in layers_without_head(original).items():
        error = (dense(model.get_submodule(layer)) - linear.weight).norm() / linear.weight.norm()
        limit = 0.35 if "q2" in name else 0.3 if "3bit" in name or "q3" in name else 0.15
        assert 0.03 < error < (2 * limit if "gptq" in name else limit), layer
    assert model.lm_head.weight.equal(original.lm_head.weight)
    with torch.no_grad():
        assert model(WINDOWS[:1]).logits.isfinite().all()


def test_rounding_is_our_own() -> None:
    original, model = llama_to_quantise(), llama_to_quantise()
    quantise(model, "rtn-4bit-g128")
    for layer, linear in layers_without_head(original).items():
        assert model.get_submodule(layer).weight.equal(round_to_nearest(linear.weight, 4))


@pytest.mark.parametrize(
    ("name", "bits"),
    [("rtn-3bit-g128", 3 + 16 / 72), ("hqq-4bit-g64", 4.5), ("quanto-qint4", 4 + 32 / 72), ("gguf-q3_k", 3.4375)],
)
def test_bits_are_those_of_integers_scales_and_offsets(name: str, bits: float) -> None:
    # A layer has 448 rows of 64 columns and 64 of 128: of whole rows, 72 weights per group.
    assert BASELINES[name].bits_per_weight(llama_to_quantise()) == pytest.approx(bits)


@pytest.mark.parametrize("columns", [64, 128, 160, 192, 256, 576, 1000])
def test_groups_are_those_that_quanto_takes(columns: int) -> None:
    layer = QLinear.from_module(torch.nn.Linear(columns, 4), weights=qint4)
    assert quanto_group(columns) == (layer.weight_group_size or columns)


def test_an_unknown_baseline_is_refused_with_the_choices() -> None:
    with pytest.raises(
        ValueError, match=r"no baseline 'gptq'; choose from rtn-4bit-g128, .*gptq-4bit-g128, .*auto-round-int4-g128"
    ):
        quantise(llama_to_quantise(), "gptq")


@pytest.mark.parametrize("name", [name for name, baseline in BASELINES.items() if baseline.package])
def test_a_missing_package_is_named_with_the_remedy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(module: str, *_: Any) -> None:
        raise ImportError(module)

    monkeypatch.setattr(baselines, "import_module", missing)
    with pytest.raises(DependencyError, match=rf"baseline {name} needs .*: pip install 'seedloom\[eval\]'"):
        quantise(llama_to_quantise(), name)
