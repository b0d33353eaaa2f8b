"""A device of another package is opened by its name, as soon as the package is installed."""

import tomllib
from pathlib import Path

import pytest
import torch

import seedloom
from formats.engine import EngineParameters
from formats.matrices import Fp16Matrix
from formats.router.descriptor import Command, Flag, KeyFormat, Opcode, RouterParameters
from sw_runtime.device.protocol import Device, Request

PACKAGE = Path(__file__).parents[2] / "examples" / "out_of_tree_device"
ENGINE = EngineParameters(
    ("scaled-3bit", "fp16"), port_bytes=4, activation_bits=8, maximum_columns=200, maximum_rows=120
)
ROUTER = RouterParameters(lanes=8, digit_bits=6, keys=112, slots=5, sets=3, ways=5)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What pip does for the package: its module on the path, its entry points beside it."""
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    metadata = tmp_path / "traced_device-0.1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 0.1.0\n")
    lines = [f"{name} = {place}\n" for name, place in project["entry-points"]["seedloom.devices"].items()]
    (metadata / "entry_points.txt").write_text("[seedloom.devices]\n" + "".join(lines))
    monkeypatch.syspath_prepend(str(PACKAGE))
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("installed")
def test_it_is_listed_beside_ours() -> None:
    assert seedloom.device_names() == ["emulated", "serial", "simulated", "simulated-board", "traced"]


@pytest.mark.usefixtures("installed")
def test_it_multiplies_and_routes_and_tells_what_crossed(capsys: pytest.CaptureFixture[str]) -> None:
    device: Device = seedloom.open_device("traced", parameters=ENGINE, router=ROUTER)
    assert device.info().name == "traced"
    handle = device.load(Fp16Matrix(torch.eye(3).half()))
    activations = torch.tensor([[1, -3, 2]])
    assert torch.equal(device.matvec(handle, activations), activations << 24)  # an FP16 sum counts units of 2^-24
    first = Command(Opcode.FIRST, flags=Flag.DATA | Flag.OUT | KeyFormat.S24, n=3)
    assert device.route_matvec(handle, activations, first).payload[0] == 2
    device.route([Request(Command(Opcode.NOP))])
    device.close()
    noted = [line.split(":")[0] for line in capsys.readouterr().err.splitlines()]
    kinds = [kind for kind in noted if kind in ("pass", "routed pass") or kind.startswith("router command")]
    assert kinds == ["pass", "routed pass", "router command 0x00"]  # a first run also shows the simulator's build


def test_without_the_package_its_device_is_unknown() -> None:
    with pytest.raises(ValueError, match="no device 'traced'; choose from emulated, serial, simulated, "):
        seedloom.open_device("traced")
