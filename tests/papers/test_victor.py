from collections.abc import Sequence

import pytest
import torch

from formats.router.descriptor import RouterParameters
from golden_models.decoder import Decoder
from golden_models.victor import Prompt, VictorParameters, assemble, outside_images, prefill
from papers import victor
from papers.report import Report
from papers.victor import (
    JUDGED,
    PAPER,
    WRITTEN,
    Choices,
    fastv_answers,
    measure,
    seconds_until,
    speed_ups,
    victor_answers,
)
from papers.victor_scenes import Grids, draw_grids
from papers.victor_training import LAYERS, VISUAL, VisionLanguageModel, new_model, one_question, right_answers, train
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.methods.victor import on_device
from tests.models import tiny_llama
from tests.papers.some_papers import alike

ROUTER = RouterParameters(keys=64, slots=4, sets=1, ways=1)
PROMPT = Prompt(torch.zeros(40, 8), ((3, 10), (20, 9)))


def grids(count: int = 64, held_out: bool = False) -> Grids:
    return draw_grids(count, held_out, seed=0)


def test_choices_are_noted_and_compared() -> None:
    device, choices = EmulatedDevice(router=ROUTER), Choices()
    choices.watched("RANGE", device, on_device.outside_images(device, 40, PROMPT.images), outside_images(PROMPT))(None)
    assert choices.as_golden
    assert len(choices.kept["RANGE"][0]) == 21
    assert choices.cycles["RANGE"] > 0
    choices.watched("RANGE", device, outside_images(PROMPT), lambda _: torch.ones(40, dtype=torch.bool))(None)
    assert not choices.as_golden


def test_a_visual_token_is_a_digit_of_eight_by_eight_points() -> None:
    model, drawn = new_model(), grids(2)
    prompt = model.prompt(drawn.images, one_question(drawn)[0])
    assert prompt.images == ((0, VISUAL),)
    digit = drawn.images[1, 0, 8:16, 16:24].flatten()  # second row, third column
    expected = digit @ model.projector.T + model.patch_positions[5]
    torch.testing.assert_close(prompt.hidden_states[1, 5], expected)
    assert torch.equal(prompt.hidden_states[1, VISUAL], model.decoder.embedding[drawn.digits[1, 1]])


def test_new_registers_leave_the_model_as_it_was() -> None:
    dense = new_model()
    copied = dense.with_registers(3)
    assert copied.registers.shape == (3, 64)
    for one, other in zip(dense.tensors()[3:], copied.tensors()[3:], strict=True):
        assert torch.equal(one, other)
        assert one.data_ptr() != other.data_ptr()
    train(copied, VictorParameters(3, 1), grids(), 2, 1)
    assert not torch.equal(copied.decoder.head, dense.decoder.head)
    assert torch.equal(new_model().decoder.head, dense.decoder.head)


def test_every_tensor_is_trained_and_training_repeats_itself() -> None:
    models = [new_model(layers=2).with_registers(2) for _ in range(2)]
    losses = [train(model, VictorParameters(2, 1), grids(), 3, 2) for model in models]
    assert losses[0] == losses[1]
    for trained, other, before in zip(
        *(model.tensors() for model in (*models, new_model(layers=2).with_registers(2))), strict=True
    ):
        assert torch.equal(trained, other)
        assert not torch.equal(trained, before)


def test_training_asks_as_many_questions_as_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[torch.Tensor] = []
    prompt = VisionLanguageModel.prompt

    def noted(self: VisionLanguageModel, images: torch.Tensor, questions: torch.Tensor) -> Prompt:
        asked.append(questions)
        return prompt(self, images, questions)

    monkeypatch.setattr(VisionLanguageModel, "prompt", noted)
    for count in (1, 9):
        train(new_model(layers=1), VictorParameters(0, 1), grids(), 1, count)
    assert [questions.shape for questions in asked] == [(64, 1), (64, 9)]
    assert all(len(set(row)) == 9 for row in asked[1].tolist())


def test_an_answer_is_right_that_names_the_digit_behind_the_one_asked_for() -> None:
    drawn = grids(11)
    questions, answers = one_question(drawn)
    assert torch.equal(questions[:, 0], drawn.digits[torch.arange(11), torch.arange(11) % 9])

    class Knows(VisionLanguageModel):
        def answers(self, prompt: Prompt, drop_layer: int, questions: int, keep: object = None) -> torch.Tensor:
            given = answers.clone()
            given[:2] = (given[:2] + 1) % 10
            return torch.nn.functional.one_hot(given, 10).float()

    assert right_answers(Knows(**vars(new_model())), 0, drawn).tolist() == [False] * 2 + [True] * 9


def test_a_drop_behind_all_layers_answers_as_the_dense_model() -> None:
    model, drawn, device = new_model(), grids(32, held_out=True), EmulatedDevice(router=ROUTER)
    dense = right_answers(model, LAYERS, drawn)
    answers = victor_answers(model, VictorParameters(0, LAYERS), drawn, device, Choices())
    assert torch.equal(answers, dense)
    assert torch.equal(fastv_answers(model, VISUAL, drawn, device, Choices()), dense)


def some_prompt(texts: int) -> Prompt:
    generator = torch.Generator().manual_seed(0)
    image, words = (torch.randn(texts, rows, 64, generator=generator) for rows in (6, 3))
    return assemble([words[:, :0], words], [image], torch.zeros(0, 64))


def test_time_is_noted_when_so_many_tokens_are_written() -> None:
    backbone = Decoder.from_transformers(tiny_llama())
    seconds = seconds_until(backbone, some_prompt(2), len(backbone.layers), (1, 4))
    assert list(seconds) == [1, 4]
    assert 0 < seconds[1] < seconds[4]


def test_what_is_timed_writes_the_likeliest_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    backbone, prompt = Decoder.from_transformers(tiny_llama()), some_prompt(2)
    embedded: list[torch.Tensor] = []

    def embed(self: Decoder, tokens: torch.Tensor) -> torch.Tensor:
        embedded.append(tokens)
        return self.embedding[tokens]

    monkeypatch.setattr(Decoder, "embed", embed)
    seconds_until(backbone, prompt, len(backbone.layers), (3,))
    for text, rows in enumerate(prompt.hidden_states):
        for tokens in embedded:
            whole = prefill(backbone, Prompt(rows, ()), len(backbone.layers), lambda _: torch.ones(0))
            likeliest = backbone.logits(whole.hidden_states[-1:]).argmax()
            assert tokens[text, 0] == likeliest
            rows = torch.cat([rows, backbone.embedding[likeliest][None]])
    assert len(embedded) == 2


def test_a_speed_up_is_the_dense_time_over_that_with_registers(monkeypatch: pytest.MonkeyPatch) -> None:
    timed: list[tuple[torch.Size, int]] = []

    def told(backbone: Decoder, prompt: Prompt, drop_layer: int, written: Sequence[int]) -> dict[int, float]:
        timed.append((prompt.hidden_states.shape, drop_layer))
        return {count: len(timed) * 2.0 + count for count in written}

    monkeypatch.setattr(victor, "seconds_until", told)
    backbone = Decoder.from_transformers(tiny_llama())
    assert speed_ups(backbone, PAPER, texts=2, written=(1, 8)) == {1: 3 / 5, 8: 10 / 12}
    width = backbone.embedding.shape[1]
    assert timed == [((2, 576 + 64, width), len(backbone.layers)), ((2, 576 + 64 + 8, width), 3)]


@pytest.mark.usefixtures("narrow_port")
def test_both_devices_choose_alike() -> None:
    backbone = Decoder.from_transformers(tiny_llama())
    points = (JUDGED, VictorParameters(1, 3))

    def report(device: str) -> Report:
        return measure(device, 2, 2, points, scenes=64, judged=16, fastv_judged=4, backbone=backbone, texts=1)

    emulated, simulated = report("emulated"), report("simulated")
    assert emulated.details == simulated.details
    assert len(emulated.details["kept rows"]["Victor"]) == 2
    assert len(emulated.details["kept rows"]["FastV"]) == 16
    timed = "router cycles", "CPU time"
    assert alike(emulated.figures, *timed) == alike(simulated.figures, *timed)
    assert emulated.findings["loss"].ours == simulated.findings["loss"].ours
    ours = emulated.figures
    assert ours["rows chosen by the device as by the golden model"] == "yes"
    (whole,) = (value for name, value in ours.items() if f"{WRITTEN[-1]} tokens generated" in name)
    assert emulated.findings["throughput"].ours == whole
