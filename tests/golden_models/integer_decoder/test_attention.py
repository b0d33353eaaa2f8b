import math

import pytest
import torch
from torch import Tensor

from golden_models import layers
from golden_models.integer_decoder.attention import Cache, attend
from golden_models.integer_decoder.vectors import Vector

TOKENS, HEADS, KV_HEADS, WIDTH = 30, 6, 2, 16


def random_heads(seed: int, heads: int, size: float = 1.0) -> Vector:
    """[30, heads, 16]; every third token's are a hundredth as large."""
    values = torch.randn(TOKENS, heads, WIDTH, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    values[::3] /= 100
    return Vector.from_real(values * size)


def random_cache(bits: int) -> Cache:
    return Cache(random_heads(1, KV_HEADS).to_bits(bits), random_heads(2, KV_HEADS).to_bits(bits))


def in_floats(queries: Vector, cache: Cache, mask: Tensor) -> Tensor:
    """Softmax attention over the same integers: scores are powers of two, and have no scale of their own."""
    asked = queries.real() * math.log(2) * WIDTH**0.5
    heads = (x.transpose(0, 1) for x in (asked, cache.keys.real(), cache.values.real()))
    return layers.attention(*heads, mask)[0].transpose(0, 1)


def causal(window: int = TOKENS) -> Tensor:
    distance = torch.arange(TOKENS)[:, None] - torch.arange(TOKENS)
    return (distance >= 0) & (distance < window)


@pytest.mark.parametrize("bits", [7, 15])
@pytest.mark.parametrize("window", [TOKENS, 4])
@pytest.mark.parametrize("size", [0.01, 1.0, 30.0])
def test_attention_is_the_float_one_over_the_same_keys_and_values(bits: int, window: int, size: float) -> None:
    queries, cache = random_heads(3, HEADS, size), random_cache(bits)
    exact = in_floats(queries, cache, causal(window))
    found = attend(queries, cache, causal(window)).real()
    assert ((found - exact).abs() < 2**-9 * cache.values.real().abs().max()).all()
    assert (found - exact).abs().mean() < 2**-12


def test_a_token_that_sees_one_position_gets_its_values() -> None:
    cache = random_cache(7)
    found = attend(random_heads(4, HEADS), cache, torch.eye(TOKENS, dtype=torch.bool)).real()
    values = cache.values.real().repeat_interleave(HEADS // KV_HEADS, dim=1)
    assert ((found - values).abs() <= 1.7e-5 * values.abs().amax(dim=-1, keepdim=True)).all()


def test_positions_behind_the_mask_change_nothing() -> None:
    queries, cache, mask = random_heads(5, HEADS), random_cache(7), causal()
    mask[:, 7] = False
    mask[7, 3] = True
    keys, values = cache.keys.mantissas.clone(), cache.values.exponent.clone()
    keys[7], values[7] = 127, 60
    other = Cache(Vector(keys, cache.keys.exponent), Vector(cache.values.mantissas, values))
    found, expected = attend(queries, other, mask), attend(queries, cache, mask)
    assert torch.equal(found.mantissas, expected.mantissas)
    assert torch.equal(found.exponent, expected.exponent)


def test_scores_beyond_their_word_are_clipped_and_do_not_wrap() -> None:
    queries, cache = random_heads(6, HEADS, 2.0**40), random_cache(15)
    found = attend(queries, cache, causal()).real()
    assert found.isfinite().all()
    assert found.abs().max() <= cache.values.real().abs().max() * (1 + 2**-15)


def test_a_cache_grows_by_later_tokens() -> None:
    cache = random_cache(7)
    first, later = (
        Cache(
            Vector(cache.keys.mantissas[part], cache.keys.exponent[part]),
            Vector(cache.values.mantissas[part], cache.values.exponent[part]),
        )
        for part in (slice(0, 11), slice(11, None))
    )
    joined = first.then(later)
    assert torch.equal(joined.keys.real(), cache.keys.real())
    assert torch.equal(joined.values.real(), cache.values.real())
