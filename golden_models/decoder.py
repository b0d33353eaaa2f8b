"""A Llama decoder in the open: the backbone on which the papers' methods run.

One sequence at a time, positions explicit, keys and values handed in and out, so that a method can
drop, revive, share or exit between any two steps.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from golden_models.layers import (
    attention,
    causal_mask,
    merge_heads,
    rms_norm,
    rotary_angles,
    rotate,
    split_heads,
    swiglu,
)


@dataclass(frozen=True)
class DecoderLayer:
    """Weights of one layer, [out, in] as stored.

    Parameters
    ----------
    attention_norm, mlp_norm
        [D].
    query, key, value, output
        [heads·d, D], [kv_heads·d, D], the same, [D, heads·d].
    gate, up, down
        [H, D], [H, D], [D, H].
    """

    attention_norm: Tensor
    query: Tensor
    key: Tensor
    value: Tensor
    output: Tensor
    mlp_norm: Tensor
    gate: Tensor
    up: Tensor
    down: Tensor

    @property
    def matrices(self) -> tuple[Tensor, ...]:
        """Its seven matrices, in the order they multiply."""
        return self.query, self.key, self.value, self.output, self.gate, self.up, self.down


@dataclass(frozen=True)
class KeysValues:
    """Keys and values of one layer: each [..., kv_heads, S, d]."""

    keys: Tensor
    values: Tensor

    def then(self, later: "KeysValues") -> "KeysValues":
        """These followed by others."""
        return KeysValues(torch.cat([self.keys, later.keys], dim=-2), torch.cat([self.values, later.values], dim=-2))


@dataclass(frozen=True)
class Decoder:
    """A decoder's weights and settings.

    Parameters
    ----------
    embedding, head
        [vocabulary, D].
    layers
        First to last.
    norm
        [D], before the head.
    heads, kv_heads
        Query heads; key and value heads.
    eps
        Of every norm.
    rotary_base
        θ of the rotary embedding.
    """

    embedding: Tensor
    layers: tuple[DecoderLayer, ...]
    norm: Tensor
    head: Tensor
    heads: int
    kv_heads: int
    eps: float
    rotary_base: float

    @classmethod
    def from_transformers(cls, model: Any) -> "Decoder":
        """The decoder inside a ``LlamaForCausalLM``; its tensors are shared, not copied."""
        layers = tuple(
            DecoderLayer(
                attention_norm=layer.input_layernorm.weight.detach(),
                query=layer.self_attn.q_proj.weight.detach(),
                key=layer.self_attn.k_proj.weight.detach(),
                value=layer.self_attn.v_proj.weight.detach(),
                output=layer.self_attn.o_proj.weight.detach(),
                mlp_norm=layer.post_attention_layernorm.weight.detach(),
                gate=layer.mlp.gate_proj.weight.detach(),
                up=layer.mlp.up_proj.weight.detach(),
                down=layer.mlp.down_proj.weight.detach(),
            )
            for layer in model.model.layers
        )
        return cls(
            embedding=model.model.embed_tokens.weight.detach(),
            layers=layers,
            norm=model.model.norm.weight.detach(),
            head=model.lm_head.weight.detach(),
            heads=model.config.num_attention_heads,
            kv_heads=model.config.num_key_value_heads,
            eps=model.config.rms_norm_eps,
            rotary_base=model.config.rope_parameters["rope_theta"],
        )

    def embed(self, tokens: Tensor) -> Tensor:
        """Hidden states before the first layer: int64 [T] → [T, D]."""
        return self.embedding[tokens]

    def angles(self, positions: Tensor) -> Tensor:
        """Rotary angles of positions: [T] → [T, d/2]."""
        return rotary_angles(positions, self.layers[0].query.shape[0] // self.heads, self.rotary_base)

    def keys_values(self, layer: DecoderLayer, hidden_states: Tensor, positions: Tensor) -> KeysValues:
        """Keys, rotated, and values of tokens at a layer's input: [T, D], [T]."""
        normed = rms_norm(hidden_states, layer.attention_norm, self.eps)
        keys = rotate(split_heads(normed @ layer.key.T, self.kv_heads), self.angles(positions))
        return KeysValues(keys, split_heads(normed @ layer.value.T, self.kv_heads))

    def attend(
        self, layer: DecoderLayer, hidden_states: Tensor, positions: Tensor, seen: KeysValues, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Add a layer's attention to the residual stream.

        Parameters
        ----------
        hidden_states, positions
            Of the tokens that ask: [T, D], [T].
        seen
            Of the tokens that may be seen: S of them.
        mask
            [T, S], see ``attention``.

        Returns
        -------
        Hidden states [T, D] and probabilities [heads, T, S].
        """
        normed = rms_norm(hidden_states, layer.attention_norm, self.eps)
        queries = rotate(split_heads(normed @ layer.query.T, self.heads), self.angles(positions))
        outputs, probabilities = attention(queries, seen.keys, seen.values, mask)
        return hidden_states + merge_heads(outputs) @ layer.output.T, probabilities

    def feed_forward(self, layer: DecoderLayer, hidden_states: Tensor) -> Tensor:
        """Add a layer's MLP to the residual stream: [T, D]."""
        normed = rms_norm(hidden_states, layer.mlp_norm, self.eps)
        return hidden_states + swiglu(normed, layer.gate, layer.up, layer.down)

    def logits(self, hidden_states: Tensor) -> Tensor:
        """[T, D] → [T, vocabulary]."""
        return rms_norm(hidden_states, self.norm, self.eps) @ self.head.T

    def __call__(self, tokens: Tensor) -> Tensor:
        """Logits of a whole sequence, every token seeing those before it: int64 [T] → [T, vocabulary]."""
        positions = torch.arange(len(tokens))
        mask = causal_mask(positions, positions)
        hidden_states = self.embed(tokens)
        for layer in self.layers:
            seen = self.keys_values(layer, hidden_states, positions)
            hidden_states, _ = self.attend(layer, hidden_states, positions, seen, mask)
            hidden_states = self.feed_forward(layer, hidden_states)
        return self.logits(hidden_states)
