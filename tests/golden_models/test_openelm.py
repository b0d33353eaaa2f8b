import pytest
import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from golden_models.openelm import (
    SIZES,
    OpenELM,
    OpenELMParameters,
    block_linear_weights,
    cache_bytes_a_token,
    layer_shapes,
    multipliers,
    parameter_count,
    rms_norm_calls,
    round_to,
)

HEADS = {
    "270M": [12] * 5 + [16] * 7 + [20] * 4,
    "450M": [12] * 3 + [16] * 7 + [20] * 6 + [24] * 4,
    "1.1B": [16] * 3 + [20] * 7 + [24] * 8 + [28] * 6 + [32] * 4,
    "3B": [12] * 4 + [16] * 14 + [20] * 12 + [24] * 6,
}
FFN = {
    "270M": "768,1024,1280,1536,1792,2048,2560,2816,3072,3328,3584,3840,4352,4608,4864,5120",
    "450M": "768,1024,1280,1536,1792,2304,2560,2816,3072,3328,3584,3840,4096,4352,4608,5120,5376,5632,5888,6144",
    "1.1B": ",".join(map(str, [*range(1024, 4097, 256), 4608, 4608, *range(5120, 8193, 256)])),
    "3B": "1536,1792,2048,2560,2816,3072,3328,3584,4096,4352,4608,4864,5120,5632,5888,6144,6400,6656,7168,7424,7680,"
    "7936,8192,8704,8960,9216,9472,9728,10240,10496,10752,11008,11264,11776,12032,12288",
}
COUNTS = {  # parameters, weights of the layers' matrices, query heads, RMSNorms, bytes of cache a token
    "270M": (271_527_168, 230_522_880, 252, 65, 16_128),
    "450M": (457_179_136, 407_961_600, 364, 81, 23_296),
    "1.1B": (1_079_891_456, 1_014_235_136, 676, 113, 43_264),
    "3B": (3_036_647_424, 2_938_109_952, 656, 145, 83_968),
}
ROWS_OF_WHOLE_BLOCKS = {"270M": (10, 31, 64), "450M": (55, 80, 80), "1.1B": (18, 56, 112), "3B": (90, 144, 144)}
"""Matrices of rows, of a size, divisible by 12, and all of them."""

SMALL = OpenELMParameters(layers=3, dim=64, head_dim=16, vocabulary=50, ffn_divisor=32)


@pytest.mark.parametrize("size", SIZES)
def test_heads_and_ffn_widths_are_those_of_the_published_sizes(size: str) -> None:
    shapes = layer_shapes(SIZES[size])
    assert [shape.query_heads for shape in shapes] == HEADS[size]
    assert [shape.kv_heads * 4 for shape in shapes] == HEADS[size]
    assert ",".join(str(shape.ffn) for shape in shapes) == FFN[size]


@pytest.mark.parametrize("size", SIZES)
def test_counts_are_exact(size: str) -> None:
    parameters = SIZES[size]
    assert COUNTS[size] == (
        parameter_count(parameters),
        block_linear_weights(parameters),
        sum(shape.query_heads for shape in layer_shapes(parameters)),
        rms_norm_calls(parameters),
        cache_bytes_a_token(parameters),
    )


@pytest.mark.parametrize("size", SIZES)
def test_blocks_of_eight_never_need_padding_and_blocks_of_twelve_often_do(size: str) -> None:
    linears = [linear for shape in layer_shapes(SIZES[size]) for linear in shape.linears.values()]
    assert all(columns % 8 == 0 for _, columns in linears)
    whole_rows = sum(columns % 12 == 0 for _, columns in linears)
    whole = sum(rows * columns % 12 == 0 for rows, columns in linears)
    assert (whole_rows, whole, len(linears)) == ROWS_OF_WHOLE_BLOCKS[size]


def test_a_model_holds_the_parameters_that_its_shapes_promise() -> None:
    assert sum(p.numel() for p in OpenELM(SMALL).parameters()) == parameter_count(SMALL)


def test_multipliers_have_two_decimals() -> None:
    assert multipliers((0.5, 4.0), 16)[1] == 0.73  # 0.7333…
    assert multipliers((0.5, 1.0), 1) == [0.5]


def test_without_the_two_decimals_a_width_is_wrong() -> None:
    exact = 2048 * (0.5 + 3.5 * 14 / 27)
    assert round_to(exact, 256) != layer_shapes(SIZES["1.1B"])[14].ffn


def test_a_width_is_rounded_but_keeps_nine_tenths() -> None:
    assert round_to(640, 256) == 768  # half up
    assert round_to(100, 256) == 256  # at least one
    assert round_to(285, 256) == 512  # 256 would be less than 0.9 of it
    assert round_to(284, 256) == 256


def test_a_uniform_model_is_qwen3() -> None:
    uniform = OpenELMParameters(3, 64, 16, 50, (1, 1), (2, 2), ffn_divisor=128)
    torch.manual_seed(0)
    qwen = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=50,
            hidden_size=64,
            intermediate_size=128,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=1,
            head_dim=16,
            rms_norm_eps=uniform.eps,
            rope_parameters={"rope_type": "default", "rope_theta": uniform.rotary_base},
            tie_word_embeddings=True,
        )
    ).eval()
    for norm in (module for name, module in qwen.named_modules() if name.endswith("norm")):
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
    model = OpenELM(uniform)
    state = {"token_embeddings.weight": qwen.model.embed_tokens.weight, "norm.weight": qwen.model.norm.weight}
    for i, layer in enumerate(qwen.model.layers):
        attention, mlp = layer.self_attn, layer.mlp
        projections = (attention.q_proj, attention.k_proj, attention.v_proj)
        state |= {
            f"layers.{i}.attn.qkv_proj.weight": torch.cat([projection.weight for projection in projections]),
            f"layers.{i}.attn.out_proj.weight": attention.o_proj.weight,
            f"layers.{i}.attn.q_norm.weight": attention.q_norm.weight,
            f"layers.{i}.attn.k_norm.weight": attention.k_norm.weight,
            f"layers.{i}.ffn.proj_1.weight": torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]),
            f"layers.{i}.ffn.proj_2.weight": mlp.down_proj.weight,
            f"layers.{i}.attn_norm.weight": layer.input_layernorm.weight,
            f"layers.{i}.ffn_norm.weight": layer.post_attention_layernorm.weight,
        }
    model.load_state_dict(state)
    tokens = torch.randint(50, (2, 7))
    with torch.inference_mode():
        torch.testing.assert_close(model(tokens)[0], qwen(tokens).logits)


@pytest.mark.parametrize("rotated_cache", [True, False])
def test_a_step_after_a_cache_equals_the_whole_sequence(rotated_cache: bool) -> None:
    torch.manual_seed(1)
    model, tokens = OpenELM(SMALL), torch.randint(50, (2, 9))
    whole, _ = model(tokens)
    _, cache = model(tokens[:, :6], rotated_cache=rotated_cache)
    later, _ = model(tokens[:, 6:], cache, rotated_cache)
    torch.testing.assert_close(later, whole[:, 6:])


def test_a_cache_of_rotated_keys_equals_one_of_keys_that_are_not() -> None:
    torch.manual_seed(2)
    model, tokens = OpenELM(SMALL), torch.randint(50, (1, 9))
    outputs, caches = {}, {}
    for rotated_cache in (True, False):
        _, cache = model(tokens[:, :8], rotated_cache=rotated_cache)
        outputs[rotated_cache], caches[rotated_cache] = model(tokens[:, 8:], cache, rotated_cache)
    torch.testing.assert_close(outputs[True], outputs[False])
    assert not torch.allclose(caches[True][0].keys, caches[False][0].keys)
