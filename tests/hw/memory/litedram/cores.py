"""A core as one is generated, without its Verilog: for tests that look only at what is around it."""

from hw.memory.litedram.core import Core, Step

PAGE = 512
PHY = ("dly_sel0", "rdly_dq_rst", "rdly_dq_inc", "rdly_dq_bitslip_rst", "rdly_dq_bitslip", "burstdet_clr",
       "burstdet_seen")  # fmt: skip
PHASE = ("command0", "command_issue", "address0", "baddress0", "wrdata1", "wrdata0", "rddata1", "rddata0")


def core_without_verilog() -> Core:
    """Registers as LiteDRAM has them, and a shortened start."""
    controller = ["dfii_control0", *(f"dfii_pi{phase}_{name}" for phase in (0, 1) for name in PHASE)]
    registers = {name: place for place, name in enumerate(PHY)}
    registers |= {name: PAGE + place for place, name in enumerate(controller)}
    start = (Step(12, 0, 0, 0), Step(14, 0, 0, 0), Step(None, 15, 2, 512))
    return Core("", registers, start, read_phase=0, write_phase=1)
