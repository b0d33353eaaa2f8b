"""Verilog is a function of the hardware alone."""

import os
import re
import subprocess
import sys

from formats.engine import EngineParameters
from hw.engine.engine import Engine
from hw.router.parameters import UnitParameters
from hw.top import Accelerator
from hw.verilog import convert

CONVERT = """
import hashlib
from formats.engine import EngineParameters
from hw.board.board import Board
from hw.board.parameters import BoardParameters
from hw.engine.engine import Engine
from hw.memory.chips import W9825G6KH_6, Sdram
from hw.memory.sdram import SdramController
from hw.router.parameters import UnitParameters
from hw.router.router import Router
from hw.top import Accelerator
from hw.verilog import convert

engine = EngineParameters(("scaled-4bit", "palette-4bit"), port_bytes=4, maximum_columns=64, maximum_rows=64)
router = UnitParameters(lanes=4, keys=64, slots=4, sets=2, ways=2)
board = BoardParameters(engine, Sdram(W9825G6KH_6, clock_mhz=100, cas_latency=2))
whole = Board(board, SdramController(board.memory))
for component in (Engine(engine), Router(router), Accelerator(engine, router), whole):
    print(hashlib.sha256(convert(component, "top").encode()).hexdigest())
"""


def hashes(seed: str) -> list[str]:
    """SHA-256 of the Verilog of an engine, a router and both, in a process whose sets are ordered by ``seed``."""
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    run = subprocess.run([sys.executable, "-c", CONVERT], env=environment, capture_output=True, text=True, check=True)
    return run.stdout.split()


def test_the_text_does_not_depend_on_the_order_of_sets() -> None:
    first, *others = (hashes(seed) for seed in ("0", "1", "12345"))
    assert len(set(first)) == 4
    assert others == [first, first]


def test_every_register_and_memory_has_an_initial_value() -> None:
    engine = EngineParameters(("trellis-4bit", "fp16"), port_bytes=4, maximum_columns=64, maximum_rows=64)
    router = UnitParameters(lanes=4, keys=64, slots=4, sets=2, ways=2)
    text = convert(Accelerator(engine, router), "top")
    found = 0
    for module in text.split("endmodule"):
        clocked = set(re.findall(r"^ +(\S+?)(?: ?\[[^=;]*\])? <= ", module, re.MULTILINE))
        for name in clocked - set(re.findall(r"^  initial (\S+) <= 0;$", module, re.MULTILINE)):
            set_at_once = re.search(rf"^  reg (\[\d+:0\] )?{re.escape(name)} += \d+'", module, re.MULTILINE)
            filled = re.search(rf"^    {re.escape(name)} ?\[\d+\] = ", module, re.MULTILINE)
            assert set_at_once or filled, name
            found += 1
    assert found > 200


def test_what_starts_the_logic_is_an_event() -> None:
    engine = EngineParameters(("trellis-4bit",), port_bytes=4, maximum_columns=64, maximum_rows=64)
    text = convert(Engine(engine), "top")
    wakes = re.findall(r"^    if \((\S+) \) begin end$", text, re.MULTILINE)
    assert len(wakes) > 20
    assert all(f"  initial {wake} <= 0;\n" in text for wake in wakes)
