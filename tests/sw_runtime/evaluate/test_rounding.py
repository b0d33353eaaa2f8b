import pytest
import torch

from sw_runtime.evaluate.rounding import round_to_nearest


@pytest.mark.parametrize(("bits", "limit"), [(4, 7), (3, 3)])
def test_every_group_is_rounded_to_its_own_grid(bits: int, limit: int) -> None:
    weights = torch.randn(3, 20, generator=torch.Generator().manual_seed(0))
    rounded = round_to_nearest(weights, bits, group=8)
    for row in range(3):
        for first in (0, 8, 16):
            part = weights[row, first : first + 8]
            scale = float(torch.tensor(float(part.abs().max()) / limit).half())
            for weight, found in zip(part.tolist(), rounded[row, first : first + 8].tolist(), strict=True):
                expected = max(-limit, min(limit, round(weight / scale))) * scale
                assert found == pytest.approx(expected, abs=1e-6)


def test_zeros_stay_zeros() -> None:
    assert round_to_nearest(torch.zeros(2, 8), 4, group=4).equal(torch.zeros(2, 8))


def test_the_grid_has_as_many_values_as_bits_allow() -> None:
    weights = torch.randn(1, 4096, generator=torch.Generator().manual_seed(1))
    assert len(round_to_nearest(weights, 3, group=4096).unique()) == 7
