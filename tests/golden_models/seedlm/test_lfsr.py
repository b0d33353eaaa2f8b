"""What a seed stands for."""

from functools import reduce
from operator import xor

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from formats.block import LFSR_TAPS, BlockFormat
from formats.presets import PRESETS
from golden_models.seedlm import lfsr


def cycle_from_1(lfsr_bits: int) -> Tensor:
    """The states 1, step(1), step(step(1)), …, as many as a full period has.

    Walked from many starting points at once, ``stride`` steps apart. ``step`` is linear, so the
    state a stride on is the XOR of where the state's single bits lead.
    """
    period, stride = (1 << lfsr_bits) - 1, 1 << (lfsr_bits + 1) // 2
    leads_to = [1 << j for j in range(lfsr_bits)]
    for _ in range(stride):
        leads_to = [lfsr.step(state, lfsr_bits) for state in leads_to]
    starts = [1]
    while len(starts) * stride < period:
        starts.append(reduce(xor, (there for j, there in enumerate(leads_to) if starts[-1] >> j & 1)))
    walked = [torch.tensor(starts, dtype=torch.int32)]
    while len(walked) < stride:
        walked.append(lfsr.step(walked[-1], lfsr_bits))  # plain integer arithmetic: steps a tensor alike
    return torch.stack(walked, dim=1).flatten()[:period]


@pytest.mark.parametrize("lfsr_bits", LFSR_TAPS)
def test_the_cycle_visits_every_state_but_0(lfsr_bits: int) -> None:
    cycle = cycle_from_1(lfsr_bits)
    assert torch.equal(lfsr.step(cycle[:-1], lfsr_bits), cycle[1:])
    assert lfsr.step(int(cycle[-1]), lfsr_bits) == 1
    visited = torch.zeros(1 << lfsr_bits, dtype=torch.bool)
    visited[cycle] = True
    assert visited[1:].all()
    assert not visited[0]


@given(lfsr_bits=st.integers(2, 24), data=st.data())
def test_the_states_are_windows_of_one_bit_stream(lfsr_bits: int, data: st.DataObject) -> None:
    seed = data.draw(st.integers(1, (1 << lfsr_bits) - 1))
    states = lfsr.states(seed, lfsr_bits, 100).tolist()
    bits = [seed >> j & 1 for j in range(lfsr_bits)]
    for n in range(100):
        bits.append(sum(bits[n + tap] for tap in LFSR_TAPS[lfsr_bits]) % 2)
        assert states[n] == sum(bits[n + 1 + j] << j for j in range(lfsr_bits))


def test_paper_example_of_3_bits() -> None:
    block_format = BlockFormat("figure", 4, 2, lfsr_bits=3, exponent_bits=4, coefficient_bits=4)
    assert lfsr.matrix(4, block_format).tolist() == [[2, 5], [6, 7], [3, 1], [4, 2]]


def test_first_16_bit_states_after_seed_1() -> None:
    assert lfsr.states(1, 16, 8).tolist() == [32768, 16384, 8192, 4096, 34816, 17408, 8704, 4352]


def test_matrix_of_seed_0xace1_in_paper_4bit() -> None:
    assert lfsr.matrix(0xACE1, PRESETS["paper-4bit"]).tolist() == [
        [54896, 60216, 62876],
        [31438, 48487, 57011],
        [61273, 30636, 15318],
        [7659, 3829, 34682],
        [17341, 8670, 4335],
        [2167, 1083, 33309],
        [16654, 8327, 4163],
        [34849, 50192, 25096],
    ]


def test_the_left_shift_register_visits_the_bit_reversals_in_the_same_order() -> None:
    def left_step(state: int) -> int:
        bit = (state >> 15 ^ state >> 14 ^ state >> 12 ^ state >> 3) & 1  # taps 16, 15, 13, 4
        return (state << 1 | bit) & 0xFFFF

    state = 1 << 15  # the reversal of 1
    for right in cycle_from_1(16).tolist():
        assert f"{state:016b}" == f"{right:016b}"[::-1]
        state = left_step(state)


def test_plain_entries_are_offset_states_and_never_the_least_integer() -> None:
    entries = lfsr.entries(torch.arange(1, 1 << 16), PRESETS["paper-4bit"])
    assert entries.min() == -32767
    assert entries.max() == PRESETS["paper-4bit"].maximum_entry == 32767


def test_odd_entries_come_from_the_low_bits_of_a_state() -> None:
    states = torch.tensor([0b1000, 0b1001, 0b1010, 0b1011])
    assert lfsr.entries(states, PRESETS["scaled-4bit"]).tolist() == [-3, -1, 1, 3]


@given(block_format=..., state=st.integers(1, (1 << 24) - 1))
def test_entries_stay_within_their_bound(block_format: BlockFormat, state: int) -> None:
    state = max(state & block_format.seeds, 1)
    assert abs(int(lfsr.entries(torch.tensor(state), block_format))) <= block_format.maximum_entry


@pytest.mark.parametrize("name", PRESETS)
def test_the_table_of_all_seeds_holds_each_seeds_matrix(name: str) -> None:
    preset = PRESETS[name]
    table = lfsr.all_entry_matrices(preset)
    assert table.shape == (preset.seeds, preset.block_size, preset.latent_dim)
    for seed in (1, 2, 3, 0x2CE1 & preset.seeds, preset.seeds - 1, preset.seeds):
        assert torch.equal(table[seed - 1], lfsr.entries(lfsr.matrix(seed, preset), preset))


@pytest.mark.parametrize("seed", [0, 1 << 16, -1])
def test_a_seed_off_the_cycle_is_refused(seed: int) -> None:
    with pytest.raises(ValueError, match=f"seed must be 1 to 65535, not {seed}"):
        lfsr.states(seed, 16, 1)
