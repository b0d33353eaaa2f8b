"""Tokens chosen on the device against the largest of its logits, on a real model: figures of docs/router.md.

``python benchmarks/argmax.py`` runs SmolLM2, all linears and the head as seeds on the emulated device,
over Wikipedia articles that come inside the package gensim. In every place the router's choice
among the head's keys is held against the largest of the head's float32 logits.
"""

from dataclasses import replace

import torch
from torch import Tensor
from tqdm import tqdm
from transformers import AutoModelForCausalLM, AutoTokenizer

import seedloom
from formats.engine import EngineParameters
from seedloom.demo import compressed_model
from sw_runtime.device.protocol import Counters, Device
from sw_runtime.nn.device_linear import DeviceLinear
from sw_runtime.texts.corpora import wikipedia_articles

ARTICLES, TOKENS, FORMAT = 4, 512, "scaled-4bit"


def compare(head: DeviceLinear, hidden_states: Tensor, device: Device) -> tuple[Tensor, Tensor, Counters, Counters]:
    """Choices of the router and float32 logits of the same vectors [n, columns], and what each cost the device."""
    before = replace(device.counters)
    logits = head(hidden_states)
    between = replace(device.counters)
    chosen = [head.argmax(vector) for vector in tqdm(hidden_states, desc="tokens", unit="token", leave=False)]
    return torch.tensor(chosen), logits, between - before, device.counters - between


def main() -> None:
    """Compare, and print."""
    torch.set_num_threads(1)
    folder = compressed_model(FORMAT)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    windows = [ids for ids in (tokenizer(text)["input_ids"] for text in wikipedia_articles()) if len(ids) >= TOKENS][
        :ARTICLES
    ]
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    engine, router = EngineParameters((FORMAT,)), seedloom.RouterParameters(lanes=16)
    device = seedloom.open_device("emulated", parameters=engine, router=router)
    seedloom.attach(model, device)
    by_results, by_router, missed, places = Counters(), Counters(), [], 0
    for window in windows:
        with torch.inference_mode():
            hidden_states = model.base_model(input_ids=torch.tensor([window[:TOKENS]])).last_hidden_state[0]
            chosen, logits, results, routed = compare(model.get_output_embeddings(), hidden_states, device)
        by_results, by_router, places = by_results + results, by_router + routed, places + len(chosen)
        largest = logits.max(dim=-1).values
        behind = largest - logits.gather(1, chosen[:, None])[:, 0]
        missed += [(loss, top) for loss, top in zip(behind.tolist(), largest.tolist(), strict=True) if loss > 0]
    print(f"{places} places, the same token in {places - len(missed)}")
    for loss, top in missed:
        print(f"  a logit {loss:.2e} behind the largest, {top:.3f}")
    for name, spent in (("results", by_results), ("answers", by_router)):
        handed = (spent.result_bytes + spent.router_bytes) / places
        taken = (spent.weight_bytes + spent.activation_bytes + spent.scale_bytes) / places
        cycles = spent.cycles / places
        print(f"{name}, per token: {handed:,.0f} bytes with the host, {taken:,.0f} of memory, {cycles:,.0f} cycles")


if __name__ == "__main__":
    main()
