import pytest
import torch
from torch import Tensor

from golden_models.decoder import Decoder
from golden_models.layers import causal_mask
from golden_models.victor import (
    Prefilled,
    Prompt,
    VictorParameters,
    assemble,
    best_of_image,
    cache_rows,
    outside_images,
    prefill,
    prefill_share,
    step,
)
from tests.models import tiny_llama

BEFORE, VISUAL, REGISTERS, TEXT = 3, 10, 4, 5
ROWS = BEFORE + VISUAL + REGISTERS + TEXT


def rows(count: int, seed: int) -> Tensor:
    return torch.randn(count, 64, generator=torch.Generator().manual_seed(seed))


def prompt(visual: int = VISUAL) -> Prompt:
    return assemble([rows(BEFORE, 0), rows(TEXT, 1)], [rows(visual, 2)], rows(REGISTERS, 3))


def decoder() -> Decoder:
    return Decoder.from_transformers(tiny_llama())


def run(given: Prompt, drop_layer: int) -> Prefilled:
    return prefill(decoder(), given, drop_layer, outside_images(given))


def hidden_rows(given: Prompt, drop_layer: int) -> Tensor:
    """Another formulation: no row is dropped, but from layer k on none sees a visual token."""
    model, x = decoder(), given.hidden_states
    positions = torch.arange(len(x))
    for index, layer in enumerate(model.layers):
        mask = causal_mask(positions, positions)
        if index >= drop_layer:
            for start, length in given.images:
                mask[:, start : start + length] &= torch.eye(len(x), dtype=torch.bool)[:, start : start + length]
        x, _ = model.attend(layer, x, positions, model.keys_values(layer, x, positions), mask)
        x = model.feed_forward(layer, x)
    return x


def test_registers_stand_behind_each_image() -> None:
    texts, images, registers = [rows(2, 0), rows(3, 1), rows(0, 2)], [rows(4, 3), rows(5, 4)], rows(2, 5)
    given = assemble(texts, images, registers)
    assert given.images == ((2, 4), (11, 5))
    expected = torch.cat([texts[0], images[0], registers, texts[1], images[1], registers])
    assert torch.equal(given.hidden_states, expected)


def test_prompts_of_a_batch_share_the_registers() -> None:
    image, registers = torch.randn(7, 4, 64), rows(2, 0)
    given = assemble([torch.randn(7, 0, 64), torch.randn(7, 1, 64)], [image], registers)
    assert given.hidden_states.shape == (7, 7, 64)
    assert all(torch.equal(row, registers) for row in given.hidden_states[:, 4:6])


def test_texts_and_images_must_take_turns() -> None:
    with pytest.raises(ValueError, match="1 images stand between 2 texts, not 1"):
        assemble([rows(1, 0)], [rows(2, 1)], rows(1, 2))


@pytest.mark.parametrize("drop_layer", [3, 4, 100])
def test_a_drop_behind_the_last_layer_changes_nothing(drop_layer: int) -> None:
    given = prompt()
    dense = tiny_llama().model(inputs_embeds=given.hidden_states[None], use_cache=False).last_hidden_state[0]
    found = run(given, drop_layer)
    torch.testing.assert_close(decoder().logits(found.hidden_states), tiny_llama().lm_head(dense))
    assert torch.equal(found.hidden_states, run(given, 3).hidden_states)


@pytest.mark.parametrize("drop_layer", [0, 1, 2])
def test_without_visual_tokens_nothing_changes(drop_layer: int) -> None:
    given = prompt(visual=0)
    assert torch.equal(run(given, drop_layer).hidden_states, run(given, 3).hidden_states)


@pytest.mark.parametrize("drop_layer", [0, 1, 2])
def test_layers_before_the_drop_are_bit_identical(drop_layer: int) -> None:
    dropped, dense = run(prompt(), drop_layer), run(prompt(), 3)
    for layer in range(drop_layer):
        assert torch.equal(dropped.caches[layer].keys, dense.caches[layer].keys)
        assert torch.equal(dropped.caches[layer].values, dense.caches[layer].values)
    assert dropped.caches[drop_layer].keys.shape[-2] == ROWS - VISUAL


@pytest.mark.parametrize("drop_layer", [0, 1, 2])
def test_kept_rows_have_one_gap_and_their_old_positions(drop_layer: int) -> None:
    found = run(prompt(), drop_layer)
    assert found.positions.tolist() == [*range(BEFORE), *range(BEFORE + VISUAL, ROWS)]
    assert found.hidden_states.shape == (BEFORE + REGISTERS + TEXT, 64)
    assert found.next_position == ROWS


@pytest.mark.parametrize("drop_layer", [0, 1, 2])
def test_dropping_rows_is_hiding_them(drop_layer: int) -> None:
    found = run(prompt(), drop_layer)
    hidden = hidden_rows(prompt(), drop_layer)[found.positions]
    torch.testing.assert_close(found.hidden_states, hidden, atol=1e-5, rtol=1e-5)


def test_every_image_has_a_run_of_its_own() -> None:
    given = assemble([rows(1, 0), rows(2, 1), rows(3, 2)], [rows(4, 3), rows(5, 4)], rows(2, 5))
    found = run(given, 1)
    assert found.positions.tolist() == [0, *range(5, 9), *range(14, 19)]
    hidden = hidden_rows(given, 1)[found.positions]
    torch.testing.assert_close(found.hidden_states, hidden, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("drop_layer", [0, 1, 2, 3])
def test_a_later_token_sees_in_each_layer_what_the_prompt_left_there(drop_layer: int) -> None:
    longer = prompt()
    shorter = Prompt(longer.hidden_states[:-1], longer.images)
    stepped = step(decoder(), run(shorter, drop_layer), longer.hidden_states[-1:])
    whole = run(longer, drop_layer)
    torch.testing.assert_close(stepped.hidden_states, whole.hidden_states[-1:], atol=1e-5, rtol=1e-5)
    for one, other in zip(stepped.caches, whole.caches, strict=True):
        torch.testing.assert_close(one.keys, other.keys, atol=1e-5, rtol=1e-5)
    assert stepped.next_position == ROWS


def test_caches_hold_visual_tokens_only_before_the_drop() -> None:
    parameters = VictorParameters(REGISTERS, drop_layer=2)
    expected = cache_rows(parameters, 3, VISUAL, BEFORE + TEXT)
    assert expected == [ROWS, ROWS, ROWS - VISUAL]
    assert [cache.keys.shape[-2] for cache in run(prompt(), 2).caches] == expected


@pytest.mark.parametrize("keep", [0, 1, 4, VISUAL, VISUAL + 1])
def test_fastv_keeps_the_visual_tokens_that_the_last_token_looks_at(keep: int) -> None:
    torch.manual_seed(0)
    attention = torch.randn(4, ROWS, ROWS).softmax(dim=-1)
    kept = best_of_image(prompt(), keep)(attention)
    image = range(BEFORE, BEFORE + VISUAL)
    weights = (attention[:, -1].double() * 65536).round().sum(dim=0).tolist()
    best = sorted(image, key=lambda token: (-weights[token], token))[:keep]
    assert kept.nonzero().flatten().tolist() == [i for i in range(ROWS) if i not in image or i in best]


def test_fastv_with_all_visual_tokens_kept_is_dense() -> None:
    given = prompt()
    kept = prefill(decoder(), given, 2, best_of_image(given, VISUAL))
    assert torch.equal(kept.hidden_states, run(given, 3).hidden_states)


def test_fastv_before_any_layer_is_refused() -> None:
    with pytest.raises(ValueError, match="FastV ranks by attention; drop behind at least one layer"):
        prefill(decoder(), prompt(), 0, best_of_image(prompt(), 2))


@pytest.mark.parametrize(
    ("registers", "percent"), [(8, 19.4), (16, 20.6), (32, 23.1), (64, 28.0), (128, 37.9), (256, 57.9)]
)
def test_prefill_operations_are_those_derived_from_the_papers_shapes(registers: int, percent: float) -> None:
    assert 100 * prefill_share(VictorParameters(registers), visual=576, text=64) == pytest.approx(percent, abs=0.05)


@pytest.mark.parametrize("fields", [{"registers": -1}, {"drop_layer": -1}])
def test_negative_numbers_are_refused(fields: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="registers and drop_layer are at least 0, not"):
        VictorParameters(**fields)
