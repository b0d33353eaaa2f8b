"""A program and its matrices as bytes of a board's memory."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from formats.decoder.program import (
    Add,
    AddConstant,
    Answer,
    Attend,
    Command,
    Gate,
    MatrixPlace,
    Multiply,
    Normalise,
    Program,
    Rotate,
    Store,
)
from formats.decoder.words import ACTIVATIONS, SLOTS, VERSION, Opcode, command_words, read_commands
from formats.engine import EngineParameters
from formats.errors import InputError
from formats.matrices import Matrix
from formats.row_scales import to_bfloat16
from sw_runtime.decoder.image.memory_map import OPCODES, MemoryMap
from sw_runtime.decoder.image.soundness import violations
from sw_runtime.device.layout import dense_bytes, weight_beats
from sw_runtime.progress import progress_bar


def memory_of(
    programs: Mapping[str, Program],
    matrices: Mapping[MatrixPlace, Matrix],
    engine: EngineParameters,
    places: MemoryMap,
) -> NDArray[np.uint8]:
    """Every byte below the cache: uint8 [bytes]. A bar counts the matrices.

    Parameters
    ----------
    programs
        To be written, by their areas; the first is the model's whole decoder.
    matrices
        Every matrix of the programs.
    engine
        Of the board.
    places
        The programs' map for this engine.
    """
    memory = np.zeros(places.areas["cache"].start, dtype=np.uint8)

    def put(address: int, octets: NDArray[np.uint8]) -> None:
        memory[address : address + octets.nbytes] = octets

    for name, program in programs.items():
        words = np.array(_program_words(program, engine, places), dtype="<u4")
        put(places.areas[name].start, words.view(np.uint8))
    for command, address in places.constants.items():
        put(address, _constant_octets(command))
    whole = next(iter(programs.values()))
    for rows, address in zip(whole.rotary, places.rotary, strict=True):
        put(address, np.stack([rows.cos, rows.sin], axis=2).astype("<i2").reshape(-1).view(np.uint8))
    # the first rows of a matrix end with zeros for lanes without a row: the whole matrix is written over them
    ordered = sorted(places.matrices, key=lambda place: place.rows)
    for matrix_place in progress_bar(ordered, "packing the weights", unit="matrix", leave=False):
        matrix, addresses = matrices[matrix_place], places.matrices[matrix_place]
        weight_format = engine.weight_formats[engine.formats.index(matrix.name)]
        put(addresses.weights, dense_bytes(weight_beats(matrix, engine), engine.beat_bits(weight_format)))
        put(addresses.scales, to_bfloat16(matrix.unit_scales()).view(torch.int16).numpy().view(np.uint8))
    return memory


def check_sound(programs: Mapping[str, Program], engine: EngineParameters, places: MemoryMap) -> None:
    """Refuse programs that no board would run, before any memory is laid out.

    Parameters
    ----------
    programs, engine, places
        As for ``memory_of``.

    Raises
    ------
    InputError
        Naming the program and its first command that is wrong.
    """
    for name, program in programs.items():
        commands = read_commands(_program_words(program, engine, places))
        for wrong in violations(commands, places.areas, engine):
            raise InputError(f"no board would run this: {name}, {wrong}")


def _constant_octets(command: Command) -> NDArray[np.uint8]:
    match command:
        case Normalise():
            return np.array(command.weight.mantissas, dtype="<i2").view(np.uint8)
        case AddConstant():
            return np.array(command.constant.mantissas, dtype="<i4").view(np.uint8)
    raise AssertionError(f"{command} brings no vector along")


def _program_words(program: Program, engine: EngineParameters, places: MemoryMap) -> list[int]:
    begin = {
        "version": VERSION,
        "commands": len(program.commands),
        "dim": program.dim,
        "kv_bits": program.kv_bits,
        "positions": program.positions,
    } | {f"{slot}_words": program.slot_words.get(slot, 0) for slot in SLOTS}
    words = command_words(Opcode.BEGIN, begin)
    for command, length in zip(program.commands, program.lengths, strict=True):
        words += command_words(OPCODES[type(command)], _values(command, length, engine, places))
    return words


def _values(command: Command, length: int, engine: EngineParameters, places: MemoryMap) -> dict[str, int]:
    """Fields of a command that makes a vector of some length."""
    number = {slot: n for n, slot in enumerate(SLOTS)}
    match command:
        case Normalise():
            return {
                "source": number[command.source],
                "destination": number[command.destination],
                "heads": command.heads,
                "width": length // command.heads,
                "weights": places.constants[command],
                "weights_exponent": command.weight.exponent,
                "eps": command.eps.mantissas[0],
                "eps_exponent": command.eps.exponent,
            }
        case Multiply():
            slots = {"source": number[command.source], "destination": number[command.destination]}
            return _matrix_values(command.matrix, engine, places) | slots | {"exponent": command.exponent}
        case Answer():
            values = {"source": number[command.source], "exponent": command.exponent}
            return _matrix_values(command.matrix, engine, places) | values
        case Add():
            return {"source": number[command.source], "destination": number[command.destination], "length": length}
        case AddConstant():
            return {
                "constant": places.constants[command],
                "exponent": command.constant.exponent,
                "destination": number[command.destination],
                "length": length,
            }
        case Rotate():
            return {
                "slot": number[command.slot],
                "heads": command.heads,
                "width": length // command.heads,
                "rows": places.rotary[command.rows],
                "factor": command.scale.mantissas[0] if command.scale else 0,
                "factor_exponent": command.scale.exponent if command.scale else 0,
            }
        case Store():
            return {
                "of_set": int(command.of_set),
                "key_slot": number[command.keys],
                "value_slot": number[command.values],
                "heads": command.heads,
                "width": length // command.heads,
            } | vars(places.caches[command.layer])
        case Attend():
            return {
                "of_set": int(command.of_set),
                "source": number[command.source],
                "destination": number[command.destination],
                "heads": command.heads,
                "kv_heads": command.kv_heads,
                "width": length // command.heads,
                "window": command.window or 0,
            } | vars(places.caches[command.layer])
        case Gate():
            return {
                "gate": number[command.gate],
                "up": number[command.up],
                "destination": number[command.destination],
                "length": length,
                "activation": ACTIVATIONS.index(command.activation),
            }


def _matrix_values(place: MatrixPlace, engine: EngineParameters, places: MemoryMap) -> dict[str, int]:
    number = engine.formats.index(place.format)
    weight_format = engine.weight_formats[number]
    return {
        "format": number,
        "rows": place.rows,
        "columns": place.columns,
        "column_blocks": weight_format.blocks(place.columns),
        "row_groups": engine.row_groups(weight_format, place.rows),
    } | vars(places.matrices[place])
