"""Means of keys that are taken off: what 8 bits then keep, and that nothing else changes."""

from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor

from formats.decoder.program import AddConstant, Program
from sw_runtime.decoder.centres import SAMPLE, sample_tokens, with_key_centres
from sw_runtime.decoder.compiler import compile_program
from sw_runtime.decoder.emulated import EmulatedDecoder
from sw_runtime.decoder.parts import DecoderParts
from tests.sw_runtime.decoder.models import golden_decoder, log_probabilities, parts_of, tiny_model

TOKENS = torch.randint(120, (24,), generator=torch.Generator().manual_seed(3))


@cache
def subject() -> tuple[DecoderParts, DecoderParts, Tensor, Tensor]:
    """Parts of a model with large elements in its keys, the same centred, embeddings, and floats of the model.

    The elements are those that hardly turn with the position.
    """
    model = tiny_model("llama with biases")
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.k_proj.bias.view(-1, 16)[:, [7, 15]] += 40
        embed = model.get_input_embeddings()
        embeddings = embed(TOKENS)
        expected = model(input_ids=TOKENS[None]).logits[0].double().log_softmax(dim=-1)
        sample = embed(torch.from_numpy(sample_tokens(121, 40))).numpy()
    parts = parts_of(model)
    return parts, with_key_centres(parts, sample), embeddings, expected


def divergence(parts: DecoderParts, kv_bits: int) -> float:
    """KL of a program to the model in floats, nats per token."""
    _, _, embeddings, expected = subject()
    program = compile_program(parts, kv_bits)
    found = log_probabilities(golden_decoder(program, parts)(embeddings), program)
    return float((expected.exp() * (expected - found)).sum(dim=-1).mean())


def test_centred_keys_lose_far_less_in_8_bits_and_nothing_in_16() -> None:
    plain, centred, _, _ = subject()
    assert divergence(centred, 8) < 0.1 * divergence(plain, 8)
    assert divergence(centred, 16) < 1e-6


def test_golden_and_emulated_keys_of_a_centred_decoder_are_equal() -> None:
    _, centred, embeddings, _ = subject()
    program = compile_program(centred, 8)
    emulated = EmulatedDecoder(program, centred.matrices).take(embeddings.numpy(), answers=len(TOKENS))
    assert np.array_equal(emulated, golden_decoder(program, centred)(embeddings).numpy())


def added(program: Program) -> int:
    return sum(isinstance(command, AddConstant) for command in program.commands)


def test_a_layer_adds_one_constant_to_its_keys() -> None:
    plain, centred, _, _ = subject()
    assert added(compile_program(centred, 8)) - added(compile_program(plain, 8)) == len(plain.layers)


@pytest.mark.parametrize(("context", "tokens"), [(40, 40), (1000, SAMPLE)])
def test_the_sample_is_the_same_every_time_and_no_longer_than_the_context(context: int, tokens: int) -> None:
    sample = sample_tokens(121, context)
    assert sample.shape == (tokens,)
    assert 0 <= sample.min() <= sample.max() < 121
    assert np.array_equal(sample, sample_tokens(121, context))
