"""Run a compressed model on an accelerator and read what it cost.

    python examples/run_on_device.py compressed "Once upon a time" [simulated]

A device named "simulated" runs the Verilog, cycle by cycle; "emulated" gives the same integers, faster.
"""

import sys

from transformers import AutoModelForCausalLM, AutoTokenizer

import seedloom


def main(folder: str, prompt: str, device_name: str = "emulated") -> None:
    """Continue ``prompt`` by eight tokens."""
    model = AutoModelForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    formats = tuple(sorted(set(model.config.quantization_config.modules.values())))
    engine = seedloom.EngineParameters(formats, port_bytes=64)
    device = seedloom.open_device(device_name, parameters=engine)
    seedloom.attach(model, device)  # every compressed layer now multiplies on the device
    tokens = tokenizer(prompt, return_tensors="pt").input_ids
    answer = model.generate(tokens, max_new_tokens=8, do_sample=False)
    print(tokenizer.decode(answer[0], skip_special_tokens=True))
    counters = device.counters
    print(f"{counters.cycles} cycles, memory port busy in {counters.port_busy_cycles} of them")
    device.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
