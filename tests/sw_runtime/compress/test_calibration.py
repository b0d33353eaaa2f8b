"""What text says about the inputs of every layer."""

import importlib.util

import pytest
import torch
from torch import Tensor, nn

from sw_runtime.compress.calibration import InputPower, input_powers, packaged_text, token_windows


class Embedded(nn.Module):
    """Two layers of one input and one of another; token t enters as row t of the table."""

    def __init__(self, table: Tensor) -> None:
        super().__init__()
        self.table = table
        self.first, self.second, self.third = nn.Linear(3, 4), nn.Linear(3, 5), nn.Linear(4, 2)
        self.unused = nn.Linear(3, 3)

    def forward(self, input_ids: Tensor, use_cache: bool) -> Tensor:
        hidden = self.table[input_ids]
        self.second(hidden)
        return self.third(self.first(hidden))


TABLE = torch.tensor([[1.0, 0, 0], [0, 1.0, 0], [1.0, 1.0, 0], [0, 0, 100.0]])
WINDOWS = torch.tensor([[0, 1, 0, 3], [1, 1, 2, 2]])


class Letters:
    def __call__(self, text: str, verbose: bool) -> dict[str, list[int]]:
        return {"input_ids": [ord(letter) for letter in text]}


def test_plain_power_is_the_mean_square_over_all_tokens() -> None:
    power = input_powers(Embedded(TABLE), WINDOWS)["first"]
    assert power.plain.tolist() == [4 / 8, 5 / 8, 10000 / 8]


def test_capped_power_limits_a_token_to_ten_times_the_median_of_its_window() -> None:
    power = input_powers(Embedded(TABLE), WINDOWS)["first"]
    assert power.capped.tolist() == pytest.approx([4 / 8, 5 / 8, 10 / 8])


def test_layers_of_one_input_have_one_digest() -> None:
    powers = input_powers(Embedded(TABLE), WINDOWS)
    assert powers["first"].digest == powers["second"].digest != powers["third"].digest


def test_a_layer_that_does_not_run_is_left_out() -> None:
    assert set(input_powers(Embedded(TABLE), WINDOWS)) == {"first", "second", "third"}


def test_no_hook_stays_behind() -> None:
    model = Embedded(TABLE)
    input_powers(model, WINDOWS)
    assert not model.first._forward_hooks


def test_every_input_has_some_importance_and_none_much_more_than_its_block() -> None:
    power = torch.tensor([0.0, 1, 1, 1, 1, 1, 1, 1e9, 2.0, 2, 2, 2], dtype=torch.float64)
    importance = InputPower(power, power).importance(block_size=8)
    damping = 0.01 * power.mean()
    assert importance[0] == damping
    assert importance[7] == 64 * (1 + damping)
    assert torch.equal(importance[8:], power[8:] + damping)


def test_windows_are_spread_over_the_whole_text() -> None:
    text = "".join(chr(i) for i in range(100))
    assert token_windows(text, Letters(), windows=3, length=10)[:, 0].tolist() == [0, 45, 90]


def test_a_text_too_short_for_all_windows_gives_fewer() -> None:
    assert token_windows("x" * 25, Letters(), windows=8, length=10).shape == (2, 10)


def test_a_text_shorter_than_a_window_is_refused() -> None:
    with pytest.raises(ValueError, match="has 9 tokens; give one of at least 10"):
        token_windows("x" * 9, Letters(), length=10)


def test_the_packaged_text_is_prose() -> None:
    if importlib.util.find_spec("gensim") is None:
        pytest.skip("the text comes with gensim: pip install --no-deps gensim")
    text = packaged_text()
    assert len(text) > 300_000
    assert " the " in text


def test_a_missing_text_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="pip install --no-deps gensim"):
        packaged_text()
