from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
import torch

import seedloom
from formats.errors import DeviceError
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.serve.writer import AbandonedError, Piece, Wanted, Writer

DRAWN: dict[str, Any] = {"do_sample": True, "temperature": 2.0}

ANSWERS = [
    Wanted([3, 7], 8),
    Wanted([5] * 20, 5, DRAWN, seed=1),
    Wanted([5] * 20, 5, DRAWN, seed=2),
    Wanted([9, 9, 9], 6, DRAWN, seed=1),
]


@pytest.fixture(scope="module")
def writer(chatting: Path) -> Iterator[Writer]:
    model, tokenizer = seedloom.load(chatting)
    device = EmulatedDevice()
    seedloom.attach(model, device)
    yield Writer(model, tokenizer, device)
    device.close()


def written(writer: Writer, wanted: Wanted) -> list[Piece]:
    told: list[Piece] = []
    writer.write(wanted, told.append, Event())
    return told


def in_words(told: list[Piece]) -> list[tuple[object, ...]]:
    """All but the seconds."""
    return [(piece.text, piece.tokens, piece.spent, piece.finish) for piece in told]


def test_an_answer_is_what_transformers_generates(writer: Writer) -> None:
    told = written(writer, ANSWERS[0])
    expected = writer.model.generate(torch.tensor([[3, 7]]), max_new_tokens=8, do_sample=False)[0, 2:]
    assert "".join(piece.text for piece in told).split() == [f"w{token}" for token in expected]
    assert [piece.tokens for piece in told] == [1, 2, 3, 4, 5, 6, 7, 8, 8]
    assert [piece.finish for piece in told] == [None] * 8 + ["length"]


def test_answers_are_the_same_alone_and_together(writer: Writer) -> None:
    alone = [in_words(written(writer, wanted)) for wanted in ANSWERS]
    together: dict[int, list[Piece]] = {}
    order: list[int] = []

    def write(name: int) -> None:
        told: list[Piece] = []

        def tell(piece: Piece) -> None:
            order.append(name)
            told.append(piece)

        writer.write(ANSWERS[name], tell, Event())
        together[name] = told

    threads = [Thread(target=write, args=(name,)) for name in range(len(ANSWERS))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [in_words(together[name]) for name in range(len(ANSWERS))] == alone
    assert len({told[-1][0:2] for told in alone}) > 1
    assert order != sorted(order), "they took turns"


def test_a_seed_decides_what_is_drawn_and_leaves_the_callers_random_numbers_alone(writer: Writer) -> None:
    one, other = (in_words(written(writer, wanted)) for wanted in ANSWERS[1:3])
    assert one != other
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    assert in_words(written(writer, ANSWERS[1])) == one
    assert torch.equal(torch.rand(3), expected)


def test_without_a_seed_every_answer_is_drawn_anew(writer: Writer) -> None:
    texts = {"".join(piece.text for piece in written(writer, Wanted([5] * 20, 8, DRAWN))) for _ in range(4)}
    assert len(texts) > 1


def test_counters_are_those_of_the_device(writer: Writer) -> None:
    device = writer._device
    assert device is not None
    before = device.counters - type(device.counters)()
    last = written(writer, ANSWERS[0])[-1]
    assert last.spent == device.counters - before
    assert last.spent.cycles > 0
    assert last.seconds > 0


def test_a_stop_ends_the_answer_and_is_no_part_of_it(writer: Writer) -> None:
    words = "".join(piece.text for piece in written(writer, ANSWERS[0])).split()
    told = written(writer, Wanted([3, 7], 8, stops=[words[2]]))
    assert "".join(piece.text for piece in told).split() == words[: words.index(words[2])]
    assert (told[-1].tokens, told[-1].finish) == (words.index(words[2]) + 1, "stop")


def test_the_models_end_of_text_ends_the_answer(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    token = int(writer.model.generate(torch.tensor([[3, 7]]), max_new_tokens=1, do_sample=False)[0, 2])
    monkeypatch.setattr(writer.model.generation_config, "eos_token_id", token)
    last = written(writer, ANSWERS[0])[-1]
    assert (last.tokens, last.finish) == (1, "stop")


def test_nobody_waits_so_no_further_token_is_made_and_the_next_has_its_turn(writer: Writer) -> None:
    gone, told = Event(), list[Piece]()

    def tell(piece: Piece) -> None:
        told.append(piece)
        if piece.tokens == 2:
            gone.set()

    with pytest.raises(AbandonedError):
        writer.write(ANSWERS[0], tell, gone)
    assert len(told) == 2
    assert written(writer, ANSWERS[0])[-1].finish == "length"


def test_a_device_that_stops_is_told_and_the_next_has_its_turn(chatting: Path) -> None:
    model, tokenizer = seedloom.load(chatting)
    device = EmulatedDevice()
    seedloom.attach(model, device)
    writer = Writer(model, tokenizer, device)
    device.close()
    for _ in range(2):
        with pytest.raises(DeviceError, match="the device is closed"):
            written(writer, ANSWERS[0])


def test_on_the_host_no_device_has_counters(chatting: Path) -> None:
    model, tokenizer = seedloom.load(chatting)
    told = written(Writer(model, tokenizer), Wanted([3, 7], 2))
    assert [piece.spent for piece in told] == [None] * 3
