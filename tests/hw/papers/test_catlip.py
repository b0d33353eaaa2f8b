"""CatLIP in RTL: the best of 24,320 classes in tiles, synsets that are counted often, rows of the head as seeds."""

import torch
from safetensors import safe_open
from torch import Tensor
from transformers import AutoTokenizer

from formats.activations import quantise_activations
from formats.presets import PRESETS
from formats.router.descriptor import Bound, KeyFormat, Opcode, Quota
from formats.router.numbers import COUNT, SQ7_16, encode, threshold
from golden_models.catlip.labels import CLASSES, COUNT_ABOVE, Vocabulary, count_synsets
from golden_models.router.selection import TopK, topk
from golden_models.router.unit import RouterUnit
from papers.catlip import WORD_VECTORS
from sw_runtime.device.protocol import Request
from sw_runtime.routing.commands import load_keys, request
from sw_runtime.search.search import encode_matrix
from sw_runtime.texts.corpora import news
from sw_runtime.texts.packaged_data import minilm_folder, picture_captions, wordnet
from tests.hw.papers.products import ENGINE, check_products
from tests.hw.papers.router import ROUTER, check_packets
from tests.hw.router.problems import Problem

BEST, FREQUENT = 0, 1
KEEP = 10


def word_vectors() -> Tensor:
    """MiniLM's, [30522, 384]: rows of a head."""
    with safe_open(minilm_folder() / "model.safetensors", "pt") as file:
        return file.get_tensor(WORD_VECTORS)


def caption_vector(vectors: Tensor) -> Tensor:
    """The mean of a real caption's words: [384]."""
    tokenizer = AutoTokenizer.from_pretrained(minilm_folder())
    return vectors[tokenizer(picture_captions()[2], add_special_tokens=False)["input_ids"]].mean(dim=0)


def best_of_tiles(unit: RouterUnit, keys: Tensor) -> tuple[list[Request], Tensor]:
    """The best of each tile, then the best of those: commands, and classes, ascending int64 [KEEP]."""
    sent: list[Request] = []

    def best(tile: Tensor) -> Tensor:
        commands = [load_keys(tile), request(Opcode.TOPK, n=len(tile), x=KEEP, dst=BEST)]
        for command in commands:
            unit.execute(command.command, command.data)
        sent.extend(commands)
        return unit.memory.bitmaps[BEST, : len(tile)].nonzero().flatten()

    tiles = keys.split(ROUTER.keys)
    candidates = torch.cat([best(tile) + index * ROUTER.keys for index, tile in enumerate(tiles)])
    return sent, candidates[best(keys[candidates])]


def test_the_best_of_24320_classes_in_six_tiles_and_counts_above_a_threshold() -> None:
    vectors, unit = word_vectors(), RouterUnit(ROUTER)
    logits = vectors[:CLASSES] @ caption_vector(vectors)
    keys = encode(SQ7_16.quantise(logits), KeyFormat.S24)
    sent, classes = best_of_tiles(unit, keys)
    assert len(sent) == 2 * (6 + 1)
    assert classes.tolist() == topk(keys, TopK(Quota.KEEP, KEEP)).nonzero().flatten().tolist()
    counts = count_synsets(news().split("\n"), wordnet())
    values = COUNT.quantise(torch.tensor(list(counts.values())[: ROUTER.keys], dtype=torch.float64))
    for bound in (COUNT_ABOVE, 100, 5):
        flags = KeyFormat.U24 | Bound.FIELD << 3
        key, closed = threshold(bound, ">", COUNT)
        assert not closed
        command = request(Opcode.FILTER, values.tolist(), flags, n=len(values), x=key, dst=FREQUENT)
        unit.execute(command.command, command.data)
        frequent = unit.memory.bitmaps[FREQUENT, : len(values)].nonzero().flatten().tolist()
        expected = Vocabulary.above(dict(list(counts.items())[: ROUTER.keys]), bound).keys
        assert {list(counts)[index] for index in frequent} == set(expected)
        sent.append(command)
    assert frequent
    check_packets([Problem(command.command, command.data) for command in sent])


def test_rows_of_the_head_give_the_golden_results() -> None:
    vectors = word_vectors()
    activations, _ = quantise_activations(caption_vector(vectors)[None], ENGINE.activation_bits)
    rows = encode_matrix(vectors[CLASSES - 64 : CLASSES], PRESETS["scaled-4bit"])
    check_products(ENGINE, [(rows, activations)])
