"""The pieces that decoders and encoders share, each once and as plain as its equation.

Tensors carry any leading dimensions: hidden states are [..., T, D], queries [..., heads, T, d],
keys and values [..., kv_heads, S, d].
"""

import torch
from torch import Tensor


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """x / √(mean x² + eps) · weight over the last dimension: [..., D], statistics in float32."""
    wide = x.float()
    normed = wide * torch.rsqrt(wide.square().mean(dim=-1, keepdim=True) + eps)
    return normed.to(x.dtype) * weight


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """(x - mean) / √(variance + eps) · weight + bias over the last dimension: [..., D], statistics in float32."""
    wide = x.float()
    centred = wide - wide.mean(dim=-1, keepdim=True)
    normed = centred * torch.rsqrt(centred.square().mean(dim=-1, keepdim=True) + eps)
    return normed.to(x.dtype) * weight + bias


def rotary_angles(positions: Tensor, head_dim: int, base: float) -> Tensor:
    """Angles of rotary position embedding, position · base^(-2i/d): float32 [T, d/2].

    Parameters
    ----------
    positions
        [T], integers or, for paths of stretched positions, reals.
    """
    frequencies = 1 / base ** (torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim)
    return positions.float()[:, None] * frequencies


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    """Turn the pairs (x_i, x_{i+d/2}) by the angles: [..., T, d] (half-split convention)."""
    first, second = x.chunk(2, dim=-1)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1)


def split_heads(x: Tensor, heads: int) -> Tensor:
    """[..., T, heads·d] → [..., heads, T, d]."""
    return x.reshape(*x.shape[:-1], heads, x.shape[-1] // heads).transpose(-3, -2)


def merge_heads(x: Tensor) -> Tensor:
    """[..., heads, T, d] → [..., T, heads·d]."""
    return x.transpose(-3, -2).flatten(-2)


def causal_mask(queries: Tensor, keys: Tensor) -> Tensor:
    """Whether a query at a position may see a key at a position: bool [T, S] from [T] and [S]."""
    return keys[None, :] <= queries[:, None]


def attention(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Softmax attention; several query heads may share one key and value head.

    Parameters
    ----------
    queries
        [..., heads, T, d].
    keys, values
        [..., kv_heads, S, d]; heads is a multiple of kv_heads, neighbours share.
    mask
        bool [..., T, S], true where a query may see a key; or float, added to the scores.

    Returns
    -------
    Outputs [..., heads, T, d] and probabilities [..., heads, T, S].
    """
    shared = queries.shape[-3] // keys.shape[-3]
    keys, values = (x.repeat_interleave(shared, dim=-3) for x in (keys, values))
    scores = queries @ keys.transpose(-2, -1) * queries.shape[-1] ** -0.5
    scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + mask
    probabilities = scores.float().softmax(dim=-1).to(scores.dtype)
    return probabilities @ values, probabilities


def swiglu(x: Tensor, gate: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """down · (silu(gate · x) ∘ (up · x)): [..., D] with gate, up [H, D] and down [D, H]."""
    return (torch.nn.functional.silu(x @ gate.T) * (x @ up.T)) @ down.T
