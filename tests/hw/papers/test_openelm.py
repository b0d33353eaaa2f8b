"""Layers of unequal widths in RTL: a descriptor a matrix, row tails where a block does not divide the width."""

from pathlib import Path

from torch import Tensor, nn

from formats.activations import quantise_activations
from formats.engine import EngineParameters
from formats.matrices import EncodedMatrix
from formats.presets import PRESETS
from golden_models.openelm import OpenELM, OpenELMParameters, layer_shapes
from papers.openelm import Text, train
from sw_runtime.search.search import encode_matrix
from sw_runtime.texts.corpora import news
from tests.hw.papers.products import check_products

PARAMETERS = OpenELMParameters(layers=3, dim=32, head_dim=4, vocabulary=256, ffn_divisor=8)
FORMATS = ("scaled-4bit", "paper-3bit", "scaled-2bit")
ENGINE = EngineParameters(FORMATS, port_bytes=16, activation_bits=8, maximum_columns=128, maximum_rows=256)


def trained_on_news() -> tuple[OpenELM, Text]:
    text = Text.of(news())
    return train(PARAMETERS, text, steps=5), text


def matrices_and_inputs(model: OpenELM, tokens: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Weights and the last token's input of every matrix, in the order they are multiplied."""
    seen: list[tuple[Tensor, Tensor]] = []

    def note(linear: nn.Linear, inputs: tuple[Tensor], _: Tensor) -> None:
        seen.append((linear.weight.detach(), inputs[0][-1:].detach()))

    hooks = [m.register_forward_hook(note) for m in model.modules() if isinstance(m, nn.Linear)]
    model(tokens)
    for hook in hooks:
        hook.remove()
    return seen


def test_every_matrix_of_every_layer_gives_the_golden_results(tmp_path: Path) -> None:
    model, text = trained_on_news()
    products: list[tuple[EncodedMatrix, Tensor]] = []
    for weights, inputs in matrices_and_inputs(model, text.held_out[:16]):
        activations, _ = quantise_activations(inputs, ENGINE.activation_bits)
        products += [(encode_matrix(weights, PRESETS[name]), activations) for name in FORMATS]
    layers = [tuple(layer.linears.values()) for layer in layer_shapes(PARAMETERS)]
    assert len(set(layers)) == PARAMETERS.layers
    shapes = [shape for layer in layers for shape in layer]
    assert [(matrix.rows, matrix.columns) for matrix, _ in products[:: len(FORMATS)]] == shapes
    assert any(columns % 12 for _, columns in shapes)
    check_products(ENGINE, products, tmp_path)
