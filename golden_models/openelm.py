"""OpenELM (arXiv 2404.14619): a decoder whose layers grow from the first to the last.

The scaling, the block and the names of tensors follow the authors' code (apple/corenet,
``general_gpt.py``); shapes come out wrong without its rounding, which the paper does not print.

Authors' code (apple/corenet), read and not run: the layers of ``general_gpt.py`` with ``round_to`` as in
``corenet/utils/math_utils.py``. The heads of all sizes and the FFN widths of all but 270M are also those of
an independent public converter. Nothing here is recollected.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from golden_models.decoder import KeysValues
from golden_models.layers import attention, causal_mask, merge_heads, rms_norm, rotary_angles, rotate, split_heads


@dataclass(frozen=True)
class OpenELMParameters:
    """Hyper-parameters.

    Parameters
    ----------
    layers, dim, head_dim
        Number of layers N, width of the residual stream, width of a head.
    vocabulary
        Rows of the embedding, which is the head too. The authors trained with 32,128 and ship 32,000.
    query_multipliers
        α of the first and of the last layer: query width over ``dim``.
    ffn_multipliers
        β of the first and of the last layer: FFN width over ``dim``.
    query_groups
        Query heads a key and value head.
    ffn_divisor
        FFN widths are multiples of it.
    eps
        Of every RMSNorm.
    rotary_base
        θ of the rotary embedding.
    """

    layers: int
    dim: int
    head_dim: int
    vocabulary: int = 32_000
    query_multipliers: tuple[float, float] = (0.5, 1.0)
    ffn_multipliers: tuple[float, float] = (0.5, 4.0)
    query_groups: int = 4
    ffn_divisor: int = 256
    eps: float = 1e-6
    rotary_base: float = 1e4


SIZES = {
    "270M": OpenELMParameters(layers=16, dim=1280, head_dim=64),
    "450M": OpenELMParameters(layers=20, dim=1536, head_dim=64),
    "1.1B": OpenELMParameters(layers=28, dim=2048, head_dim=64),
    "3B": OpenELMParameters(layers=36, dim=3072, head_dim=128),
}
"""The published sizes."""


@dataclass(frozen=True)
class LayerShape:
    """Widths of one layer.

    Parameters
    ----------
    dim, head_dim
        As in the model's parameters.
    query_heads, kv_heads
        Heads; keys and values have as many each.
    ffn
        Width of the gated FFN.
    """

    dim: int
    head_dim: int
    query_heads: int
    kv_heads: int
    ffn: int

    @property
    def linears(self) -> dict[str, tuple[int, int]]:
        """Rows and columns of the layer's four matrices by name: a device's descriptors."""
        queries = self.query_heads * self.head_dim
        return {
            "attn.qkv_proj": (queries + 2 * self.kv_heads * self.head_dim, self.dim),
            "attn.out_proj": (self.dim, queries),
            "ffn.proj_1": (2 * self.ffn, self.dim),
            "ffn.proj_2": (self.dim, self.ffn),
        }


def round_to(value: float, divisor: int) -> int:
    """The multiple of ``divisor`` nearest to a width, but never less than 0.9 of it (``make_divisible``)."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


def multipliers(limits: tuple[float, float], layers: int) -> list[float]:
    """From the first layer's to the last's in equal steps, **rounded to two decimals** as the code does."""
    first, last = limits
    steps = max(layers - 1, 1)
    return [round(first + (last - first) * i / steps, 2) for i in range(layers)]


def layer_shapes(parameters: OpenELMParameters) -> list[LayerShape]:
    """Widths of every layer (the paper's n_i = α_i·d_model/d_h and m_i = β_i, in the code's exact form)."""
    dim, head_dim, groups = parameters.dim, parameters.head_dim, parameters.query_groups
    shapes = []
    for alpha, beta in zip(
        multipliers(parameters.query_multipliers, parameters.layers),
        multipliers(parameters.ffn_multipliers, parameters.layers),
        strict=True,
    ):
        query_heads = round_to(dim * alpha, head_dim * groups) // head_dim
        ffn = round_to(dim * beta, parameters.ffn_divisor)
        shapes.append(LayerShape(dim, head_dim, query_heads, query_heads // groups, ffn))
    return shapes


def block_linear_weights(parameters: OpenELMParameters) -> int:
    """Weights in the layers' matrices."""
    return sum(rows * columns for shape in layer_shapes(parameters) for rows, columns in shape.linears.values())


def parameter_count(parameters: OpenELMParameters) -> int:
    """Embedding, final norm, matrices, and a layer's two norms of the stream and two of a head."""
    norms = parameters.layers * (2 * parameters.dim + 2 * parameters.head_dim)
    return parameters.vocabulary * parameters.dim + parameters.dim + block_linear_weights(parameters) + norms


def rms_norm_calls(parameters: OpenELMParameters) -> int:
    """RMSNorms a token passes: four per layer and the last."""
    return 4 * parameters.layers + 1


def cache_bytes_a_token(parameters: OpenELMParameters, value_bytes: int = 2) -> int:
    """Keys and values kept for a token, FP16 unless said."""
    return sum(2 * shape.kv_heads * shape.head_dim * value_bytes for shape in layer_shapes(parameters))


class RMSNorm(nn.Module):
    """Statistics in float32, cast back, then times the weight: [..., width]."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """[..., width]."""
        return rms_norm(x, self.weight, self.eps)


class Attention(nn.Module):
    """Grouped-query attention; heads of queries and keys are normed **before** they are rotated."""

    def __init__(self, shape: LayerShape, parameters: OpenELMParameters) -> None:
        super().__init__()
        self.shape, self.rotary_base = shape, parameters.rotary_base
        rows, columns = shape.linears["attn.qkv_proj"]
        self.qkv_proj = nn.Linear(columns, rows, bias=False)
        rows, columns = shape.linears["attn.out_proj"]
        self.out_proj = nn.Linear(columns, rows, bias=False)
        self.q_norm = RMSNorm(shape.head_dim, parameters.eps)
        self.k_norm = RMSNorm(shape.head_dim, parameters.eps)

    def forward(self, x: Tensor, past: KeysValues | None, rotated_cache: bool) -> tuple[Tensor, KeysValues]:
        """[..., T, dim] and what is cached of the tokens before → [..., T, dim] and the longer cache.

        The authors' cache holds keys normed but not rotated, and rotates all of them at every step;
        a cache of rotated keys is equal but for rounding.
        """
        heads = split_heads(self.qkv_proj(x), self.shape.query_heads + 2 * self.shape.kv_heads)
        queries, keys, values = torch.split(heads, [self.shape.query_heads] + [self.shape.kv_heads] * 2, dim=-3)
        queries, keys = self.q_norm(queries), self.k_norm(keys)
        before = 0 if past is None else past.keys.shape[-2]
        everyone = torch.arange(before + x.shape[-2])
        angles = rotary_angles(everyone, self.shape.head_dim, self.rotary_base)
        if rotated_cache:
            keys = rotate(keys, angles[before:])
        cache = KeysValues(keys, values) if past is None else past.then(KeysValues(keys, values))
        seen = cache.keys if rotated_cache else rotate(cache.keys, angles)
        mask = causal_mask(everyone[before:], everyone)
        outputs, _ = attention(rotate(queries, angles[before:]), seen, cache.values, mask)
        return self.out_proj(merge_heads(outputs)), cache


class FeedForward(nn.Module):
    """``proj_2 · (silu(gate) ∘ up)``, gate and up the halves of ``proj_1 · x``."""

    def __init__(self, shape: LayerShape) -> None:
        super().__init__()
        rows, columns = shape.linears["ffn.proj_1"]
        self.proj_1 = nn.Linear(columns, rows, bias=False)
        rows, columns = shape.linears["ffn.proj_2"]
        self.proj_2 = nn.Linear(columns, rows, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[..., dim]."""
        gate, up = self.proj_1(x).chunk(2, dim=-1)
        outputs: Tensor = self.proj_2(nn.functional.silu(gate) * up)
        return outputs


class Layer(nn.Module):
    """x += attn(attn_norm(x));  x += ffn(ffn_norm(x))."""

    def __init__(self, shape: LayerShape, parameters: OpenELMParameters) -> None:
        super().__init__()
        self.attn = Attention(shape, parameters)
        self.ffn = FeedForward(shape)
        self.attn_norm = RMSNorm(parameters.dim, parameters.eps)
        self.ffn_norm = RMSNorm(parameters.dim, parameters.eps)

    def forward(self, x: Tensor, past: KeysValues | None, rotated_cache: bool) -> tuple[Tensor, KeysValues]:
        """[..., T, dim]."""
        attended, cache = self.attn(self.attn_norm(x), past, rotated_cache)
        x = x + attended
        return x + self.ffn(self.ffn_norm(x)), cache


class OpenELM(nn.Module):
    """The decoder; its embedding is its head too. Tensors are named as in the authors' checkpoints.

    Parameters
    ----------
    parameters
        Hyper-parameters.
    """

    def __init__(self, parameters: OpenELMParameters) -> None:
        super().__init__()
        self.parameters_of_model = parameters
        self.token_embeddings = nn.Embedding(parameters.vocabulary, parameters.dim)
        self.layers = nn.ModuleList(Layer(shape, parameters) for shape in layer_shapes(parameters))
        self.norm = RMSNorm(parameters.dim, parameters.eps)

    def forward(
        self, tokens: Tensor, past: Sequence[KeysValues] | None = None, rotated_cache: bool = True
    ) -> tuple[Tensor, list[KeysValues]]:
        """Logits of the tokens after those in the cache.

        Parameters
        ----------
        tokens
            int64 [..., T].
        past
            Each layer's cache, of the same kind.
        rotated_cache
            Keep keys rotated (as hardware does) or not (as the authors' code does).

        Returns
        -------
        Logits [..., T, vocabulary] and each layer's cache, the new tokens' behind the old.
        """
        x = self.token_embeddings(tokens)
        caches = []
        for i, layer in enumerate(self.layers):
            x, cache = layer(x, past[i] if past else None, rotated_cache)
            caches.append(cache)
        return self.norm(x) @ self.token_embeddings.weight.T, caches
