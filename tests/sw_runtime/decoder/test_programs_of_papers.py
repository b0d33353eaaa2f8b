"""Exits, drafts and adapters as programs: golden integers, emulated integers, and what they mean in floats."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from peft import LoraConfig, get_peft_model

from formats.decoder.program import Program, Slot
from formats.errors import InputError
from formats.trellis_matrix import TrellisMatrix
from golden_models.integer_decoder.execution import IntegerDecoder
from sw_runtime.decoder.adapters import with_fast_stream
from sw_runtime.decoder.compiler import compile_program, draft_program, exit_program, set_program
from sw_runtime.decoder.emulated import EmulatedDecoder
from sw_runtime.decoder.experts import nested_expert
from sw_runtime.decoder.parts import DecoderParts, Product
from sw_runtime.decoder.token_sets import LEFT_OUT, SET, read_prompt
from sw_runtime.nn.lora import register_lora
from tests.sw_runtime.decoder.models import (
    golden_decoder,
    log_probabilities,
    parts_of,
    random_adapter,
    tiny_model,
)

TOKENS = torch.randint(120, (16,), generator=torch.Generator().manual_seed(6))
KV_BITS = 8


@cache
def subject() -> tuple[DecoderParts, NDArray[Any]]:
    """Parts of a model of three layers, and embeddings of ``TOKENS``."""
    model = tiny_model("qwen3")
    return parts_of(model), model.get_input_embeddings()(TOKENS).detach().numpy()


@cache
def fast_parts() -> DecoderParts:
    return with_fast_stream(subject()[0], [random_adapter(1), random_adapter(2)], "trellis-4bit")


@cache
def lora_model() -> Any:
    """A model with adapters of rank 6 beside every product but the head's."""
    model = tiny_model("llama with biases")
    names = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    config = register_lora(LoraConfig(r=6, lora_alpha=9, target_modules=names, init_lora_weights=False))
    torch.manual_seed(1)
    return get_peft_model(model, config)


def decoders(parts: DecoderParts, program: Program) -> tuple[EmulatedDecoder, IntegerDecoder]:
    return EmulatedDecoder(program, parts.matrices), golden_decoder(program, parts)


def equal_keys(parts: DecoderParts, program: Program, embeddings: NDArray[Any]) -> NDArray[np.int64]:
    """Keys of all tokens, once golden and emulated integers have been found equal."""
    emulated, golden = decoders(parts, program)
    expected = golden(torch.from_numpy(embeddings)).numpy()
    assert np.array_equal(emulated.take(embeddings, answers=len(embeddings)), expected)
    return expected


@pytest.mark.parametrize("compiled", [draft_program, exit_program])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("fast", [False, True])
def test_drafts_and_exits_have_the_golden_models_keys(compiled: Any, layers: int, fast: bool) -> None:
    parts = fast_parts() if fast else subject()[0]
    equal_keys(parts, compiled(parts, KV_BITS, layers), subject()[1])


def test_a_draft_is_the_model_of_its_first_layers() -> None:
    parts = subject()[0]
    shorter = replace(parts, layers=parts.layers[:2])
    assert draft_program(parts, KV_BITS, 2).commands == compile_program(shorter, KV_BITS).commands


def test_an_exit_answers_as_a_draft_and_stores_every_layer() -> None:
    parts, embeddings = subject()
    leaving, draft = exit_program(parts, KV_BITS, 1), draft_program(parts, KV_BITS, 1)
    assert np.array_equal(equal_keys(parts, leaving, embeddings), equal_keys(parts, draft, embeddings))
    assert leaving.cached == compile_program(parts, KV_BITS).cached == (0, 1, 2)
    assert draft.cached == (0,)


def test_programs_take_turns_over_one_cache() -> None:
    parts, embeddings = subject()
    whole, leaving = compile_program(parts, KV_BITS), exit_program(parts, KV_BITS, 1)
    emulated = EmulatedDecoder(whole, parts.matrices, {"exit": leaving})
    golden, expected = golden_decoder(whole, parts), []
    for position, embedding in enumerate(embeddings):
        golden.program = leaving if position % 3 == 1 else whole
        expected.append(golden(torch.from_numpy(embedding[None]))[0].numpy())
        name = "exit" if position % 3 == 1 else "program"
        assert np.array_equal(emulated.take(embedding[None], program=name)[0], expected[-1])
    alone = equal_keys(parts, whole, embeddings)
    assert np.array_equal(expected[0], alone[0])
    assert not np.array_equal(expected[-1], alone[-1]), "later tokens see what a token that left has stored"


def without_result(product: Product) -> Product:
    """A product whose rows all have the scale 0."""
    matrix = product.matrix
    assert isinstance(matrix, TrellisMatrix)
    return replace(product, matrix=replace(matrix, scales=torch.zeros(matrix.rows)))


def test_an_exit_caches_what_layers_would_that_add_nothing() -> None:
    parts, embeddings = subject()
    silent = [
        replace(layer, output=without_result(layer.output), down=without_result(layer.down))
        for layer in parts.layers[1:]
    ]
    as_if = replace(parts, layers=(parts.layers[0], *silent))
    golden, expected = (
        golden_decoder(exit_program(parts, KV_BITS, 1), parts),
        golden_decoder(compile_program(as_if, KV_BITS), as_if),
    )
    assert torch.equal(golden(torch.from_numpy(embeddings)), expected(torch.from_numpy(embeddings)))
    for layer, cached in expected.caches.items():
        for one, other in ((golden.caches[layer].keys, cached.keys), (golden.caches[layer].values, cached.values)):
            assert torch.equal(one.mantissas, other.mantissas)
            assert torch.equal(one.exponent, other.exponent)


@pytest.mark.parametrize("layers", [0, 3])
@pytest.mark.parametrize("compiled", [draft_program, exit_program])
def test_leaving_after_no_layer_or_the_last_is_refused(compiled: Any, layers: int) -> None:
    with pytest.raises(InputError, match=f"a token leaves after layer 1 to 2, not {layers}"):
        compiled(subject()[0], KV_BITS, layers)


def test_adapters_beside_all_products_compute_pefts_model() -> None:
    model = lora_model()
    parts = parts_of(model.get_base_model())
    with torch.no_grad():
        embeddings = model.get_input_embeddings()(TOKENS).numpy()
        adapted = model(TOKENS[None]).logits[0].double().log_softmax(dim=-1)
        with model.disable_adapter():
            plain = model(TOKENS[None]).logits[0].double().log_softmax(dim=-1)
    program = compile_program(parts, 16)
    found = log_probabilities(torch.from_numpy(equal_keys(parts, program, embeddings)), program)
    divergence = float((adapted.exp() * (adapted - found)).sum(dim=-1).mean())
    effect = float((adapted.exp() * (adapted - plain)).sum(dim=-1).mean())
    assert divergence < 0.05 * effect, "encoding the adapters costs little of what they change"


def test_an_adapter_that_is_switched_off_is_left_out() -> None:
    model = lora_model()
    with model.disable_adapter():
        parts = parts_of(model.get_base_model())
    assert compile_program(parts, 8).commands == compile_program(parts_of(tiny_model("llama with biases")), 8).commands


def test_several_adapters_or_more_than_low_rank_are_refused() -> None:
    model = tiny_model("llama")
    config = {"r": 2, "target_modules": ["o_proj"]}
    dora = get_peft_model(model, register_lora(LoraConfig(**config, lora_bias=True)))
    with pytest.raises(InputError, match=r"o_proj: a program's adapter is up .* without use_dora"):
        parts_of(dora.get_base_model())
    model = get_peft_model(tiny_model("llama"), register_lora(LoraConfig(**config)))
    model.add_adapter("second", register_lora(LoraConfig(**config)))
    model.base_model.set_adapter(["default", "second"])
    with pytest.raises(InputError, match=r"the adapters default, second; a program takes one: set one active"):
        parts_of(model.get_base_model())


def test_a_head_with_an_adapter_is_refused() -> None:
    model = get_peft_model(tiny_model("llama"), register_lora(LoraConfig(r=2, target_modules=["lm_head"])))
    with pytest.raises(InputError, match="lm_head has an adapter, and no command adds one to logits"):
        compile_program(parts_of(model.get_base_model()), 8)


def test_the_fast_stream_adds_what_its_adapters_say() -> None:
    """p + f(p) + A(p) less p + f(p), of one layer, beside A(p) in floats."""
    parts, embeddings = fast_parts(), subject()[1]
    shorter = replace(parts, layers=parts.layers[:1])
    plain = replace(shorter, layers=(replace(shorter.layers[0], adapter=None),))
    low_rank = parts.layers[0].adapter
    assert low_rank is not None
    down, up = (each.matrix.integers().double() * each.matrix.unit_scales()[:, None] for each in low_rank.products)
    streams = []
    for some in (shorter, plain):
        decoder = golden_decoder(compile_program(some, 16), some)
        decoder(torch.from_numpy(embeddings))
        streams.append(decoder._slots[Slot.STREAM].real())
    added = torch.from_numpy(embeddings).double() @ down.T @ up.T
    assert float(added.norm()) > 0.1 * float(torch.from_numpy(embeddings).norm())
    assert float((streams[0] - streams[1] - added).norm()) < 1e-3 * float(added.norm())


def test_an_expert_is_the_model_without_the_neurons_behind_its_own() -> None:
    """Beside one whose gates of these neurons have the scale 0."""
    parts, embeddings = subject()
    expert = nested_expert(parts, 1, 3)
    widths = [(layer.gate.place.rows, layer.up.place.rows, layer.down.place.columns) for layer in expert.layers]
    assert set(widths) == {(66, 66, 66)}, "100 neurons, two of three experts"
    silent = []
    for layer in parts.layers:
        matrix = layer.gate.matrix
        assert isinstance(matrix, TrellisMatrix)
        scales = torch.where(torch.arange(100) < 66, matrix.scales, 0)
        silent.append(replace(layer, gate=replace(layer.gate, matrix=replace(matrix, scales=scales))))
    as_if = replace(parts, layers=tuple(silent))
    programs = compile_program(expert, 16), compile_program(as_if, 16)
    keys = [
        log_probabilities(torch.from_numpy(equal_keys(some, program, embeddings)), program)
        for some, program in zip((expert, as_if), programs, strict=True)
    ]
    assert float((keys[1].exp() * (keys[1] - keys[0])).sum(dim=-1).mean()) < 1e-6
    dense = compile_program(parts, 16)
    plain = log_probabilities(torch.from_numpy(equal_keys(parts, dense, embeddings)), dense)
    assert float((keys[1].exp() * (keys[1] - plain)).sum(dim=-1).mean()) > 1e-3


def test_the_last_expert_is_the_dense_model() -> None:
    parts = subject()[0]
    assert compile_program(nested_expert(parts, 3, 4), 8).commands == compile_program(parts, 8).commands


def test_an_expert_keeps_the_adapters_of_its_neurons() -> None:
    parts = nested_expert(parts_of(lora_model().get_base_model()), 0, 4)
    with torch.no_grad():
        embeddings = lora_model().get_input_embeddings()(TOKENS).numpy()
    down = parts.layers[0].down.adapter
    assert down is not None
    assert down.down.place.columns == 25
    equal_keys(parts, compile_program(parts, 8), embeddings)


@pytest.mark.parametrize("expert", [-1, 4])
def test_an_expert_that_is_not_there_is_refused(expert: int) -> None:
    with pytest.raises(InputError, match=f"4 experts are called 0 to 3, not {expert}"):
        nested_expert(subject()[0], expert, 4)


def test_more_experts_than_neurons_are_refused() -> None:
    with pytest.raises(InputError, match=r"gate_proj has 100 neurons, fewer than 101 experts; ask for fewer"):
        nested_expert(subject()[0], 0, 101)


KEPT = [True, False, True, True, False, False, True, False, True, True, False, True]
"""Of the first tokens: those of a set, the prompt's last among them."""


@cache
def set_parts() -> tuple[DecoderParts, NDArray[Any]]:
    """Parts of a model without windows, and embeddings of ``TOKENS``."""
    model = tiny_model("llama")
    return parts_of(model), model.get_input_embeddings()(TOKENS).detach().numpy()


@pytest.mark.parametrize("layers", [1, 2])
def test_a_set_has_the_keys_of_a_golden_model_whose_caches_hold_it_only(layers: int) -> None:
    parts, embeddings = set_parts()
    programs = {SET: set_program(parts, KV_BITS, layers), LEFT_OUT: draft_program(parts, KV_BITS, layers)}
    emulated = EmulatedDecoder(compile_program(parts, KV_BITS), parts.matrices, programs)
    golden, found, expected = golden_decoder(programs[SET], parts), [], []

    def take(tokens: slice, answers: int, program: str, row: int) -> NDArray[np.int64]:
        return emulated.take(embeddings[tokens], answers, program, row)

    found.append(read_prompt(take, KEPT)[0])
    following = range(len(KEPT), len(TOKENS))
    found += [take(slice(at, at + 1), 1, SET, sum(KEPT) + n)[0] for n, at in enumerate(following)]
    for number, embedding in enumerate(torch.from_numpy(embeddings)):
        golden.program = programs[SET if number >= len(KEPT) or KEPT[number] else LEFT_OUT]
        expected.append(golden(embedding[None])[0].numpy())
    assert np.array_equal(found, expected[len(KEPT) - 1 :])
    dense = EmulatedDecoder(programs[SET], parts.matrices).take(embeddings, answers=len(found))
    assert not np.array_equal(found, dense)
    all_kept = emulated_text(parts, programs, embeddings)
    assert np.array_equal(all_kept, dense), "a set of all tokens is dense decoding"


def emulated_text(parts: DecoderParts, programs: dict[str, Program], embeddings: NDArray[Any]) -> NDArray[np.int64]:
    """Keys behind a prompt of which every token is kept."""
    emulated = EmulatedDecoder(compile_program(parts, KV_BITS), parts.matrices, programs)
    prompt = [emulated.take(each[None], 0, SET) for each in embeddings[: len(KEPT) - 1]]
    assert all(keys.shape == (0, 121) for keys in prompt)
    return emulated.take(embeddings[len(KEPT) - 1 :], len(embeddings) - len(KEPT) + 1, SET)


def test_a_set_without_the_prompts_last_token_is_refused() -> None:
    with pytest.raises(InputError, match="the last token of a prompt predicts the next one, so it must be of the set"):
        read_prompt(lambda *_: None, [True, False])


def test_a_set_beside_windows_or_with_a_row_that_no_token_has_is_refused() -> None:
    parts, embeddings = set_parts()
    windows = parts_of(tiny_model("mistral"))
    with pytest.raises(InputError, match="layers with a window count positions, and a set leaves some out"):
        set_program(windows, KV_BITS, 1)
    with pytest.raises(InputError, match="a token leaves after layer 1 to 2, not 3"):
        set_program(parts, KV_BITS, 3)
    emulated = EmulatedDecoder(set_program(parts, KV_BITS, 1), parts.matrices)
    with pytest.raises(InputError, match="the token at position 0 has row 0 to 0 of a set, not 1"):
        emulated.take(embeddings[:1], row=1)
