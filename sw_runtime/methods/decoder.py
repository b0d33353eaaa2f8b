"""A Llama decoder in single steps, for methods that drop, revive or exit between any two of them.

One sequence at a time. Every product is made by the model's own linear layer, on the host or on a device;
attention, norms and caches are on the host.
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import rms_norm, scaled_dot_product_attention, silu
from transformers import LlamaForCausalLM

from formats.errors import InputError
from sw_runtime.nn.device_linear import DeviceLinear

Product = nn.Linear | DeviceLinear
"""A layer that multiplies hidden states by its weights: [..., in] → [..., out]."""

Mask = Tensor | Literal["causal"] | None
"""Which tokens may see which: bool [T, S], true where one may; ``"causal"`` where T tokens in order see themselves and
those before; None when all may see all. Without a tensor the attention needs half the products."""


def dense_weight(product: Product) -> Tensor:
    """The weights of a layer, decoded if they are stored compressed: [out, in]."""
    return product.decoded(torch.float32) if isinstance(product, DeviceLinear) else product.weight.detach()


@dataclass(frozen=True)
class DecoderLayer:
    """One layer.

    Parameters
    ----------
    attention_norm, mlp_norm
        Weights of the norms, [D].
    query, key, value, output
        Products of the attention.
    gate, up, down
        Products of the MLP.
    """

    attention_norm: Tensor
    query: Product
    key: Product
    value: Product
    output: Product
    mlp_norm: Tensor
    gate: Product
    up: Product
    down: Product

    @property
    def products(self) -> tuple[Product, ...]:
        """Its seven products, in the order they are made."""
        return self.query, self.key, self.value, self.output, self.gate, self.up, self.down


@dataclass(frozen=True)
class Places:
    """Where some tokens stand, and the rotation of their queries and keys.

    Parameters
    ----------
    positions
        int64 [T].
    cos, sin
        Of the rotary angles, [T, d/2].
    """

    positions: Tensor
    cos: Tensor
    sin: Tensor

    def rotate(self, x: Tensor) -> Tensor:
        """Turn the pairs (x_i, x_{i+d/2}): [heads, T, d]."""
        first, second = x.chunk(2, dim=-1)
        return torch.cat([first * self.cos - second * self.sin, second * self.cos + first * self.sin], dim=-1)


class KeysValues:
    """Keys and values of one layer's tokens, each in the row of its position; room doubles when it is used up.

    Parameters
    ----------
    kv_heads, head_dim
        Heads, and the width of each.
    """

    def __init__(self, kv_heads: int, head_dim: int) -> None:
        self._rows = torch.zeros(2, kv_heads, 0, head_dim)

    def write(self, positions: Tensor, keys_values: Tensor) -> None:
        """Put in, or replace, those of some tokens: int64 [T], [2, kv_heads, T, d]."""
        if not len(positions):
            return
        needed, room = int(positions.max()) + 1, self._rows.shape[2]
        if needed > room:
            more = max(needed, 2 * room) - room
            self._rows = nn.functional.pad(self._rows, (0, 0, 0, more))
        self._rows[:, :, positions] = keys_values

    def first(self, tokens: int) -> Tensor:
        """Those of the first tokens, not copied: [2, kv_heads, tokens, d]."""
        return self._rows[:, :, :tokens]

    def at(self, positions: Tensor) -> Tensor:
        """Those of some tokens: int64 [n] → [2, kv_heads, n, d]."""
        return self._rows[:, :, positions]


@dataclass(frozen=True)
class Decoder:
    """The decoder inside a model; its tensors and layers are the model's.

    Parameters
    ----------
    embedding
        [vocabulary, D].
    layers
        First to last.
    norm
        [D], before the head.
    head
        Product of the logits.
    heads, kv_heads, head_dim
        Query heads; key and value heads; width d of each.
    eps
        Of every norm.
    rotary_base
        θ of the rotary embedding.
    """

    embedding: Tensor
    layers: tuple[DecoderLayer, ...]
    norm: Tensor
    head: Product
    heads: int
    kv_heads: int
    head_dim: int
    eps: float
    rotary_base: float

    @classmethod
    def of(cls, model: Any) -> "Decoder":
        """The decoder of a ``LlamaForCausalLM``.

        Raises
        ------
        InputError
            If the model is no plain Llama: the papers' methods are not defined here for others.
        """
        _check_plain_llama(model)
        layers = tuple(
            DecoderLayer(
                attention_norm=layer.input_layernorm.weight.detach(),
                query=layer.self_attn.q_proj,
                key=layer.self_attn.k_proj,
                value=layer.self_attn.v_proj,
                output=layer.self_attn.o_proj,
                mlp_norm=layer.post_attention_layernorm.weight.detach(),
                gate=layer.mlp.gate_proj,
                up=layer.mlp.up_proj,
                down=layer.mlp.down_proj,
            )
            for layer in model.model.layers
        )
        config = model.config
        return cls(
            embedding=model.model.embed_tokens.weight.detach(),
            layers=layers,
            norm=model.model.norm.weight.detach(),
            head=model.lm_head,
            heads=config.num_attention_heads,
            kv_heads=config.num_key_value_heads,
            head_dim=layers[0].query.out_features // config.num_attention_heads,
            eps=config.rms_norm_eps,
            rotary_base=config.rope_parameters["rope_theta"],
        )

    def caches(self) -> list[KeysValues]:
        """Empty caches, one per layer."""
        return [KeysValues(self.kv_heads, self.head_dim) for _ in self.layers]

    def embed(self, tokens: Tensor) -> Tensor:
        """Hidden states before the first layer: int64 [T] → [T, D]."""
        return self.embedding[tokens]

    def places(self, positions: Tensor) -> Places:
        """Where tokens at some positions stand: int64 [T]."""
        frequencies = self.rotary_base ** -(torch.arange(0, self.head_dim, 2, dtype=torch.float32) / self.head_dim)
        angles = positions.float()[:, None] * frequencies
        return Places(positions, angles.cos(), angles.sin())

    def keys_values(self, layer: DecoderLayer, hidden_states: Tensor, places: Places) -> Tensor:
        """Keys, rotated, and values of tokens at a layer's input: [T, D] → [2, kv_heads, T, d]."""
        normed = self._normed(hidden_states, layer.attention_norm)
        keys, values = (self._heads(product(normed), self.kv_heads) for product in (layer.key, layer.value))
        return torch.stack([places.rotate(keys), values])

    def attend(
        self, layer: DecoderLayer, hidden_states: Tensor, places: Places, seen: Tensor, mask: Mask
    ) -> tuple[Tensor, Tensor]:
        """Add a layer's attention to the residual stream.

        Parameters
        ----------
        hidden_states, places
            Of the tokens that ask: T of them.
        seen
            Keys and values of the tokens that may be seen: [2, kv_heads, S, d].
        mask
            Which of them each may see.

        Returns
        -------
        Hidden states [T, D] and queries [heads, T, d].
        """
        normed = self._normed(hidden_states, layer.attention_norm)
        queries = places.rotate(self._heads(layer.query(normed), self.heads))
        keys, values = seen
        # With a batch's dimension PyTorch takes its fused kernel, which never writes the scores down.
        outputs = scaled_dot_product_attention(
            queries[None],
            keys[None],
            values[None],
            attn_mask=mask if isinstance(mask, Tensor) else None,
            is_causal=isinstance(mask, str),
            enable_gqa=True,
        )[0]
        return hidden_states + layer.output(outputs.transpose(0, 1).flatten(1)), queries

    def attention(self, query: Tensor, seen: Tensor) -> Tensor:
        """What one token pays to those it sees: its queries [heads, d], [2, kv_heads, S, d] → [heads, S]."""
        keys = seen[0].transpose(-2, -1)
        scores = query.view(self.kv_heads, -1, self.head_dim) @ keys * self.head_dim**-0.5
        probabilities: Tensor = scores.softmax(dim=-1).flatten(0, 1)
        return probabilities

    def feed_forward(self, layer: DecoderLayer, hidden_states: Tensor) -> Tensor:
        """Add a layer's MLP to the residual stream: [T, D]."""
        normed = self.mlp_input(layer, hidden_states)
        output: Tensor = layer.down(silu(layer.gate(normed)) * layer.up(normed))
        return hidden_states + output

    def mlp_input(self, layer: DecoderLayer, hidden_states: Tensor) -> Tensor:
        """The residual stream as a layer's MLP sees it: [T, D] → [T, D]."""
        return self._normed(hidden_states, layer.mlp_norm)

    def logits(self, hidden_states: Tensor) -> Tensor:
        """[T, D] → [T, vocabulary]."""
        logits: Tensor = self.head(self._normed(hidden_states, self.norm))
        return logits

    def _normed(self, hidden_states: Tensor, weight: Tensor) -> Tensor:
        return rms_norm(hidden_states, weight.shape, weight, self.eps)

    def _heads(self, x: Tensor, heads: int) -> Tensor:
        """[T, heads·d] → [heads, T, d]."""
        return x.view(len(x), heads, self.head_dim).transpose(0, 1)


def causal_mask(queries: Tensor, keys: Tensor) -> Mask:
    """Which tokens see which when each sees those up to its own position: int64 [T], [S]."""
    if len(queries) > 1 and torch.equal(queries, keys) and bool((queries.diff() > 0).all()):
        return "causal"
    mask = keys[None] <= queries[:, None]
    return None if mask.all() else mask


def _check_plain_llama(model: Any) -> None:
    """Refuse what the methods are not defined for.

    Raises
    ------
    InputError
        If the model is no Llama, has biases, or stretches its positions.
    """
    if not isinstance(model, LlamaForCausalLM):
        raise InputError(f"pruning, exits and speculation take a LlamaForCausalLM, not {type(model).__name__}")
    config = model.config
    rope = config.rope_parameters["rope_type"]
    if config.attention_bias or config.mlp_bias or rope != "default":
        raise InputError(
            f"pruning, exits and speculation take Llamas without biases and with rope type 'default', "
            f"not {rope!r} with attention_bias={config.attention_bias}, mlp_bias={config.mlp_bias}"
        )
