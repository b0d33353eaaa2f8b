"""Results of 24 bits on the host: how many bits are lost, and what comes back."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from formats.errors import InputError
from golden_models.seedlm.rounded_results import rounded
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.device.random_matrices import random_activations
from sw_runtime.device.rounding import largest_norm, places_of, results_of, without_places
from tests.sw_runtime.device.matrices import random_matrix


@given(total=st.integers(-(1 << 63), (1 << 63) - 1), places=st.integers(0, 40))
def test_sums_are_rounded_as_the_golden_model_does(total: int, places: int) -> None:
    sums = torch.tensor([total])
    assert torch.equal(without_places(sums, places), rounded(sums, places) << places)


@given(results=st.lists(st.integers(-(1 << 23), (1 << 23) - 1), min_size=1, max_size=20), places=st.integers(0, 40))
def test_words_of_an_answer_are_taken_apart(results: list[int], places: int) -> None:
    whole = [*results, *[0] * (-len(results) % 4)]
    octets = b"".join(result.to_bytes(3, "little", signed=True) for result in whole)
    words = [int.from_bytes(octets[at : at + 4], "little") for at in range(0, len(octets), 4)]
    assert results_of(words, places).tolist() == [result << places for result in whole]


@pytest.mark.parametrize("name", ["scaled-4bit", "paper-4bit", "trellis-3bit", "fp16"])
def test_results_keep_twenty_bits_and_none_is_clipped(name: str) -> None:
    matrix, activations = random_matrix(name, 64, 200, 1), random_activations(3, 200, 16, 1)
    aligned = matrix.integers().long()[:1].clamp(-(1 << 15), (1 << 15) - 1)  # a row times itself meets the bound
    for vectors in (activations, aligned):
        sums = vectors @ matrix.integers().long().T
        places = places_of(largest_norm(matrix.integers()), vectors)
        lost = (without_places(sums, places) - sums).abs().max()
        assert lost <= max(1, 1 << places - 1) if places else lost == 0
        assert sums.abs().max() >> places > 1 << 19 or places == 0


def test_few_bits_are_lost_by_no_vector_of_zeros() -> None:
    assert places_of(1e6, torch.zeros(2, 5, dtype=torch.int64)) == 0


def test_an_emulated_device_rounds_each_pass_by_itself() -> None:
    matrix, activations = random_matrix("scaled-4bit", 30, 100, 2), random_activations(3, 100, 16, 2)
    activations[1] >>= 10
    exact, device = activations @ matrix.integers().long().T, EmulatedDevice(result_bits=24)
    results = device.matvec(device.load(matrix), activations)
    norm = largest_norm(matrix.integers())
    wanted = [without_places(sums, places_of(norm, each[None])) for sums, each in zip(exact, activations, strict=True)]
    assert torch.equal(results, torch.stack(wanted))
    assert not torch.equal(results, exact)
    assert device.counters.result_bytes == 3 * results.numel()


@pytest.mark.parametrize("wrong", [32, 0, None])
def test_other_widths_are_refused(wrong: int) -> None:
    with pytest.raises(InputError, match=f"result_bits must be 64, exact, or 24, rounded, not {wrong}"):
        EmulatedDevice(result_bits=wrong)
