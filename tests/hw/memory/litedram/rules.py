"""The chip's rules, looked at in the commands that it saw: an opinion besides LiteDRAM's own.

Distances are second-hand, for 1,600 transfers: JEDEC JESD79-3, for tRFC the maker's data sheet.
"""

from dataclasses import dataclass
from itertools import pairwise
from math import ceil

import numpy as np
from numpy.typing import NDArray

from hw.memory.litedram.boards import Ddr3Memory

NAMES = {0b0011: "activate", 0b0010: "precharge", 0b0001: "refresh", 0b0101: "read", 0b0100: "write", 0b0000: "mode",
         0b0110: "calibrate", 0b0111: "nothing"}  # fmt: skip
"""By the pins select, row, column, write; 0 is active."""

CAS_LATENCY, CAS_WRITE_LATENCY, BURST_CLOCKS = 6, 5, 4
POSTPONED_REFRESHES, REFRESH_NS = 8, 7812.5
CLOSES = 1 << 10
"""Address bit: a read or write closes its page behind it, a precharge closes all."""


@dataclass(frozen=True)
class Rule:
    """Least distance in clocks from a command to a later one, of the same bank or of any."""

    before: str
    after: str
    clocks: int
    same_bank: bool = True


def rules_of(ddr3: Ddr3Memory) -> dict[str, Rule]:
    """Name → rule for a memory's chip."""

    def clocks(nanoseconds: float, least: int = 1) -> int:
        return max(ceil(nanoseconds * 2 * ddr3.clock_mhz / 1000 - 1e-6), least)

    written = CAS_WRITE_LATENCY + BURST_CLOCKS
    return {
        "t_rcd, read": Rule("activate", "read", clocks(13.75)),
        "t_rcd, write": Rule("activate", "write", clocks(13.75)),
        "t_rp": Rule("precharge", "activate", clocks(13.75)),
        "t_rp, refresh": Rule("precharge", "refresh", clocks(13.75), same_bank=False),
        "t_ras": Rule("activate", "precharge", clocks(35)),
        "t_rc": Rule("activate", "activate", clocks(48.75)),
        "t_rrd": Rule("activate", "activate", clocks(7.5, 4), same_bank=False),
        "t_rfc": Rule("refresh", "activate", clocks(ddr3.t_rfc_ns), same_bank=False),
        "t_ccd, read": Rule("read", "read", BURST_CLOCKS, same_bank=False),
        "t_ccd, write": Rule("write", "write", BURST_CLOCKS, same_bank=False),
        "t_wtr": Rule("write", "read", written + clocks(7.5, 4), same_bank=False),
        "t_rtw": Rule("read", "write", CAS_LATENCY - CAS_WRITE_LATENCY + BURST_CLOCKS + 2, same_bank=False),
        "t_wr": Rule("write", "precharge", written + clocks(15)),
        "t_rtp": Rule("read", "precharge", clocks(7.5, 4)),
    }


def broken_rules(seen: NDArray[np.uint64], rules: dict[str, Rule]) -> set[str]:
    """Names of rules that commands break; ``seen`` is what ``Ddr3Simulation`` says. Pages count as rules too."""
    broken: set[str] = set()
    last: dict[tuple[str, int], int] = {}
    rows: dict[int, int] = {}
    for clock, _control, pins, bank, address in seen.tolist():
        name = NAMES[pins]
        banks = range(8) if name == "refresh" or (name == "precharge" and address & CLOSES) else (bank,)
        for rule_name, rule in rules.items():
            if rule.after != name:
                continue
            befores = [last.get((rule.before, each)) for each in (banks if rule.same_bank else range(8))]
            if any(before is not None and clock - before < rule.clocks for before in befores):
                broken.add(rule_name)
        if name == "activate":
            broken |= {"page open"} if bank in rows else set()
            rows[bank] = address
        if name in ("read", "write") and bank not in rows:
            broken.add("page closed")
        if name == "refresh" and rows:
            broken.add("page open at refresh")
        if name == "precharge" or (name in ("read", "write") and address & CLOSES):
            for each in banks:
                rows.pop(each, None)
        for each in banks:
            last[name, each] = clock
    return broken


def longest_refresh_gap(seen: NDArray[np.uint64]) -> int:
    """Most clocks from a refresh to the next."""
    refreshes = [row[0] for row in seen.tolist() if NAMES[row[2]] == "refresh"]
    return max(after - before for before, after in pairwise(refreshes))
