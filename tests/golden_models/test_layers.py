import torch
from torch.nn import functional
from transformers.models.llama.modeling_llama import LlamaConfig, LlamaMLP, LlamaRotaryEmbedding, apply_rotary_pos_emb

from golden_models.layers import (
    attention,
    causal_mask,
    layer_norm,
    merge_heads,
    rms_norm,
    rotary_angles,
    rotate,
    split_heads,
    swiglu,
)


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def test_rms_norm_is_torchs() -> None:
    x, weight = random(3, 5, 16), random(16)
    torch.testing.assert_close(rms_norm(x, weight, 1e-5), functional.rms_norm(x, (16,), weight, 1e-5))


def test_layer_norm_is_torchs() -> None:
    x, weight, bias = random(3, 5, 16), random(16), random(16)
    torch.testing.assert_close(layer_norm(x, weight, bias, 1e-6), functional.layer_norm(x, (16,), weight, bias, 1e-6))


def test_norms_of_half_precision_take_their_statistics_in_float32() -> None:
    large = torch.full((1, 8), 300.0, dtype=torch.float16)  # its square is beyond float16
    assert rms_norm(large, torch.ones(8, dtype=torch.float16), 1e-5).tolist() == [[1.0] * 8]


def test_rotation_is_transformers() -> None:
    config = LlamaConfig(
        hidden_size=64, num_attention_heads=4, rope_parameters={"rope_type": "default", "rope_theta": 1e5}
    )
    x, positions = random(1, 4, 6, 16), torch.tensor([0, 1, 5, 9, 100, 2000])
    cos, sin = LlamaRotaryEmbedding(config)(x, positions[None])
    expected, _ = apply_rotary_pos_emb(x, x, cos, sin)
    torch.testing.assert_close(rotate(x, rotary_angles(positions, 16, 1e5)), expected)


def test_positions_may_lie_between_integers() -> None:
    halves = rotary_angles(torch.tensor([0.5, 1.0]), 8, 1e4)
    torch.testing.assert_close(halves[0] * 2, halves[1])


def test_attention_is_torchs_also_with_shared_key_heads() -> None:
    queries, keys, values = random(2, 6, 5, 8), random(2, 3, 7, 8), random(2, 3, 7, 8)
    mask = causal_mask(torch.arange(2, 7), torch.arange(7))
    outputs, probabilities = attention(queries, keys, values, mask)
    expected = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=mask, enable_gqa=True)
    torch.testing.assert_close(outputs, expected)
    torch.testing.assert_close(probabilities.sum(dim=-1), torch.ones(2, 6, 5))
    assert (probabilities[..., ~mask] == 0).all()


def test_a_float_mask_is_added_to_the_scores() -> None:
    queries, keys, values = random(2, 5, 8), random(2, 7, 8), random(2, 7, 8)
    mask = random(5, 7)
    expected = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)
    torch.testing.assert_close(attention(queries, keys, values, mask)[0], expected)


def test_splitting_and_merging_heads_are_inverse() -> None:
    x = random(2, 5, 12)
    heads = split_heads(x, 3)
    assert heads.shape == (2, 3, 5, 4)
    assert heads[1, 2, 4].tolist() == x[1, 4, 8:].tolist()
    assert merge_heads(heads).equal(x)


def test_swiglu_is_transformers() -> None:
    mlp = LlamaMLP(LlamaConfig(hidden_size=16, num_attention_heads=2, intermediate_size=40))
    x = random(3, 16)
    weights = (mlp.gate_proj.weight, mlp.up_proj.weight, mlp.down_proj.weight)
    torch.testing.assert_close(swiglu(x, *weights), mlp(x))
