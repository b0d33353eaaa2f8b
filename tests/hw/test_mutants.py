"""A check that finds nothing wrong with the hardware must find something wrong with each of these changes."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import hw
from formats.engine import EngineParameters
from formats.matrices import EncodedMatrix
from formats.presets import PRESETS
from golden_models.seedlm.codec import integer_weights
from sw_runtime.device.layout import format_of
from tests.hw.packed import to_vectors
from tests.hw.products import Product, heaviest_activations, heaviest_word, make_product, random_products

PARAMETERS = EngineParameters(
    ("scaled-2bit", "fp16", "paper-4bit"),
    port_bytes=16,
    lanes=3,
    activation_bits=8,
    batch=2,
    maximum_columns=40,  # the heaviest row below needs the accumulators' top bit
    maximum_rows=64,
    multiplier_bits=18,  # weights of the paper's formats in two parts
)
PALETTES = EngineParameters(
    ("palette-2bit", "scaled-4bit", "palette-4bit"),
    port_bytes=8,
    activation_bits=8,
    maximum_columns=40,
    maximum_rows=64,
)
"""An engine of palettes, one beat and several a table, beside seeds."""

TRELLISES = EngineParameters(
    ("trellis-3bit", "scaled-4bit", "trellis-4bit", "trellis-2bit", "trellis-2.5bit"),
    port_bytes=8,
    activation_bits=8,
    maximum_columns=40,
    maximum_rows=64,
)
"""An engine of several rates of the trellis code, one of half bits among them, beside seeds."""

SHAPES = (
    ("scaled-2bit", 4, 40, 2),
    ("paper-4bit", 4, 40, 2),
    ("fp16", 3, 40, 2),
    ("paper-4bit", 18, 8, 1),
    ("scaled-2bit", 1, 7, 1),
    ("fp16", 2, 1, 1),
)

MUTANTS = {
    "generator: a tap is missing": ("engine/generator.py", "in block_format.taps:", "in block_format.taps[1:]:"),
    "generator: matrix starts at the seed": ("engine/generator.py", "first = c * P + 1\n", "first = c * P\n"),
    "generator: tables a bit too narrow": (
        "engine/generator.py",
        "signed(signed_bits(P << (self._format.coefficient_bits - 1 + P - 2)))",
        "signed(signed_bits(P << (self._format.coefficient_bits - 1 + P - 2)) - 1)",
    ),
    "generator: constant of odd sums": ("engine/generator.py", "odd_groups * ((1 << b) - 1)", "odd_groups"),
    "generator: index not inverted under a minus": (
        "engine/generator.py",
        "index = signs[:free] ^ minus.replicate(free)",
        "index = signs[:free]",
    ),
    "generator: shift a cycle early": (
        "engine/generator.py",
        "range(GENERATOR_LATENCY - 1)",
        "range(GENERATOR_LATENCY - 2)",
    ),
    "generator: exponent without bias": ("engine/generator.py", "^ (1 << (exponent_bits - 1))", "^ 0"),
    "lane: activations without sign": (
        "engine/lane.py",
        "product.eq(part * activation)",
        "product.eq(part * activation.as_unsigned())",
    ),
    "lane: parts of a weight": ("engine/lane.py", "products.append(product << places)", "products.append(product)"),
    "lane: odd term of the tree": ("engine/lane.py", "else terms[index]", "else terms[0]"),
    "mux: index": ("mux.py", "Mux(index == position, choice, chosen)", "Mux(index != position, choice, chosen)"),
    "fp16 lane: subnormal taken for normal": ("engine/fp16_lane.py", "normal = exponent != 0", "normal = Const(1)"),
    "fp16 lane: exponent bias": ("engine/fp16_lane.py", "exponent - 1, 0", "exponent, 0"),
    "fp16 lane: sign": ("engine/fp16_lane.py", "Mux(sign, -magnitude, magnitude)", "magnitude"),
    "fp16 lane: shift a cycle early": (
        "engine/fp16_lane.py",
        "places.eq(places_early)",
        "places.eq(Mux(normal, exponent - 1, 0))",
    ),
    "engine: lanes swapped": (
        "engine/engine.py",
        "beat[i * lane_format.word_bits :]",
        "beat[(i ^ 1) * lane_format.word_bits :]",
    ),
    "engine: activations a cycle early": (
        "engine/engine.py",
        "range(1 + GENERATOR_LATENCY - ActivationMemory.LATENCY)",
        "range(GENERATOR_LATENCY - ActivationMemory.LATENCY)",
    ),
    "activation memory: block select": (
        "engine/activation_memory.py",
        "word[(b * size + c) * bits :]",
        "word[(b * size + c + 1) * bits :]",
    ),
    "activation memory: vector": ("engine/activation_memory.py", "& (self.write.vector == vector)", ""),
    "sequencer: blocks": (
        "engine/sequencer.py",
        "block == before_last",
        "block == self.command.column_blocks",
    ),
    "sequencer: row groups": (
        "engine/sequencer.py",
        "m.If(group == self.command.row_groups)",
        "m.If(group + 1 == self.command.row_groups)",
    ),
    "sequencer: words": ("engine/sequencer.py", "block + blocks_per_word >", "block + blocks_per_word >="),
    "sequencer: next command too early": (
        "engine/sequencer.py",
        "m.If(self.i_command.valid & self.idle)",
        "m.If(self.i_command.valid)",
    ),
    "sequencer: slots ignored": ("engine/sequencer.py", "self.slot_free | ~last_block", "1"),
    "accumulators: not cleared": ("engine/accumulators.py", "accumulator.eq(0)", "accumulator.eq(total)"),
    "accumulators: a bit too narrow": (
        "engine/accumulators.py",
        "bits = self._parameters.accumulator_bits\n        totals",
        "bits = self._parameters.accumulator_bits - 1\n        totals",
    ),
    "accumulators: slots never given back": (
        "engine/accumulators.py",
        "used + self.reserve - leaving",
        "used + self.reserve",
    ),
    "accumulators: a slot too many": ("engine/accumulators.py", "used != RESULT_SLOTS)", "used != RESULT_SLOTS + 1)"),
    "accumulators: beats of another format": ("engine/accumulators.py", "last_beats[self.format]", "last_beats[0]"),
}
"""File, text and what takes its place."""

PALETTE_MUTANTS = {
    "palette: table too early": (
        "engine/palette.py",
        "m.d.sync += [data.eq(self.data), beat.eq(self.beat), write.eq(self.write)]",
        "m.d.comb += [data.eq(self.data), beat.eq(self.beat), write.eq(self.write)]",
    ),
    "palette: looked up a cycle late": ("engine/palette.py", "    LOOK_UP = 2", "    LOOK_UP = 3"),
    "palette: codes": ("engine/palette.py", "word.word_select(c, self", "word.word_select(c ^ 1, self"),
    "palette: parts of a table": ("engine/palette.py", "write & (beat == place)", "write"),
    "sequencer: table goes on": ("engine/sequencer.py", "(block < table_blocks)", "(block <= table_blocks)"),
    "sequencer: table ends early": ("engine/sequencer.py", "(block < table_blocks)", "(block < table_blocks - 1)"),
}

TRELLIS_MUTANTS = {
    "trellis: rows run into one another": ("engine/trellis.py", "& ~self.first.replicate(self._length)", ""),
    "trellis: the register moves without a word": ("engine/trellis.py", "m.If(self.valid)", "m.If(1)"),
    "trellis: the register keeps a bit too few": (
        "engine/trellis.py",
        "f.word_bits :][: self._length]",
        "f.word_bits + 1 :][: self._length]",
    ),
    "trellis: windows a bit early": ("engine/trellis.py", "length - 1 - bit for bit", "length - bit for bit"),
    "trellis: all weights take as many bits": (
        "engine/trellis.py",
        "trellis_format.fresh(earlier)",
        "trellis_format.fresh(0)",
    ),
    "trellis: rates": ("engine/trellis.py", "choose(self.rate, indices)", "indices[0]"),
    "trellis: lower half not mirrored": (
        "engine/trellis.py",
        "index[:-1] ^ is_below.replicate(len(place))",
        "index[:-1]",
    ),
    "trellis: lower half not inverted": (
        "engine/trellis.py",
        "magnitude ^ below_late.replicate(magnitude_bits)",
        "magnitude",
    ),
    "trellis: sign a cycle early": ("engine/trellis.py", "below_late.eq(below)", "below_late.eq(is_below)"),
    "lane: rate": ("engine/lane.py", "formats.index(f) if f in formats else 0", "0"),
    "engine: words without marks": ("engine/engine.py", "lane.valid.eq(valid)", "lane.valid.eq(1)"),
    "engine: mark a cycle early": (
        "engine/engine.py",
        "lane.first.eq(first)",
        "lane.first.eq(sequencer.weights_first)",
    ),
    "sequencer: first word": ("engine/sequencer.py", "weights_first.eq(block == 0)", "weights_first.eq(block == 1)"),
}


def heaviest_product() -> Product:
    """A row whose sum needs the top bit of the accumulators."""
    preset, columns = PRESETS["paper-4bit"], PARAMETERS.maximum_columns
    words = torch.full((1, preset.blocks(columns)), heaviest_word(preset))
    matrix = EncodedMatrix(preset, words, torch.ones(1), columns)
    return make_product(PARAMETERS, matrix, heaviest_activations(integer_weights(matrix)[0], 8))


def expected_beats(product: Product) -> tuple[list[int], list[int]]:
    """What must come back, and which of its bits mean anything: rows past the last and padding do not."""
    parameters, weight_format = product.parameters, format_of(product.matrix, product.parameters)
    rows, lanes = product.matrix.rows, parameters.lanes_for(weight_format)
    groups = parameters.row_groups(weight_format, rows)
    width = parameters.result_beats(weight_format) * parameters.results_per_beat
    planes = []
    for values in (product.expected, torch.full_like(product.expected, -1)):
        in_groups = torch.zeros(groups, len(values), width, dtype=torch.int64)
        by_lane = torch.nn.functional.pad(values, (0, groups * lanes - rows)).view(-1, groups, lanes)
        in_groups[..., :lanes] = by_lane.transpose(0, 1)
        planes.append(to_vectors(in_groups.view(-1, parameters.results_per_beat).numpy(), 64))
    return planes[0], planes[1]


def mixed_products() -> list[Product]:
    """Products of seeds and FP16, and one whose sum needs the accumulators' top bit."""
    torch.manual_seed(24)
    return [heaviest_product(), *random_products(PARAMETERS, SHAPES)]


def palette_products() -> list[Product]:
    """Products of palettes and of seeds after them."""
    torch.manual_seed(25)
    shapes = [(name, rows, 40, 1) for rows in (40, 3) for name in PALETTES.formats]
    return list(random_products(PALETTES, shapes))


def trellis_products() -> list[Product]:
    """Products of those rates, a row of one word and rows of several."""
    torch.manual_seed(26)
    shapes = [(name, rows, columns, 1) for rows, columns in ((11, 40), (2, 8)) for name in TRELLISES.formats]
    return list(random_products(TRELLISES, shapes))


CHECKS = {
    "mixed": (mixed_products, MUTANTS),
    "palettes": (palette_products, PALETTE_MUTANTS),
    "trellises": (trellis_products, TRELLIS_MUTANTS),
}
"""Products of one engine, and the faults that they must find."""


@pytest.fixture(scope="module")
def products(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every check's products, as JSON."""
    return {name: write_products(make(), tmp_path_factory.mktemp(name)) for name, (make, _) in CHECKS.items()}


def write_products(chosen: list[Product], folder: Path) -> Path:
    """Products of one engine for ``check_engine``."""
    expected, masks = zip(*map(expected_beats, chosen), strict=True)
    content = {
        "parameters": dataclasses.asdict(chosen[0].parameters),
        "commands": [product.command for product in chosen],
        "beats": [beat for product in chosen for beat in product.beats],
        "expected": [beat for beats in expected for beat in beats],
        "masks": [beat for beats in masks for beat in beats],
    }
    file = folder / "products.json"
    file.write_text(json.dumps(content))
    return file


def copy_of_the_hardware(folder: Path) -> Path:
    """A copy of the package ``hw`` that a process started in ``folder`` imports first."""
    return Path(shutil.copytree(Path(hw.__file__).parent, folder / "hw"))


def verdict(folder: Path, products: Path) -> str:
    """What the check says of the hardware in ``folder``."""
    path = os.pathsep.join([str(folder), str(Path(__file__).parents[2]), *sys.path])
    command = [sys.executable, "-m", "tests.hw.check_engine", str(products)]
    run = subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    assert not run.returncode, run.stderr
    return run.stdout.strip()


@pytest.mark.parametrize("check", CHECKS)
def test_the_check_passes_on_the_hardware_as_it_is(check: str, products: dict[str, Path], tmp_path: Path) -> None:
    copy_of_the_hardware(tmp_path)
    assert verdict(tmp_path, products[check]) == "exact"


@pytest.mark.parametrize(
    ("check", "name"), [(check, name) for check, (_, mutants) in CHECKS.items() for name in mutants]
)
def test_the_check_finds(check: str, name: str, products: dict[str, Path], tmp_path: Path) -> None:
    plant(CHECKS[check][1][name], tmp_path)
    assert verdict(tmp_path, products[check]) in ("wrong", "lost")


def plant(mutant: tuple[str, str, str], folder: Path) -> None:
    """A changed copy of the hardware in a folder."""
    file, text, replacement = mutant
    source = copy_of_the_hardware(folder) / file
    original = source.read_text()
    assert text in original, f"{text!r} is no longer in hw/{file}; write this mutant anew"
    source.write_text(original.replace(text, replacement))
