"""A decoder's parts turned into a program."""

import math
from collections.abc import Iterator

from formats.decoder.program import (
    Add,
    AddConstant,
    Answer,
    Attend,
    Command,
    Gate,
    Multiply,
    Normalise,
    Program,
    Rotate,
    Slot,
    Store,
)
from formats.decoder.tables import MANTISSA_BITS
from formats.errors import InputError
from sw_runtime.decoder.constants import constant, factor, key_exponent, norm_constants, result_exponent
from sw_runtime.decoder.parts import DecoderParts, Layer, Norm, Product


def check_kv_bits(kv_bits: int) -> None:
    """Refuse other sizes of cached elements than 8 and 16 bits.

    Raises
    ------
    InputError
        With the size that was given.
    """
    if kv_bits not in (8, 16):
        raise InputError(f"keys and values are cached in 8 or 16 bits, not {kv_bits!r}")


def compile_program(parts: DecoderParts, kv_bits: int) -> Program:
    """The commands of a decoder.

    Parameters
    ----------
    parts
        Of the model.
    kv_bits
        Bits of a cached key's or value's element: 8 or 16.

    Raises
    ------
    InputError
        If the bits are neither, or the head has a bias.
    """
    check_kv_bits(kv_bits)
    if parts.head.bias is not None:
        raise InputError(f"{parts.head.place.name} has a bias, and no command adds one to logits")
    commands = [
        command for index, layer in enumerate(parts.layers) for command in (*_attention(index, layer), *_mlp(layer))
    ]
    commands.append(_normalise(parts.norm, Slot.STREAM, Slot.NORMED))
    exponent = key_exponent(parts.head.matrix, parts.norm.weight)
    commands.append(Answer(parts.head.place, Slot.NORMED, exponent))
    return Program(tuple(commands), parts.rotary, len(parts.norm.weight), kv_bits)


def _attention(index: int, layer: Layer) -> Iterator[Command]:
    yield _normalise(layer.attention_norm, Slot.STREAM, Slot.NORMED)
    yield from _multiply(layer.query, Slot.NORMED, Slot.QUERY)
    yield from _multiply(layer.key, Slot.NORMED, Slot.KEY)
    yield from _multiply(layer.value, Slot.NORMED, Slot.VALUE)
    if layer.query_norm is not None:
        yield _normalise(layer.query_norm, Slot.QUERY, Slot.QUERY, layer.heads)
    if layer.key_norm is not None:
        yield _normalise(layer.key_norm, Slot.KEY, Slot.KEY, layer.kv_heads)
    # shares are powers of two, not of e
    yield Rotate(Slot.QUERY, layer.heads, layer.rotary, factor(layer.score_scale * math.log2(math.e)))
    yield Rotate(Slot.KEY, layer.kv_heads, layer.rotary)
    yield Store(index, Slot.KEY, Slot.VALUE, layer.kv_heads)
    yield Attend(index, Slot.QUERY, Slot.ATTENDED, layer.heads, layer.kv_heads, layer.window)
    yield from _multiply(layer.output, Slot.ATTENDED, Slot.BRANCH)
    yield from _add_branch(layer.attended_norm)


def _mlp(layer: Layer) -> Iterator[Command]:
    yield _normalise(layer.mlp_norm, Slot.STREAM, Slot.NORMED)
    yield from _multiply(layer.gate, Slot.NORMED, Slot.GATE)
    yield from _multiply(layer.up, Slot.NORMED, Slot.UP)
    yield Gate(Slot.GATE, Slot.UP, Slot.GATE, layer.activation)
    yield from _multiply(layer.down, Slot.GATE, Slot.BRANCH)
    yield from _add_branch(layer.mlp_output_norm)


def _normalise(norm: Norm, source: Slot, destination: Slot, heads: int = 1) -> Normalise:
    weight, eps = norm_constants(norm.weight, norm.eps)
    return Normalise(source, destination, weight, eps, heads)


def _multiply(product: Product, source: Slot, destination: Slot) -> Iterator[Command]:
    yield Multiply(product.place, source, destination, result_exponent(product.matrix))
    if product.bias is not None:
        yield AddConstant(constant(product.bias, MANTISSA_BITS), destination)


def _add_branch(norm: Norm | None) -> Iterator[Command]:
    if norm is not None:
        yield _normalise(norm, Slot.BRANCH, Slot.BRANCH)
    yield Add(Slot.BRANCH, Slot.STREAM)
