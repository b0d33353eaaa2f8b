"""Drafts change no token of a text, only how often which program runs."""

from typing import Any

import numpy as np
import pytest

from formats.errors import InputError
from sw_runtime.decoder.compiler import compile_program, draft_program
from sw_runtime.decoder.emulated import EmulatedDecoder
from sw_runtime.decoder.image.memory_map import WHOLE
from sw_runtime.decoder.sampling import BestTokens
from sw_runtime.decoder.speculation import DRAFT, Round, speculation_rounds
from tests.sw_runtime.decoder.models import parts_of, tiny_model

PROMPT = [5, 17, 80, 3]
TOKENS = 20


class Emulated:
    """A text on the emulated decoder of a tiny model, and the programs that it ran behind its prompt."""

    def __init__(self, layers: int) -> None:
        model: Any = tiny_model("llama")
        self._embeddings = model.get_input_embeddings().weight.detach().numpy()
        parts = parts_of(model)
        draft = draft_program(parts, 8, layers)
        self.decoder = EmulatedDecoder(compile_program(parts, 8), parts.matrices, {DRAFT: draft})
        self.decoder.take(self._embeddings[PROMPT[:-1]])
        self.ran: list[str] = []

    def take(self, token: int, program: str = WHOLE) -> int:
        self.ran.append(program)
        return int(BestTokens.of(self.decoder.take(self._embeddings[[token]], program=program)[0], 1).tokens[0])

    def greedy(self) -> list[int]:
        tokens = [PROMPT[-1]]
        while len(tokens) <= TOKENS:
            tokens.append(self.take(tokens[-1]))
        return tokens[1:]

    def rounds(self, drafts: int) -> list[Round]:
        found: list[Round] = []
        for each in speculation_rounds(self.take, self.decoder.rewind, len(PROMPT) - 1, PROMPT[-1], drafts):
            found.append(each)
            if sum(len(each.tokens) for each in found) >= TOKENS:
                break
        return found


@pytest.mark.parametrize(("layers", "drafts"), [(1, 1), (1, 3), (2, 2), (2, 4)])
def test_the_text_is_greedy_decodings_and_each_token_one_run_of_the_whole_program(layers: int, drafts: int) -> None:
    subject = Emulated(layers)
    rounds = subject.rounds(drafts)
    assert [token for each in rounds for token in each.tokens][:TOKENS] == Emulated(layers).greedy()
    for each in rounds:
        right = int(np.cumprod(np.equal(each.drafts[: len(each.tokens)], each.tokens[: len(each.drafts)])).sum())
        assert len(each.tokens) == right + 1
    assert subject.ran.count(DRAFT) == drafts * len(rounds)
    assert subject.ran.count(WHOLE) == sum(len(each.tokens) for each in rounds)


def test_some_drafts_are_right_and_some_are_not() -> None:
    accepted = {len(each.tokens) - 1 for layers in (1, 2) for each in Emulated(layers).rounds(2)}
    assert 0 in accepted
    assert len(accepted) > 1


def test_no_drafts_are_refused() -> None:
    with pytest.raises(InputError, match="a round drafts at least one token, not 0"):
        next(speculation_rounds(Emulated(1).take, lambda _: None, 3, 3, 0))
