"""A layer of SmolLM2, palettised, in RTL: a table every 16 rows, codes of both widths, seeds in between."""

from dataclasses import replace

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from formats.activations import quantise_activations
from formats.matrices import Matrix
from formats.presets import PRESETS
from golden_models.afm.palettise import palettise
from papers import afm
from papers.afm import inputs_of
from sw_runtime.evaluate.baselines import layers_without_head
from sw_runtime.search.search import encode_matrix
from sw_runtime.texts.packaged_models import smollm2_folder
from tests.hw.papers.products import check_products

ROWS = 72
"""Of each matrix: four tables and half of a fifth."""

TEXT = "The committee of engineers measured the bridge twice before they believed the result."
ENGINE = replace(afm.ENGINE, port_bytes=16)
"""The paper's, with fewer lanes to compile."""


def test_palettes_and_seeds_give_the_golden_results_one_after_the_other() -> None:
    folder = smollm2_folder()
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokens = AutoTokenizer.from_pretrained(folder)(TEXT, return_tensors="pt")["input_ids"]
    inputs = inputs_of(model, tokens)
    products: list[tuple[Matrix, torch.Tensor]] = []
    for kind, code_bits in (("self_attn.k_proj", 4), ("mlp.gate_proj", 2)):
        name = f"model.layers.5.{kind}"
        weights = layers_without_head(model)[name].weight.detach()[:ROWS]
        activations, _ = quantise_activations(inputs[name][-1:])
        products += [
            (palettise(weights, code_bits), activations),
            (encode_matrix(weights[:8], PRESETS["scaled-4bit"]), activations),
        ]
    check_products(ENGINE, products)
