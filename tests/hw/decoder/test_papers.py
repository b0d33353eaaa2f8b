"""Papers' methods as programs on a simulated board: tokens and keys are the emulated decoder's."""

from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from peft import LoraConfig, get_peft_model

from formats.decoder.program import MatrixPlace, Program
from formats.errors import InputError
from formats.matrices import Matrix
from sw_runtime.decoder.adapters import with_fast_stream
from sw_runtime.decoder.compiler import compile_program, draft_program, exit_program
from sw_runtime.decoder.emulated import EmulatedDecoder
from sw_runtime.decoder.experts import nested_expert
from sw_runtime.decoder.image.file import Image
from sw_runtime.decoder.image.memory_map import WHOLE
from sw_runtime.decoder.on_board import BoardDecoder
from sw_runtime.decoder.parts import DecoderParts
from sw_runtime.decoder.sampling import BestTokens
from sw_runtime.decoder.speculation import DRAFT, speculation_rounds
from sw_runtime.nn.lora import register_lora
from tests.hw.decoder.decoders import FORMATS, MEMORY, build_decoder, open_board, open_decoder
from tests.sw_runtime.decoder.models import parts_of, random_adapter, tiny_model

KV_BITS = 8
PROMPT = [5, 17, 80, 3]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_decoder(tmp_path_factory.mktemp("decoder"))


@cache
def subject(adapted: bool = False) -> tuple[DecoderParts, NDArray[Any]]:
    """Parts of a model of three layers and its embeddings; ``adapted`` by peft beside two of its products."""
    model = tiny_model("mistral", FORMATS)
    embeddings = model.get_input_embeddings().weight.detach().numpy()
    if adapted:
        config = LoraConfig(r=6, target_modules=["k_proj", "down_proj"], init_lora_weights=False)
        model = get_peft_model(model, register_lora(config)).get_base_model()
    return parts_of(model), embeddings


class Pair:
    """The same text on a board and on the emulated decoder: every answer is compared."""

    def __init__(
        self,
        library: Path,
        matrices: dict[MatrixPlace, Matrix],
        program: Program,
        others: dict[str, Program],
    ) -> None:
        image = Image.of(program, matrices, MEMORY, others)
        self.emulated = EmulatedDecoder(program, matrices, others)
        self.board: BoardDecoder = open_decoder(open_board(library), image)
        self.cycles: dict[str, list[int]] = {}

    def take(self, token: int, program: str = WHOLE) -> int:
        embedding = subject()[1][token]
        keys, taken = (
            self.emulated.take(embedding[None], program=program)[0],
            self.board.take(embedding[None], program=program),
        )
        (token,), (key,) = taken.best.tokens.tolist(), taken.best.keys.tolist()
        wanted = BestTokens.of(keys, 1)
        assert ([token], [key]) == (wanted.tokens.tolist(), wanted.keys.tolist())
        self.cycles.setdefault(program, []).append(taken.cycles)
        return token

    def rewind(self, tokens: int) -> None:
        self.emulated.rewind(tokens)
        self.board.rewind(tokens)

    def greedy(self, tokens: int) -> list[int]:
        """Likeliest tokens behind ``PROMPT``."""
        found = [*map(self.take, PROMPT)][-1:]
        while len(found) < tokens:
            found.append(self.take(found[-1]))
        return found


def test_exits_take_turns_with_the_whole_program_and_cost_less(library: Path) -> None:
    parts = subject()[0]
    leaving = {f"exit {layers}": exit_program(parts, KV_BITS, layers) for layers in (1, 2)}
    pair = Pair(library, parts.matrices, compile_program(parts, KV_BITS), leaving)
    token = PROMPT[0]
    for place in range(9):
        token = pair.take(token, (WHOLE, "exit 1", "exit 2")[place % 3])
    mean = {name: np.mean(cycles) for name, cycles in pair.cycles.items()}
    assert mean["exit 1"] < 0.8 * mean["exit 2"] < 0.8 * mean[WHOLE]
    with pytest.raises(InputError, match="the image has no area 'exit 3'; it has program, exit 1, exit 2, constants"):
        pair.board.take(subject()[1][:1], program="exit 3")
    pair.board.close()


def test_experts_run_from_the_dense_matrices_and_cost_less(library: Path) -> None:
    parts = subject()[0]
    experts = {f"expert {number}": nested_expert(parts, number, 3) for number in range(2)}
    matrices = {place: matrix for each in (parts, *experts.values()) for place, matrix in each.matrices.items()}
    others = {name: compile_program(each, KV_BITS) for name, each in experts.items()}
    pair = Pair(library, matrices, compile_program(parts, KV_BITS), others)
    token = PROMPT[0]
    for place in range(6):
        token = pair.take(token, ("expert 1", WHOLE, "expert 0")[place % 3])
    mean = {name: np.mean(cycles) for name, cycles in pair.cycles.items()}
    assert mean["expert 0"] < 0.9 * mean["expert 1"] < 0.9 * mean[WHOLE]
    pair.board.close()


def test_speculation_writes_the_text_of_greedy_decoding(library: Path) -> None:
    parts = subject()[0]
    fast = with_fast_stream(parts, [random_adapter(1)], FORMATS[2])
    programs = compile_program(parts, KV_BITS), {DRAFT: draft_program(fast, KV_BITS, 1)}
    pair = Pair(library, fast.matrices, *programs)
    for token in PROMPT[:-1]:
        pair.take(token)
    rounds = islice(speculation_rounds(pair.take, pair.rewind, len(PROMPT) - 1, PROMPT[-1], 2), 4)
    tokens = [token for each in rounds for token in each.tokens]
    pair.rewind(0)
    assert tokens == pair.greedy(len(tokens))
    assert np.mean(pair.cycles[DRAFT]) < np.mean(pair.cycles[WHOLE])
    pair.board.close()


def test_adapters_run_beside_their_products_and_cost_cycles(library: Path) -> None:
    parts, plain = subject(adapted=True)[0], subject()[0]
    pair = Pair(library, parts.matrices, compile_program(parts, KV_BITS), {"dense": compile_program(plain, KV_BITS)})
    texts = []
    for program in (WHOLE, "dense"):
        pair.rewind(0)
        texts.append([pair.take(token, program) for token in PROMPT])
    assert texts[0] != texts[1], "adapters change the text"
    assert 1 < np.mean(pair.cycles[WHOLE]) / np.mean(pair.cycles["dense"]) < 2
    pair.board.close()
