"""Products whose results feed the router: the same answers from both devices, and those the golden models give."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from formats.engine import EngineParameters
from formats.errors import DeviceError
from formats.matrices import EncodedMatrix, Fp16Matrix, Matrix
from formats.router.descriptor import Bound, Command, Flag, KeyFormat, Opcode, RouterParameters, Status
from formats.router.stream import to_bytes
from formats.row_scales import MAXIMUM_KEY
from golden_models.router.unit import RouterUnit
from golden_models.seedlm.datapath import matvec
from golden_models.seedlm.requantise import requantise
from sw_runtime.device.comparison import compare_rows
from sw_runtime.device.driver import Driver
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.device.protocol import Request
from sw_runtime.device.random_matrices import random_activations
from sw_runtime.device.simulated import simulated_device
from sw_runtime.device.simulator.library import Traffic
from tests.sw_runtime.device.matrices import random_matrix

ROUTER = RouterParameters(lanes=8, digit_bits=6, keys=112, slots=5, sets=3, ways=5)
ENGINE = EngineParameters(
    ("scaled-4bit", "paper-3bit", "fp16"),
    port_bytes=16,
    batch=2,
    maximum_columns=200,
    maximum_rows=120,
)
ROUTED = Flag.DATA | KeyFormat.S24
MOST_CYCLES_AT_REST = 20
"""How far the cycles of a routed product may stay below the emulated device's."""

Devices = tuple[EmulatedDevice, Driver]


@pytest.fixture(scope="module")
def devices() -> Iterator[Devices]:
    opened = EmulatedDevice(ENGINE, router=ROUTER), simulated_device(ENGINE, simulators=1, router=ROUTER)
    yield opened
    for device in opened:
        device.close()


def scaled_matrix(name: str, rows: int, columns: int, seed: int) -> Matrix:
    """Random words, and where rows have scales, scales far apart."""
    matrix = random_matrix(name, rows, columns, seed)
    if name != "scaled-4bit" or not isinstance(matrix, EncodedMatrix):
        return matrix
    powers = torch.randint(-30, 30, (rows,), generator=torch.Generator().manual_seed(seed))
    return replace(matrix, scales=(torch.rand(rows) * 2.0**powers).bfloat16().float())


def golden_keys(matrix: Matrix, activations: torch.Tensor) -> list[int]:
    """Keys of the golden datapath's results."""
    sums = matvec(matrix, activations)
    comparison = compare_rows(matrix, torch.as_tensor(matvec(matrix, torch.eye(matrix.columns, dtype=torch.int64)).T))
    keys: list[int] = requantise(sums[0], comparison.bfloat16_scales(), comparison.exponent(activations[0])).tolist()
    return keys


@given(
    name=st.sampled_from(ENGINE.formats),
    rows=st.integers(1, 120),
    columns=st.integers(1, 200),
    opcode=st.sampled_from([Opcode.LOAD, Opcode.FIRST]),
    seed=st.integers(0, 1 << 20),
)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_both_devices_answer_as_the_golden_models(
    devices: Devices, name: str, rows: int, columns: int, opcode: Opcode, seed: int
) -> None:
    matrix, activations = scaled_matrix(name, rows, columns, seed), random_activations(1, columns, 16, seed)
    command = Command(opcode, tag=seed % 256, flags=ROUTED | Flag.OUT, n=rows)
    read_back = Request(Command(Opcode.READKEYS, flags=Flag.OUT, n=ROUTER.keys))
    golden = RouterUnit(ROUTER)
    answers, contents, spent = [], [], []
    for device in devices:
        device.route([Request(Command(Opcode.LOAD, flags=Flag.DATA, n=ROUTER.keys), bytes(2 * ROUTER.keys))])
        handle, before = device.load(matrix), replace(device.counters)
        answers.append(device.route_matvec(handle, activations, command))
        spent.append(device.counters - before)
        contents.append(device.route([read_back])[0])
        device.unload(handle)
    expected = golden.execute(command, to_bytes(golden_keys(matrix, activations), command))
    assert answers == [expected, expected]
    assert contents == [golden.execute(read_back.command)] * 2
    emulated, simulated = spent
    assert replace(simulated, cycles=emulated.cycles) == emulated
    assert simulated.cycles <= emulated.cycles <= simulated.cycles + MOST_CYCLES_AT_REST


@pytest.mark.parametrize("traffic", [Traffic(memory=0.5), Traffic(results=0.2), Traffic(0.1, 0.05)])
def test_pauses_of_memory_and_host_change_no_answer(traffic: Traffic) -> None:
    devices = EmulatedDevice(ENGINE, router=ROUTER), simulated_device(ENGINE, traffic, simulators=1, router=ROUTER)
    for opcode in (Opcode.LOAD, Opcode.FIRST):
        for rows, columns in ((1, 1), (112, 8), (33, 200)):
            matrix, activations = scaled_matrix("scaled-4bit", rows, columns, 1), random_activations(1, columns, 16)
            command = Command(opcode, flags=ROUTED | Flag.OUT, n=rows)
            emulated, simulated = (d.route_matvec(d.load(matrix), activations, command) for d in devices)
            assert emulated == simulated
    for device in devices:
        device.close()


def test_products_with_and_without_the_router_and_its_commands_take_turns(devices: Devices) -> None:
    matrix, activations = scaled_matrix("scaled-4bit", 40, 90, 2), random_activations(1, 90, 16)
    first = Command(Opcode.FIRST, flags=ROUTED | Flag.OUT, n=40)
    load = Command(Opcode.LOAD, flags=Flag.DATA | KeyFormat.U24, n=3)
    answers = []
    for device in devices:
        handle = device.load(matrix)
        for _ in range(3):
            answers.append(device.route_matvec(handle, activations, first))
            assert torch.equal(device.matvec(handle, activations), matvec(matrix, activations))
            device.route([Request(load, bytes(9))])
    assert len(set(answers)) == 1


def test_a_simulated_devices_weights_are_decoded_for_the_router_alone_and_once(
    devices: Devices, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[Matrix] = []
    integers = EncodedMatrix.integers

    def noted(matrix: EncodedMatrix) -> torch.Tensor:
        decoded.append(matrix)
        return integers(matrix)

    monkeypatch.setattr(EncodedMatrix, "integers", noted)
    _, device = devices
    matrix, activations = random_matrix("scaled-4bit", 4, 9), random_activations(1, 9, 16)
    handle = device.load(matrix)
    device.matvec(handle, activations)
    assert not decoded
    for _ in range(2):
        device.route_matvec(handle, activations, Command(Opcode.FIRST, flags=ROUTED, n=4))
    assert decoded == [matrix]
    device.unload(handle)


def test_the_heaviest_vector_clips_no_key() -> None:
    matrix = random_matrix("scaled-4bit", 9, 64, 3)
    assert isinstance(matrix, EncodedMatrix)
    weights = matvec(matrix, torch.eye(64, dtype=torch.int64)).T
    for row in weights:  # along a row, Cauchy's and Schwarz's bound is reached
        activations = (row * (32767 / row.abs().max())).round().long()[None]
        keys = golden_keys(matrix, activations)
        assert MAXIMUM_KEY // 8 < max(keys) < MAXIMUM_KEY


def test_only_the_answer_comes_back() -> None:
    device = EmulatedDevice(ENGINE, router=ROUTER)
    handle = device.load(random_matrix("fp16", 100, 20))
    device.route_matvec(handle, random_activations(1, 20, 16), Command(Opcode.FIRST, flags=ROUTED | Flag.OUT, n=100))
    counters = device.counters
    assert (counters.result_bytes, counters.router_bytes, counters.scale_bytes) == (0, 20 + 2 * (2 + 6), 2 * 100)
    assert counters.router_cycles == 0


def test_more_rows_than_keys_have_a_largest_but_cannot_be_loaded(devices: Devices) -> None:
    matrix, activations = random_matrix("scaled-4bit", 120, 50, 4), random_activations(1, 50, 16)
    for opcode, status in ((Opcode.FIRST, Status.OK), (Opcode.LOAD, Status.BAD_N)):
        command = Command(opcode, flags=ROUTED | Flag.OUT, n=120)
        emulated, simulated = (d.route_matvec(d.load(matrix), activations, command) for d in devices)
        assert emulated == simulated
        assert emulated.status == status


@pytest.mark.parametrize(
    "command",
    [
        Command(Opcode.READKEYS, flags=Flag.OUT, n=5),
        Command(Opcode.LOAD, flags=Flag.DATA | KeyFormat.U24, n=5),
        Command(Opcode.LOAD, flags=KeyFormat.S24, n=5),
        Command(Opcode.LOAD, flags=ROUTED, n=4),
        Command(Opcode.FIRST, flags=ROUTED | Bound.FIELD << 3, n=5),
        Command(Opcode.FIRST, flags=ROUTED, n=5, z=1),
    ],
)
def test_a_command_that_cannot_take_results_is_refused(command: Command) -> None:
    device = EmulatedDevice(ENGINE, router=ROUTER)
    handle = device.load(random_matrix("fp16", 5, 3))
    with pytest.raises(
        ValueError, match="the results of 5 rows are routed to a LOAD, or a FIRST without bound, of 5 keys"
    ):
        device.route_matvec(handle, torch.ones(1, 3, dtype=torch.int64), command)


def test_several_vectors_at_once_are_refused() -> None:
    device = EmulatedDevice(ENGINE, router=ROUTER)
    handle = device.load(random_matrix("fp16", 5, 3))
    with pytest.raises(ValueError, match="the results of one vector are routed, not of 2; route them one by one"):
        device.route_matvec(handle, torch.ones(2, 3, dtype=torch.int64), Command(Opcode.LOAD, flags=ROUTED, n=5))


def test_rows_whose_scales_are_no_bfloat16_numbers_are_refused_when_routed() -> None:
    device = EmulatedDevice(ENGINE, router=ROUTER)
    matrix = random_matrix("scaled-4bit", 5, 3)
    assert isinstance(matrix, EncodedMatrix)
    handle = device.load(replace(matrix, scales=torch.full((5,), 0.3)))
    with pytest.raises(ValueError, match=r"the scale of row 0 is 0\.3.*compare such rows on the host"):
        device.route_matvec(handle, torch.ones(1, 3, dtype=torch.int64), Command(Opcode.LOAD, flags=ROUTED, n=5))


def test_a_device_without_a_router_routes_nothing() -> None:
    for device in (EmulatedDevice(ENGINE), simulated_device(ENGINE, simulators=1)):
        handle = device.load(Fp16Matrix(torch.ones(5, 3).half()))
        with pytest.raises(ValueError, match=r"this device has no router; open it with router=RouterParameters\(\)"):
            device.route_matvec(handle, torch.ones(1, 3, dtype=torch.int64), Command(Opcode.LOAD, flags=ROUTED, n=5))
        device.close()


def test_an_accelerator_that_never_answers_is_given_up(devices: Devices, monkeypatch: pytest.MonkeyPatch) -> None:
    device = simulated_device(ENGINE, simulators=1, router=ROUTER)
    monkeypatch.setattr(
        "sw_runtime.device.driver.activation_beats", lambda *_: np.zeros((0, ENGINE.port_bytes), dtype=np.uint8)
    )
    handle = device.load(random_matrix("scaled-4bit", 3, 9))
    with pytest.raises(DeviceError, match=r"the simulated accelerator did not answer a routed product in \d+ cycles"):
        device.route_matvec(handle, random_activations(1, 9, 16), Command(Opcode.LOAD, flags=ROUTED, n=3))
    device.close()
