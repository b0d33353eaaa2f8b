"""What is claimed is proved, and a claim is refuted when its component has a fault."""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

from formats.errors import DependencyError
from hw.decoder import best_keys, handover, packer, row_scale, vector_pass
from hw.engine import accumulators, generator, sequencer, trellis
from hw.link import cobs, window
from hw.memory import port, sdram, skid_buffer, unpacker
from hw.router.frame import answer, command_decoder, receiver
from hw.router.primitives import keep, select_counters
from synth import (
    claims,
    decoder_claims,
    link_claims,
    memory_claims,
    proofs,
    sdram_claims,
    select_claims,
    trellis_claims,
)
from synth.flow import Flow
from synth.proofs import PROOFS, app, refutation

SLOW = {"leap equals steps, paper-4bit", "leap equals steps, paper-3bit", "leap equals steps, scaled-2bit"}
"""Left to ``make prove``."""

BY_NAME = {proof.name: proof for proof in PROOFS}
QUICK = [proof for proof in PROOFS if proof.name not in SLOW]


@dataclass(frozen=True)
class Fault:
    """A proof, the member of a module that it is about, and a wrong text in that module's source.

    ``user`` is the module of the claim, which finds the member by its name.
    """

    proof: str
    user: ModuleType
    module: ModuleType
    member: str
    right: str
    wrong: str

    def plant(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Give the claim the faulty member."""
        source = Path(str(self.module.__file__)).read_text()
        assert source.count(self.right) == 1
        faulty = ModuleType(self.module.__name__)
        exec(compile(source.replace(self.right, self.wrong), self.member, "exec"), vars(faulty))
        monkeypatch.setattr(self.user, self.member, getattr(faulty, self.member))


FAULTS = (
    Fault(
        "leap equals steps, scaled-3bit",
        claims,
        generator,
        "leap",
        "in block_format.taps:",
        "in block_format.taps[1:]:",
    ),
    Fault(
        "stream rules, elements of a scaled product",
        row_scale,
        skid_buffer,
        "SkidBuffer",
        "m.If(self.i.ready & (filling == number))",
        "m.If(filling == number)",
    ),
    Fault(
        "stream rules, what the sequencer commands and reads",
        proofs,
        handover,
        "Handover",
        "m.If(self.i.ready):",
        "m.If(1):",
    ),
    Fault(
        "stream rules, elements of the vector unit",
        vector_pass,
        skid_buffer,
        "SkidBuffer",
        "m.If(self.i.ready & (filling == number))",
        "m.If(filling == number)",
    ),
    Fault(
        "stream rules, the best keys",
        proofs,
        best_keys,
        "BestKeys",
        'm.If(self.o.ready):\n                    m.next = "KEY"',
        'm.If(1):\n                    m.next = "KEY"',
    ),
    Fault(
        "no element of a packed vector is lost or repeated",
        decoder_claims,
        packer,
        "Packer",
        "self.i.ready.eq(~self.o.valid | self.o.ready)",
        "self.i.ready.eq(1)",
    ),
    Fault(
        "the first of the best keys is the largest",
        decoder_claims,
        best_keys,
        "BestKeys",
        "read.data.key >= key",
        "read.data.key > key",
    ),
    Fault(
        "stream rules, results of the engine",
        proofs,
        accumulators,
        "Accumulators",
        "m.If(self.o.valid & self.o.ready)",
        "m.If(self.o.valid)",
    ),
    Fault(
        "stream rules, commands the router has decoded",
        proofs,
        command_decoder,
        "CommandDecoder",
        "with m.If(self.o.ready):",
        "with m.If(self.i.valid):",
    ),
    Fault(
        "stream rules, answers of the router",
        proofs,
        answer,
        "Answer",
        "queue.r_en.eq(self.o.ready)",
        "queue.r_en.eq(1)",
    ),
    Fault(
        "no word of an answer is lost or repeated",
        claims,
        answer,
        "Answer",
        "queue.level < self._words_under_way",
        "queue.level < 2 * self._words_under_way",
    ),
    Fault(
        "no element of a packet is lost or repeated",
        proofs,
        receiver,
        "Receiver",
        "self.finish | self.o.ready | beat.abort",
        "self.finish | self.i.valid",
    ),
    Fault(
        "no beat of a matrix is lost or repeated",
        claims,
        sequencer,
        "Sequencer",
        "self.weights_valid.eq(self.data_valid & self.data_ready)",
        "self.weights_valid.eq(self.data_valid)",
    ),
    Fault(
        "no beat of a matrix is lost or repeated",
        claims,
        sequencer,
        "Sequencer",
        "block.eq(0), self.read.block.eq(0), self.read.address.eq(0)",
        "block.eq(0), self.read.block.eq(0)",
    ),
    Fault(
        "trellis windows are a row's latest bits",
        trellis_claims,
        trellis,
        "FedRegister",
        " & ~self.first.replicate(self._length)",
        "",
    ),
    Fault(
        "trellis lookups give the table's weights",
        trellis_claims,
        trellis,
        "OddTable",
        "magnitude ^ below_late.replicate(magnitude_bits)",
        "magnitude",
    ),
    Fault(
        "words are the bits of the beats in their order",
        memory_claims,
        unpacker,
        "Unpacker",
        "roomy & (~self.o.valid | self.o.ready)",
        "roomy",
    ),
    Fault(
        "beat n of a run is read as beat n",
        memory_claims,
        port,
        "MemoryPort",
        "(room_for_one | (part != 0))",
        "active",
    ),
    Fault(
        "beat n of a run is read as beat n",
        memory_claims,
        port,
        "MemoryPort",
        "asked & last_part & last_beat",
        "asked & last_beat",
    ),
    Fault(
        "the SDRAM controller keeps every rule, start and a refresh included",
        sdram_claims,
        sdram,
        "SdramController",
        "page.done & written.done",
        "page.done",
    ),
    Fault(
        "the SDRAM controller keeps every rule, start and a refresh included",
        sdram_claims,
        sdram,
        "SdramController",
        "timing.refresh - refresh_wait",
        "timing.refresh - refresh_wait + 1",
    ),
    Fault(
        "a zero or a pause ends every packet",
        link_claims,
        cobs,
        "CobsDecoder",
        "with m.Elif(~self.idle):",
        "with m.Elif(~self.idle & (left != 0)):",
    ),
    Fault(
        "a zero or a pause ends every packet",
        link_claims,
        cobs,
        "CobsDecoder",
        "self.i.valid & (octet == 0)",
        "self.i.valid & (octet == 0) & (left == 0)",
    ),
    Fault(
        "the core begins only requests that came whole",
        link_claims,
        window,
        "Window",
        "(filled & ~self.pending)",
        "~self.pending",
    ),
    Fault(
        "the core begins only requests that came whole",
        link_claims,
        window,
        "Window",
        "with m.If(~self.verdict.good):",
        "with m.If(~self.verdict.good & ~header.session[0]):",
    ),
    Fault(
        "top-k finds each digit of its threshold",
        select_claims,
        select_counters,
        "SelectCounters",
        "self.digits[lane] >= threshold",
        "self.digits[lane] > threshold",
    ),
    Fault(
        "top-k keeps its quota, the lowest indices of equal keys",
        select_claims,
        keep,
        "KeepPass",
        "before[lane] < left",
        "before[lane] <= left",
    ),
)


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Flow:
    return Flow(tmp_path_factory.mktemp("proofs"))


@pytest.mark.parametrize("proof", QUICK, ids=lambda proof: proof.name)
def test_what_is_claimed_is_proved(flow: Flow, proof: proofs.Proof) -> None:
    assert refutation(flow, proof) == ""


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.member}: {fault.wrong}")
def test_a_fault_is_refuted(flow: Flow, fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    fault.plant(monkeypatch)
    assert refutation(flow, BY_NAME[fault.proof])


def test_every_kind_of_claim_has_its_fault() -> None:
    assert {proof.name for proof in QUICK} - {fault.proof for fault in FAULTS} == {"leap equals steps, scaled-4bit"}


def run(flow: Path, *names: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["--cache", str(flow), *names])
    return result.exit_code, result.stdout, result.stderr


def test_the_command_tells_what_is_proved_and_for_how_long(tmp_path: Path) -> None:
    status, output, progress = run(tmp_path, "element of a packet")
    assert status == 0
    assert "proved no element of a packet is lost or repeated (for ever)" in output
    assert "1/1" in progress


def test_the_command_fails_on_a_claim_without_a_proof_and_shows_it_cycle_by_cycle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    next(fault for fault in FAULTS if fault.member == "KeepPass").plant(monkeypatch)
    status, output, _ = run(tmp_path, "top-k keeps")
    assert status == 1
    assert "FAILED top-k keeps its quota" in output
    assert "\\threshold" in output


def test_an_unknown_proof_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    status, _, error = run(tmp_path, "top-q")
    assert status == 2
    assert "no proof is called 'top-q'" in error
    assert "leap equals steps" in error


def test_a_solver_without_a_verdict_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = Flow(tmp_path)
    monkeypatch.setattr(flow, "run", lambda *arguments: {"proof.txt": "Interrupted"})
    with pytest.raises(DependencyError, match=r"neither proved nor refuted .*packet(.|\n)*Interrupted"):
        refutation(flow, BY_NAME["no element of a packet is lost or repeated"])
