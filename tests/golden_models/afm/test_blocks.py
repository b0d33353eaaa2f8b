import torch
from torch import Tensor
from torch.nn import functional
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from golden_models.afm.blocks import afm_attention, afm_text_v7_attention, fake_quantise, rotate_interleaved
from golden_models.layers import causal_mask, rotary_angles, rotate

T, D = 6, 8
MASK = causal_mask(torch.arange(T), torch.arange(T))


def heads(count: int) -> Tensor:
    return torch.randn(count, T, D, generator=torch.Generator().manual_seed(count))


def test_interleaved_rotation_is_multiplication_of_complex_numbers() -> None:
    x, angles = heads(3), rotary_angles(torch.arange(T), D, 1e4)
    turned = torch.view_as_complex(x.view(3, T, D // 2, 2)) * torch.polar(torch.ones_like(angles), angles)
    torch.testing.assert_close(rotate_interleaved(x, angles), torch.view_as_real(turned).flatten(-2))


def test_both_rotations_are_one_up_to_the_order_of_a_head() -> None:
    x, angles = heads(3), rotary_angles(torch.arange(T), D, 1e4)
    order = torch.cat([torch.arange(0, D, 2), torch.arange(1, D, 2)])
    torch.testing.assert_close(rotate_interleaved(x, angles)[..., order], rotate(x[..., order], angles))


def test_afm_norms_before_it_rotates() -> None:
    queries, keys, values, ones = heads(4), heads(2), heads(2) + 1, torch.ones(D)
    weights = torch.rand(2, D, generator=torch.Generator().manual_seed(5)) + 0.5
    angles = rotary_angles(torch.arange(T), D, 500_000.0)
    cos, sin = (torch.cat([part(angles)] * 2, dim=-1)[None] for part in (torch.cos, torch.sin))
    normed = [functional.rms_norm(x, (D,), w, 1e-5) for x, w in zip((queries, keys), weights, strict=True)]
    turned = apply_rotary_pos_emb(normed[0][None], normed[1][None], cos, sin)
    expected = functional.scaled_dot_product_attention(*turned, values[None], attn_mask=MASK, enable_gqa=True)[0]
    found = afm_attention(queries, keys, values, weights[0], weights[1], MASK)
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(afm_attention(queries, keys, values, ones, ones, MASK), expected)


def test_afm_text_v7_rotates_before_it_norms() -> None:
    queries, keys, values = heads(4), heads(2), heads(2) + 1
    weights = torch.rand(2, D, generator=torch.Generator().manual_seed(6)) + 0.5
    angles = rotary_angles(torch.arange(T), D, 50_000.0)
    turned = [rotate_interleaved(x, angles) for x in (queries, keys)]
    normed = [functional.rms_norm(x, (D,), w, 1e-5) for x, w in zip(turned, weights, strict=True)]
    expected = functional.scaled_dot_product_attention(normed[0], normed[1], values, attn_mask=MASK, enable_gqa=True)
    found = afm_text_v7_attention(queries, keys, values, *weights, MASK, key_scale=1e-5, value_scale=1e-5)
    assert not torch.allclose(found, expected)  # so small a scale clips every value
    found = afm_text_v7_attention(queries, keys, values, *weights, MASK, key_scale=0.03, value_scale=0.03)
    torch.testing.assert_close(found, expected, atol=0.05, rtol=0)


def test_an_8_bit_cache_rounds_half_to_even_and_clips() -> None:
    x = torch.tensor([0.25, 0.75, -100.0, 100.0])
    assert fake_quantise(x, 0.5).tolist() == [0.0, 1.0, -64.0, 63.5]
    assert torch.fake_quantize_per_tensor_affine(x, 0.5, 0, -128, 127).tolist() == [0.0, 1.0, -64.0, 63.5]
