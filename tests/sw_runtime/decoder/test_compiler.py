from dataclasses import replace
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from formats.decoder.program import AddConstant, Attend, Command, Gate, Normalise, Program, Rotate, Store
from formats.errors import InputError
from sw_runtime.decoder.compiler import compile_program
from sw_runtime.decoder.parts import DecoderParts
from tests.sw_runtime.decoder.models import (
    MODELS,
    TinyOpenELM,
    golden_decoder,
    log_probabilities,
    parts_of,
    tiny_model,
)

TOKENS = torch.randint(120, (24,), generator=torch.Generator().manual_seed(3))
FAMILIES = (*MODELS, "openelm")
DIVERGENCES = {16: 1e-6, 8: 1e-3}
"""Nats that a program may be away from its model in floats, by the bits of keys and values."""


@cache
def subject(family: str) -> tuple[DecoderParts, Tensor, Tensor]:
    """Parts of a model, embeddings of ``TOKENS``, and log probabilities of the model in floats."""
    model: Any
    with torch.no_grad():
        if family == "openelm":
            tiny = TinyOpenELM()
            embeddings, logits = tiny.model.token_embeddings(TOKENS), tiny.model(TOKENS)[0]
            return tiny.parts(), embeddings, logits.double().log_softmax(dim=-1)
        model = tiny_model(family)
        embeddings = model.get_input_embeddings()(TOKENS)
        return parts_of(model), embeddings, model(input_ids=TOKENS[None]).logits[0].double().log_softmax(dim=-1)


def divergence(family: str, program: Program) -> float:
    """KL of a program to the model in floats, nats per token."""
    parts, embeddings, expected = subject(family)
    found = log_probabilities(golden_decoder(program, parts)(embeddings), program)
    return float((expected.exp() * (expected - found)).sum(dim=-1).mean())


@pytest.mark.parametrize("kv_bits", DIVERGENCES)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_program_computes_its_model(family: str, kv_bits: int) -> None:
    assert divergence(family, compile_program(subject(family)[0], kv_bits)) < DIVERGENCES[kv_bits]


def without(program: Program, left_out: Command) -> Program:
    return replace(program, commands=tuple(command for command in program.commands if command is not left_out))


def changed(program: Program, command: Command, other: Command) -> Program:
    return replace(program, commands=tuple(other if c is command else c for c in program.commands))


@pytest.mark.parametrize("family", ["llama with biases", "qwen2", "qwen3", "gemma3", "openelm"])
def test_every_bias_norm_and_rotation_counts(family: str) -> None:
    program = compile_program(subject(family)[0], 16)
    kinds: dict[tuple[object, ...], Command] = {}
    for command in program.commands:
        if isinstance(command, AddConstant | Rotate | Normalise):
            slots = {name: value for name, value in vars(command).items() if name in ("slot", "source", "destination")}
            kinds.setdefault((type(command), *slots.values()), command)
    assert len(kinds) >= 4
    for command in kinds.values():
        if isinstance(command, Normalise) and command.source != command.destination:
            continue  # nothing stands instead of its result
        assert divergence(family, without(program, command)) > 1e-4, command


@pytest.mark.parametrize("family", ["mistral", "qwen3", "gemma3"])
def test_a_sliding_window_counts(family: str) -> None:
    program = compile_program(subject(family)[0], 16)
    windows = [command for command in program.commands if isinstance(command, Attend) and command.window]
    assert windows
    for command in windows:
        assert divergence(family, changed(program, command, replace(command, window=command.window + 1))) > 1e-5


def test_local_and_global_layers_rotate_by_rows_of_their_own() -> None:
    program = compile_program(subject("gemma3")[0], 16)
    rotations = [command for command in program.commands if isinstance(command, Rotate)]
    assert [command.rows for command in rotations] == [0, 0, 1, 1, 0, 0]
    first = rotations[0]
    assert divergence("gemma3", changed(program, first, replace(first, rows=1))) > 1e-5


def test_the_kind_of_gate_counts() -> None:
    program = compile_program(subject("gemma3")[0], 16)
    gate = next(command for command in program.commands if isinstance(command, Gate))
    assert gate.activation == "gelu_pytorch_tanh"
    assert divergence("gemma3", changed(program, gate, replace(gate, activation="silu"))) > 1e-4


def test_layers_of_unequal_width_have_commands_of_their_own_widths() -> None:
    program = compile_program(subject("openelm")[0], 16)
    stores = [command.heads for command in program.commands if isinstance(command, Store)]
    assert len(set(stores)) > 1


@pytest.mark.parametrize("family", ["llama", "gemma3"])
def test_tokens_one_by_one_get_the_keys_of_the_whole_sequence(family: str) -> None:
    parts, embeddings, _ = subject(family)
    program, embeddings = compile_program(parts, 8), embeddings[:9]
    decoder = golden_decoder(program, parts)
    one_by_one = torch.cat([decoder(embedding[None]) for embedding in embeddings])
    assert torch.equal(one_by_one, golden_decoder(program, parts)(embeddings))


def test_a_text_longer_than_the_rotary_rows_is_refused() -> None:
    parts, embeddings, _ = subject("llama")
    decoder = golden_decoder(compile_program(parts, 8), parts)
    decoder(embeddings)
    with pytest.raises(InputError, match="compiled for 40 positions, and the text has 48 tokens; compile it for more"):
        decoder(embeddings)


def test_other_widths_of_keys_and_values_are_refused() -> None:
    with pytest.raises(InputError, match="kv_bits must be 8 or 16, the bits of a cached key or value, not 4"):
        compile_program(subject("llama")[0], 4)


def test_a_head_with_a_bias_is_refused() -> None:
    parts = subject("llama")[0]
    with pytest.raises(InputError, match="lm_head has a bias, and no command adds one to logits"):
        compile_program(replace(parts, head=replace(parts.head, bias=torch.ones(120))), 8)
