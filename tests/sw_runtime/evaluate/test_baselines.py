from typing import Any

import pytest
import torch

from sw_runtime.evaluate import baselines
from sw_runtime.evaluate.baselines import BASELINES, layers_without_head, quantise
from sw_runtime.evaluate.rounding import round_to_nearest
from tests.sw_runtime.evaluate.models import WINDOWS, tiny_llama


def dense(layer: torch.nn.Module) -> torch.Tensor:
    """What a layer multiplies by, whatever keeps its weights."""
    with torch.no_grad():
        outputs: torch.Tensor = layer(torch.eye(layer.in_features))
    return outputs.T


@pytest.mark.parametrize("name", BASELINES)
def test_every_layer_but_the_head_is_quantised(name: str) -> None:
    original, model = tiny_llama(), tiny_llama()
    quantise(model, name)
    for layer, linear in layers_without_head(original).items():
        error = (dense(model.get_submodule(layer)) - linear.weight).norm() / linear.weight.norm()
        assert 0.03 < error < (0.3 if "3bit" in name else 0.15), layer
    assert model.lm_head.weight.equal(original.lm_head.weight)
    with torch.no_grad():
        assert model(WINDOWS[:1]).logits.isfinite().all()


def test_rounding_is_our_own() -> None:
    original, model = tiny_llama(), tiny_llama()
    quantise(model, "rtn-4bit-g128")
    for layer, linear in layers_without_head(original).items():
        assert model.get_submodule(layer).weight.equal(round_to_nearest(linear.weight, 4))


def test_an_unknown_baseline_is_refused_with_the_choices() -> None:
    with pytest.raises(ValueError, match=r"no baseline 'gptq'; choose from rtn-4bit-g128, .*quanto-qint4"):
        quantise(tiny_llama(), "gptq")


@pytest.mark.parametrize("name", [name for name, baseline in BASELINES.items() if baseline.package])
def test_a_missing_package_is_named_with_the_remedy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(module: str, *_: Any) -> None:
        raise ImportError(module)

    monkeypatch.setattr(baselines, "import_module", missing)
    with pytest.raises(ImportError, match=rf"baseline {name} needs .*: pip install 'seedloom\[eval\]'"):
        quantise(tiny_llama(), name)
