"""What is generated: for the right chip, and refused in one line where it cannot be."""

from dataclasses import replace

import pytest
from litedram import modules
from litedram.phy import ECP5DDRPHY

from formats.errors import DependencyError, InputError
from hw.memory.litedram import core as core_module
from hw.memory.litedram.boards import ECPIX5, MEMORIES, MOST_READS, ORANGECRAB, Ddr3Memory, ddr3_memory
from hw.memory.litedram.core import BITSLIPS, DELAYS, Core, Purpose
from hw.memory.litedram.generate import Pads, chip
from hw.memory.litedram.program import POWER_NS, RESET_NS, SETTLE_CLOCKS, TEST_CYCLES, Kind, Part, pattern, program
from tests.hw.memory.litedram.cores import core_without_verilog


@pytest.fixture
def made() -> Core:
    return core_without_verilog()


@pytest.mark.parametrize("ddr3", MEMORIES.values(), ids=MEMORIES)
def test_a_record_has_the_size_of_its_chip_and_the_time_of_its_refresh(ddr3: Ddr3Memory) -> None:
    known = getattr(modules, ddr3.chip)
    assert ddr3.size_bytes == known.nrows * known.ncols * known.nbanks * ddr3.CHIP_BITS // 8
    assert ddr3.size_bytes == {"orangecrab": 128, "orangecrab-512mb": 512, "ecpix5": 512}[ddr3.name] << 20
    refresh = chip(ddr3).timing_settings.tRFC
    assert ddr3.t_rfc_ns <= refresh * 1000 / ddr3.clock_mhz <= ddr3.t_rfc_ns + 2 * 1000 / ddr3.clock_mhz


def test_a_peak_is_four_transfers_per_cycle() -> None:
    assert (ORANGECRAB.peak_bytes_per_second, ECPIX5.peak_bytes_per_second) == (384e6, 600e6)


def test_a_core_is_the_same_text_whatever_was_generated_before() -> None:
    first, other, again = (core_module.core(ddr3, Purpose.BOARD).verilog for ddr3 in (ECPIX5, ORANGECRAB, ECPIX5))
    assert first == again != other


@pytest.mark.parametrize("bits", [16, 128])
def test_a_beat_that_no_port_takes_is_refused(bits: int) -> None:
    with pytest.raises(InputError, match=f"data_bits of orangecrab must be 32 or 64, not {bits}"):
        replace(ORANGECRAB, data_bits=bits)


def test_beats_of_half_the_width_are_twice_as_many() -> None:
    narrow = replace(ORANGECRAB, data_bits=32)
    assert narrow.address_bits == ORANGECRAB.address_bits + 1
    assert (narrow.size_bytes, narrow.peak_bytes_per_second) == (ORANGECRAB.size_bytes, 384e6)


def test_a_memory_that_is_not_known_is_refused() -> None:
    message = r"no DDR3 memory 'ulx3s'; choose from orangecrab, orangecrab-512mb, ecpix5"
    with pytest.raises(InputError, match=message):
        ddr3_memory("ulx3s")


def test_without_litedram_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name="litedram")

    monkeypatch.setattr(core_module, "import_module", missing)
    with pytest.raises(DependencyError, match=r"litedram is missing; pip install 'seedloom\[synth\]'"):
        core_module.core(ORANGECRAB, Purpose.BOARD)


@pytest.mark.parametrize("ddr3", [ORANGECRAB, ECPIX5], ids=lambda ddr3: ddr3.name)
def test_the_program_pauses_as_long_as_the_standard_asks(ddr3: Ddr3Memory, made: Core) -> None:
    steps, begins = program(ddr3, made)
    start = steps[begins[Part.START] : begins[Part.TEST]]
    pauses = [step.value * 1000 / ddr3.clock_mhz for step in start if step.kind is Kind.WAIT]
    settled = SETTLE_CLOCKS * 500 / ddr3.clock_mhz
    for pause, least in zip(pauses, (POWER_NS, RESET_NS, settled, settled), strict=True):
        assert least <= pause <= least + 1000 / ddr3.clock_mhz


def test_every_part_of_the_program_ends(made: Core) -> None:
    steps, begins = program(ORANGECRAB, made)
    ends = [*sorted(begins.values())[1:], len(steps)]
    assert all(steps[end - 1].kind is Kind.END for end in ends)
    assert len(begins) == len(Part)


def test_no_bitslip_makes_a_pattern_look_right() -> None:
    for number in (0, 1):
        burst = pattern(number)
        for places in range(1, BITSLIPS):
            moved = burst >> 16 * places
            differ = (burst ^ moved) & (1 << 16 * (8 - places)) - 1
            for lane in (0, 1):
                assert any(differ >> 16 * transfer + 8 * lane & 0xFF for transfer in range(8 - places))


@pytest.mark.parametrize("ddr3", [ORANGECRAB, ECPIX5], ids=lambda ddr3: ddr3.name)
def test_levelling_chooses_from_all_settings_that_the_phy_has(ddr3: Ddr3Memory) -> None:
    settings = ECP5DDRPHY(Pads(ddr3), sys_clk_freq=ddr3.clock_mhz * 1e6).settings
    assert (settings.bitslips, settings.delays, settings.nphases) == (BITSLIPS, DELAYS, 2)
    assert settings.read_latency + 3 < TEST_CYCLES
    assert 2 * max(settings.read_latency, settings.write_latency) + 2 <= MOST_READS
