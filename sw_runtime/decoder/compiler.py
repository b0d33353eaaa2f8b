"""A decoder's parts turned into a program."""

import math
from collections.abc import Iterator
from dataclasses import replace

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
from sw_runtime.decoder.parts import DecoderParts, Layer, LowRank, Norm, Product
from sw_runtime.progress import progress_bar


def check_kv_bits(kv_bits: int) -> None:
    """Refuse other sizes of cached elements than 8 and 16 bits.

    Raises
    ------
    InputError
        With the size that was given.
    """
    if kv_bits not in (8, 16):
        raise InputError(f"kv_bits must be 8 or 16, the bits of a cached key or value, not {kv_bits!r}")


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
        If the bits are neither, or the head has a bias or an adapter.
    """
    return _program(_first_layers(parts, len(parts.layers)), parts, kv_bits)


def draft_program(parts: DecoderParts, kv_bits: int, layers: int) -> Program:
    """The first layers, the last norm and the head: what drafts tokens that the whole program verifies.

    Its keys and values are those of the layers that it runs. Verifying a position writes all layers' anew.

    Parameters
    ----------
    layers
        That run, 1 to all but one.

    Raises
    ------
    InputError
        If there are not so many layers; see also ``compile_program``.
    """
    _check_leaving(parts, layers)
    return _program(_first_layers(parts, layers), parts, kv_bits)


def exit_program(parts: DecoderParts, kv_bits: int, layers: int) -> Program:
    """A token that leaves after the first layers, and fills the caches of those behind from its stream there.

    So later tokens find keys and values in every layer, whatever program they run. They are not those of the whole
    program: the text is another one.

    Parameters
    ----------
    layers
        That run, 1 to all but one.

    Raises
    ------
    InputError
        If there are not so many layers; see also ``compile_program``.
    """
    _check_leaving(parts, layers)
    commands = _first_layers(parts, layers)
    for index, layer in enumerate(parts.layers[layers:], layers):
        commands += [_normalise(layer.attention_norm, Slot.STREAM, Slot.NORMED), *_keys_values(index, layer)]
    return _program(commands, parts, kv_bits)


def set_program(parts: DecoderParts, kv_bits: int, layers: int) -> Program:
    """The whole decoder, whose later layers attend to a set of the text's tokens only (LazyLLM, one pruning).

    A token that is not of the set runs ``draft_program`` of the same layers, and is asked for no answer.

    Parameters
    ----------
    layers
        First ones, which cache every token: 1 to all but one.

    Raises
    ------
    InputError
        If there are not so many layers, or a later one has a window of positions; see also ``compile_program``.
    """
    _check_leaving(parts, layers)
    if any(layer.window for layer in parts.layers[layers:]):
        raise InputError("layers with a window count positions, and a set leaves some out: compile without a set")
    whole = compile_program(parts, kv_bits)
    commands = (
        replace(command, of_set=command.layer >= layers) if isinstance(command, Store | Attend) else command
        for command in whole.commands
    )
    return replace(whole, commands=tuple(commands))


def _check_leaving(parts: DecoderParts, layers: int) -> None:
    """Refuse to leave where no layer has run, or none is left."""
    if not 1 <= layers < len(parts.layers):
        raise InputError(f"a token leaves after layer 1 to {len(parts.layers) - 1}, not {layers}")


def _program(commands: list[Command], parts: DecoderParts, kv_bits: int) -> Program:
    """Layers followed by the last norm and the head."""
    check_kv_bits(kv_bits)
    for what, found in (("a bias", parts.head.bias), ("an adapter", parts.head.adapter)):
        if found is not None:
            raise InputError(f"{parts.head.place.name} has {what}, and no command adds one to logits")
    norm = _normalise(parts.norm, Slot.STREAM, Slot.NORMED)
    answer = Answer(parts.head.place, Slot.NORMED, key_exponent(parts.head.matrix, parts.norm.weight))
    return Program((*commands, norm, answer), parts.rotary, len(parts.norm.weight), kv_bits)


def _first_layers(parts: DecoderParts, layers: int) -> list[Command]:
    each = progress_bar(parts.layers[:layers], "compiling the layers", unit="layer", leave=False)
    return [command for index, layer in enumerate(each) for command in _layer(index, layer)]


def _layer(index: int, layer: Layer) -> Iterator[Command]:
    if layer.adapter is not None:  # of the stream before the layer; attention leaves this slot alone
        yield from _low_rank(layer.adapter, Slot.STREAM, Slot.UP)
    yield from _attention(index, layer)
    yield _normalise(layer.mlp_norm, Slot.STREAM, Slot.NORMED)
    if layer.adapter is not None:  # nothing but the sums reads the stream from here on
        yield Add(Slot.UP, Slot.STREAM)
    yield from _mlp(layer)


def _attention(index: int, layer: Layer) -> Iterator[Command]:
    yield _normalise(layer.attention_norm, Slot.STREAM, Slot.NORMED)
    yield from _multiply(layer.query, Slot.NORMED, Slot.QUERY)
    if layer.query_norm is not None:
        yield _normalise(layer.query_norm, Slot.QUERY, Slot.QUERY, layer.heads)
    # shares are powers of two, not of e
    yield Rotate(Slot.QUERY, layer.heads, layer.rotary, factor(layer.score_scale * math.log2(math.e)))
    yield from _keys_values(index, layer)
    yield Attend(index, Slot.QUERY, Slot.ATTENDED, layer.heads, layer.kv_heads, layer.window)
    yield from _multiply(layer.output, Slot.ATTENDED, Slot.BRANCH)
    yield from _add_branch(layer.attended_norm)


def _keys_values(index: int, layer: Layer) -> Iterator[Command]:
    yield from _multiply(layer.key, Slot.NORMED, Slot.KEY)
    yield from _multiply(layer.value, Slot.NORMED, Slot.VALUE)
    if layer.key_norm is not None:
        yield _normalise(layer.key_norm, Slot.KEY, Slot.KEY, layer.kv_heads)
    yield Rotate(Slot.KEY, layer.kv_heads, layer.rotary)
    if layer.key_centre is not None:
        yield AddConstant(constant(-layer.key_centre, MANTISSA_BITS), Slot.KEY)
    yield Store(index, Slot.KEY, Slot.VALUE, layer.kv_heads)


def _mlp(layer: Layer) -> Iterator[Command]:
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
    if product.adapter is not None:
        free = Slot.NORMED if destination == Slot.BRANCH else Slot.BRANCH  # nobody else's while products are made
        yield from _low_rank(product.adapter, source, free)
        yield Add(free, destination)


def _low_rank(adapter: LowRank, source: Slot, destination: Slot) -> Iterator[Command]:
    """Both products; what has the rank's few elements stands where the result will."""
    yield Multiply(adapter.down.place, source, destination, result_exponent(adapter.down.matrix))
    yield Multiply(adapter.up.place, destination, destination, result_exponent(adapter.up.matrix))


def _add_branch(norm: Norm | None) -> Iterator[Command]:
    if norm is not None:
        yield _normalise(norm, Slot.BRANCH, Slot.BRANCH)
    yield Add(Slot.BRANCH, Slot.STREAM)
