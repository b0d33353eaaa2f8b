"""Let the token router choose the tokens that attention looks at most.

python examples/router_topk.py [simulated]
"""

import sys

import torch

import seedloom
from sw_runtime.routing.selection import keep_top


def main(device_name: str = "emulated") -> None:
    """Drop three tenths of 1,024 tokens; the last token always stays."""
    engine = seedloom.EngineParameters(("scaled-4bit",))
    device = seedloom.open_device(device_name, parameters=engine, router=seedloom.RouterParameters(lanes=16))
    attention = torch.randn(32, 1024, generator=torch.Generator().manual_seed(0)).softmax(dim=-1)  # [heads, tokens]
    mask = keep_top(device, attention, rate=0.3, last=True)  # bool [tokens]
    print(f"{int(mask.sum())} of {len(mask)} tokens stay; the last one: {bool(mask[-1])}")
    print(f"{device.counters.router_bytes} bytes to and from the router, {device.counters.router_cycles} cycles")
    device.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
