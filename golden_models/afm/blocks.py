"""The attention of both generations: they differ in the order of rotation and norm, in pairing and in the cache."""

import torch
from torch import Tensor

from golden_models.layers import attention, rms_norm, rotary_angles, rotate


def afm_attention(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    query_norm: Tensor,
    key_norm: Tensor,
    mask: Tensor,
    rotary_base: float = 500_000.0,
    eps: float = 1e-5,
) -> Tensor:
    """Grouped-query attention of AFM: heads of queries and keys normed, then rotated (half-split).

    Accounts name norm and rotation but not their order or eps; this is OpenELM's order.

    Parameters
    ----------
    queries
        [heads, T, d], not yet normed.
    keys, values
        [kv_heads, T, d].
    query_norm, key_norm
        [d].
    mask
        bool [T, T].

    Returns
    -------
    [heads, T, d].
    """
    angles = rotary_angles(torch.arange(queries.shape[-2]), queries.shape[-1], rotary_base)
    queries = rotate(rms_norm(queries, query_norm, eps), angles)
    keys = rotate(rms_norm(keys, key_norm, eps), angles)
    return attention(queries, keys, values, mask)[0]


def rotate_interleaved(x: Tensor, angles: Tensor) -> Tensor:
    """Turn the pairs (x_2i, x_2i+1) by the angles: [..., T, d]."""
    even, odd = x[..., ::2], x[..., 1::2]
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    return torch.stack([even * cos - odd * sin, odd * cos + even * sin], dim=-1).flatten(-2)


def fake_quantise(x: Tensor, scale: float) -> Tensor:
    """What an 8-bit cache gives back: round half to even, clip to −128 … 127, times the scale."""
    return (x / scale).round().clamp(-128, 127) * scale


def afm_text_v7_attention(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    query_norm: Tensor,
    key_norm: Tensor,
    mask: Tensor,
    key_scale: float,
    value_scale: float,
    rotary_base: float = 50_000.0,
    eps: float = 1e-5,
) -> Tensor:
    """Grouped-query attention of AFMTextV7: rotated (interleaved), **then** normed; keys and values pass 8 bits.

    Parameters as in ``afm_attention``; the scales are those of the 8-bit keys and values.
    """
    angles = rotary_angles(torch.arange(queries.shape[-2]), queries.shape[-1], rotary_base)
    queries = rms_norm(rotate_interleaved(queries, angles), query_norm, eps)
    keys = rms_norm(rotate_interleaved(keys, angles), key_norm, eps)
    keys, values = fake_quantise(keys, key_scale), fake_quantise(values, value_scale)
    return attention(queries, keys, values, mask)[0]
