"""Products in bfloat16 end with the block that asked for them."""

import pytest
import torch

from sw_runtime.precision import bfloat16_products


def test_precision_is_lowered_within_the_block_alone() -> None:
    assert torch.get_float32_matmul_precision() == "highest"
    with bfloat16_products():
        assert torch.get_float32_matmul_precision() == "medium"
    assert torch.get_float32_matmul_precision() == "highest"


def test_precision_comes_back_after_an_error() -> None:
    with pytest.raises(KeyError), bfloat16_products():
        raise KeyError
    assert torch.get_float32_matmul_precision() == "highest"
