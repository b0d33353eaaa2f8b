"""A decoder's layers as a program needs them, whatever the model's family."""

from dataclasses import dataclass, replace

from torch import Tensor, nn

from formats.decoder.program import MatrixPlace, RotaryRows
from formats.errors import InputError
from formats.matrices import EncodedMatrix, Matrix
from formats.trellis_matrix import TrellisMatrix
from sw_runtime.nn.device_linear import DeviceLinear


@dataclass(frozen=True)
class Norm:
    """An RMSNorm: weight [n] that multiplies, and ε."""

    weight: Tensor
    eps: float


@dataclass(frozen=True)
class Product:
    """A matrix, where it is, and what is added to its results: bias [rows] or None, an adapter or None."""

    place: MatrixPlace
    matrix: Matrix
    bias: Tensor | None
    adapter: "LowRank | None" = None

    @property
    def all(self) -> "tuple[Product, ...]":
        """This product and those of its adapter."""
        return (self,) if self.adapter is None else (self, *self.adapter.products)


@dataclass(frozen=True)
class LowRank:
    """An adapter, up · (down · x): what it adds to a product of x, or to a layer whose stream is x.

    Parameters
    ----------
    down, up
        Products of [rank, columns] and [rows, rank], without biases.
    """

    down: Product
    up: Product

    @property
    def products(self) -> tuple[Product, Product]:
        """Both, in the order they are made."""
        return self.down, self.up


@dataclass(frozen=True)
class Layer:
    """One layer.

    Parameters
    ----------
    attention_norm, mlp_norm
        Before attention and MLP.
    query, key, value, output, gate, up, down
        Products.
    heads, kv_heads
        Query heads; key and value heads.
    score_scale
        What multiplies a score before its softmax.
    rotary
        Number of its rotary rows.
    window
        Last positions seen, or None.
    activation
        Of the gate, by its name in transformers.
    query_norm, key_norm
        Of every head, or None.
    attended_norm, mlp_output_norm
        Of what attention and MLP add to the stream, or None.
    adapter
        Beside the whole layer, or None: of the stream before it, added to the stream behind it.
    key_centre
        Taken off every key once it is rotated, [heads of keys * d], or None.
    """

    attention_norm: Norm
    query: Product
    key: Product
    value: Product
    output: Product
    mlp_norm: Norm
    gate: Product
    up: Product
    down: Product
    heads: int
    kv_heads: int
    score_scale: float
    activation: str
    rotary: int = 0
    window: int | None = None
    query_norm: Norm | None = None
    key_norm: Norm | None = None
    attended_norm: Norm | None = None
    mlp_output_norm: Norm | None = None
    adapter: LowRank | None = None
    key_centre: Tensor | None = None

    @property
    def products(self) -> tuple[Product, ...]:
        """Its seven products, each followed by its adapter's, and those of the layer's adapter."""
        seven = self.query, self.key, self.value, self.output, self.gate, self.up, self.down
        beside = () if self.adapter is None else self.adapter.products
        return (*(product for each in seven for product in each.all), *beside)


@dataclass(frozen=True)
class DecoderParts:
    """A decoder: layers, last norm, head, and the rows of its rotary embeddings."""

    layers: tuple[Layer, ...]
    norm: Norm
    head: Product
    rotary: tuple[RotaryRows, ...]

    @property
    def products(self) -> tuple[Product, ...]:
        """All products."""
        return (*(product for layer in self.layers for product in layer.products), self.head)

    @property
    def matrices(self) -> dict[MatrixPlace, Matrix]:
        """Every matrix by its place."""
        return {product.place: product.matrix for product in self.products}


def product(name: str, layer: nn.Module) -> Product:
    """The product of a compressed layer.

    Raises
    ------
    InputError
        If the layer is not compressed, or in a format without a bfloat16 scale per row.
    """
    if not isinstance(layer, DeviceLinear):
        raise InputError(
            f"{name} is not compressed, and a program multiplies by compressed layers only; compress it too"
        )
    matrix = layer.stored_matrix()
    if not isinstance(matrix, EncodedMatrix | TrellisMatrix) or matrix.shares_scale:
        raise InputError(
            f"{name} is stored as {layer.format_name}, and a program needs a scale per row; "
            "compress it to a scaled or a trellis format"
        )
    place = MatrixPlace(name, layer.format_name, matrix.rows, matrix.columns)
    return Product(place, matrix, layer.bias)


def rows_of(whole: Product, first: int, rows: int) -> Product:
    """Some rows of a product whose layer holds several matrices."""
    matrix, some = whole.matrix, slice(first, first + rows)
    assert isinstance(matrix, EncodedMatrix | TrellisMatrix)
    place = replace(whole.place, first_row=whole.place.first_row + first, rows=rows)
    part = replace(matrix, words=matrix.words[some], scales=matrix.scales[some])
    adapter = whole.adapter and replace(whole.adapter, up=rows_of(whole.adapter.up, first, rows))
    return Product(place, part, None if whole.bias is None else whole.bias[some], adapter)
