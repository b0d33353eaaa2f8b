"""Layers of unequal widths in RTL: a descriptor a matrix, row tails where a block does not divide the width."""

from torch import Tensor, nn

from formats.activations import quantise_activations
from formats.matrices import EncodedMatrix
from formats.presets import PRESETS
from golden_models.openelm import OpenELM, OpenELMParameters, layer_shapes
from papers.openelm import Text, train
from sw_runtime.search.search import encode_matrix
from sw_runtime.texts.corpora import news
from tests.hw.papers.products import ENGINE, check_products

PARAMETERS = OpenELMParameters(layers=3, dim=32, head_dim=4, vocabulary=256, ffn_divisor=8)


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


def test_every_matrix_of_every_layer_gives_the_golden_results() -> None:
    model, text = trained_on_news()
    products: list[tuple[EncodedMatrix, Tensor]] = []
    for weights, inputs in matrices_and_inputs(model, text.held_out[:16]):
        activations, _ = quantise_activations(inputs, ENGINE.activation_bits)
        products += [(encode_matrix(weights, PRESETS[name]), activations) for name in ENGINE.formats]
    layers = [tuple(layer.linears.values()) for layer in layer_shapes(PARAMETERS)]
    assert len(set(layers)) == PARAMETERS.layers
    shapes = [shape for layer in layers for shape in layer]
    assert [(matrix.rows, matrix.columns) for matrix, _ in products[:: len(ENGINE.formats)]] == shapes
    assert any(columns % 12 for _, columns in shapes)
    check_products(ENGINE, products)
