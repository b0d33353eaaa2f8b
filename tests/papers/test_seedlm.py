import torch

from formats.matrices import real_weights
from formats.presets import PRESETS
from golden_models.seedlm.codec import encode
from papers.report import Figure
from papers.seedlm import measure, relative_error, speed_up, tiled


def test_a_matrix_is_repeated_and_cut() -> None:
    square = tiled(torch.arange(6).view(2, 3), 4)
    assert square.tolist() == [[0, 1, 2, 0], [3, 4, 5, 3], [0, 1, 2, 0], [3, 4, 5, 3]]


def test_the_error_is_that_of_the_golden_encoder() -> None:
    weights = torch.randn(2, 24, generator=torch.Generator().manual_seed(3))
    golden = real_weights(encode(weights, PRESETS["paper-4bit"]))
    assert relative_error(weights, "paper-4bit") == ((golden - weights).norm() / weights.norm()).item()


def test_only_the_papers_sizes_have_its_figures() -> None:
    assert speed_up(2048, "paper-4bit", 399, 100).paper == "3.98"
    assert speed_up(2048, "paper-3bit", 399, 100) == Figure(
        "2048 x 2048, paper-3bit: speed-up over FP16 in cycles", 3.99
    )
    assert speed_up(96, "paper-4bit", 399, 100).paper is None


def test_both_devices_take_the_same_cycles_and_are_exact() -> None:
    emulated, simulated = (measure(device, sizes=(96,)) for device in ("emulated", "simulated"))
    assert emulated.figures == simulated.figures
    ours = {figure.name: figure.ours for figure in emulated.figures}
    assert ours["all results equal to the golden datapath's"] == "yes"
    assert 2 < ours["96 x 96, paper-4bit: speed-up over FP16 in cycles"] < 4
