"""How many cores this process may use."""

import math
import os
from pathlib import Path

CONTROL_GROUPS = Path("/sys/fs/cgroup")
"""Where Linux says what a container may use."""


def cores() -> int:
    """Cores of this process's affinity, or fewer where its container's quota of CPU time pays for fewer."""
    everywhere = os.cpu_count() or 1
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else everywhere  # not on macOS
    return min(available, _paid_cores(CONTROL_GROUPS) or available)


def _paid_cores(folder: Path) -> int | None:
    """Cores that the quota pays for, rounded up; None without a quota."""
    for files in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):  # of cgroups 2 and 1
        try:
            quota, period = " ".join((folder / file).read_text(encoding="utf-8") for file in files).split()
        except (OSError, ValueError):  # not there, or not as Linux writes it
            continue
        if quota.isdecimal() and int(quota) > 0 and int(period) > 0:  # "max" and -1 stand for no quota
            return math.ceil(int(quota) / int(period))
    return None
