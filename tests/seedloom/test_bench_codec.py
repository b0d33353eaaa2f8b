"""``seedloom bench codec``: speeds of the seed search in one command."""

import json

import pytest
from typer.testing import CliRunner

from formats.presets import PRESETS
from seedloom.cli import app

SMALL = ["bench", "codec", "--blocks", "64", "--slow-blocks", "8", "--naive-blocks", "1"]


def test_every_format_is_timed_beside_numpy_and_torch() -> None:
    result = CliRunner().invoke(app, [*SMALL, "--json"])
    assert result.exit_code == 0, result.output
    formats = json.loads(result.stdout)["formats"]
    assert list(formats) == list(PRESETS)
    for one in formats.values():
        assert one["path"] == "brute"
        assert one["blocks"] == 64
        assert one["exact"] is True
        assert one["times_naive"] == pytest.approx(one["weights_per_cpu_second"] / one["naive"])
        assert one["times_torch"] == pytest.approx(one["weights_per_cpu_second"] / one["torch"])


def test_the_table_has_a_row_a_format() -> None:
    result = CliRunner().invoke(app, [*SMALL, "--format", "scaled-2bit"])
    lines = result.stdout.splitlines()
    assert lines[0] == "| weights per CPU second | search | C | torch | NumPy | C over NumPy |"
    assert lines[2].startswith("| scaled-2bit | brute | ")
    assert lines[-1] == "C and torch found the same words: yes"


def test_an_unknown_format_is_refused() -> None:
    result = CliRunner().invoke(app, ["bench", "codec", "--format", "scaled-5bit"])
    assert result.exit_code == 1
    assert f"format must be one of {', '.join(PRESETS)}, not 'scaled-5bit'" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("option", "least"), [("--blocks", 0), ("--slow-blocks", 1), ("--naive-blocks", 1)], ids=["fast", "slow", "naive"]
)
def test_a_number_of_blocks_out_of_range_is_refused(option: str, least: int) -> None:
    for number in (least - 1, 10**14):
        result = CliRunner().invoke(app, ["bench", "codec", option, str(number)])
        said = f"error: {option} must be {least} to 4194304, not {number}"
        assert (result.exit_code, result.stderr.strip()) == (1, said)
