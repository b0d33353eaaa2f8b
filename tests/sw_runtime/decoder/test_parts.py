import pytest
import torch

from formats.errors import InputError
from sw_runtime.decoder.parts import product, rows_of
from sw_runtime.nn.layer_classes import layer_class
from tests.sw_runtime.decoder.models import compressed
from tests.sw_runtime.device.matrices import random_matrix


@pytest.mark.parametrize("format_name", ["paper-4bit", "palette-4bit", "fp16"])
def test_a_format_without_a_scale_a_row_is_refused(format_name: str) -> None:
    layer = layer_class(format_name).empty(64, 32, format_name, bias=False)
    layer.load_state_dict(layer.stored_tensors(random_matrix(format_name, 32, 64)))
    with pytest.raises(InputError, match=f"up is stored as {format_name}, .* to a scaled or a trellis format"):
        product("up", layer)


def test_some_rows_of_a_product_are_those_of_its_layer() -> None:
    whole = product("qkv", compressed(torch.nn.Linear(64, 48), 5))
    part = rows_of(whole, 16, 8)
    assert part.place.rows == part.matrix.rows == 8
    assert part.place.first_row == 16
    assert torch.equal(part.matrix.integers(), whole.matrix.integers()[16:24])
    assert torch.equal(part.matrix.unit_scales(), whole.matrix.unit_scales()[16:24])
    assert whole.bias is not None
    assert part.bias is not None
    assert torch.equal(part.bias, whole.bias[16:24])
