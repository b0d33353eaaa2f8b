"""How much memory this process may use."""

import os

from sw_runtime import cores

LIMITS = ("memory.max", "memory/memory.limit_in_bytes")
"""Files of control groups 2 and 1 that say what a container may use."""


def memory_bytes() -> int:
    """Bytes of this machine's memory, or fewer where its container may use fewer."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for file in LIMITS:
        try:
            limit = (cores.CONTROL_GROUPS / file).read_text(encoding="utf-8").strip()
        except OSError:  # not there
            continue
        if limit.isdecimal():  # "max" stands for no limit
            machine = min(machine, int(limit))
    return machine
