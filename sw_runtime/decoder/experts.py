"""Nested experts as programs (DynaMoE): MLPs that multiply only their first neurons.

Expert e of E has the first ``H · (e + 1) / E`` neurons of every layer, so its gate and up matrices are the first rows
of the dense ones, and lie in the memory once. Its down matrix is the first columns, and lies there again. The paper's
router chooses an expert a layer; a program has one for all its layers, and whoever asks for the token chooses.
"""

from dataclasses import replace

from formats.errors import InputError
from formats.matrices import EncodedMatrix
from formats.trellis_matrix import TrellisMatrix
from sw_runtime.decoder.parts import DecoderParts, Layer, Product, rows_of


def nested_expert(parts: DecoderParts, expert: int, experts: int) -> DecoderParts:
    """A decoder whose MLPs have only the neurons of an expert, the most important ones first in every matrix.

    Parameters
    ----------
    parts
        Of the dense model.
    expert, experts
        Which, 0 to ``experts - 1``; the last is the dense model.

    Raises
    ------
    InputError
        If there is no such expert, or a layer has fewer neurons than there are experts.
    """
    if not 0 <= expert < experts:
        raise InputError(f"{experts} experts are called 0 to {experts - 1}, not {expert}")
    return replace(parts, layers=tuple(_narrowed(layer, expert, experts) for layer in parts.layers))


def _narrowed(layer: Layer, expert: int, experts: int) -> Layer:
    neurons = layer.gate.place.rows
    if neurons < experts:
        raise InputError(f"{layer.gate.place.name} has {neurons} neurons, fewer than {experts} experts; ask for fewer")
    width = neurons * (expert + 1) // experts
    gate, up = rows_of(layer.gate, 0, width), rows_of(layer.up, 0, width)
    return replace(layer, gate=gate, up=up, down=_first_columns(layer.down, width))


def _first_columns(whole: Product, columns: int) -> Product:
    """A product of the first elements of its vector; its words begin each row, so none is encoded anew."""
    matrix = whole.matrix
    if isinstance(matrix, TrellisMatrix):
        blocks = matrix.trellis_format.blocks(columns)
    else:
        assert isinstance(matrix, EncodedMatrix)
        blocks = matrix.block_format.blocks(columns)
    part = replace(matrix, words=matrix.words[:, :blocks], columns=columns)
    adapter = whole.adapter and replace(whole.adapter, down=_first_columns(whole.adapter.down, columns))
    return replace(whole, place=replace(whole.place, columns=columns), matrix=part, adapter=adapter)
