import pytest
import torch

from formats.router.descriptor import RouterParameters
from golden_models.decoder import Decoder
from golden_models.victor import Prompt, VictorParameters, outside_images
from papers.digit_scenes import Scenes, draw_scenes
from papers.report import Report
from papers.victor import (
    Choices,
    fastv_accuracy,
    measure,
    victor_accuracy,
)
from papers.victor_training import LAYERS, VisionLanguageModel, accuracy, new_model, one_question, train
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.methods.victor import on_device
from tests.models import tiny_llama
from tests.papers.some_papers import alike

ROUTER = RouterParameters(keys=64, slots=4, sets=1, ways=1)
PROMPT = Prompt(torch.zeros(40, 8), ((3, 10), (20, 9)))


def scenes(count: int = 64, held_out: bool = False) -> Scenes:
    return draw_scenes(count, 1, held_out, seed=0)


def test_choices_are_noted_and_compared() -> None:
    device, choices = EmulatedDevice(router=ROUTER), Choices()
    choices.watched("RANGE", device, on_device.outside_images(device, 40, PROMPT.images), outside_images(PROMPT))(None)
    assert choices.as_golden
    assert len(choices.kept["RANGE"][0]) == 21
    assert choices.cycles["RANGE"] > 0
    choices.watched("RANGE", device, outside_images(PROMPT), lambda _: torch.ones(40, dtype=torch.bool))(None)
    assert not choices.as_golden


def test_a_visual_token_is_a_patch_of_four_by_four_points() -> None:
    model, drawn = new_model(), scenes(2)
    prompt = model.prompt(drawn.images, one_question(drawn))
    assert prompt.images == ((0, 16),)
    patch = drawn.images[1, 0, 4:8, 8:12].flatten()  # second row of patches, third column
    expected = patch @ model.projector.T + model.patch_positions[6]
    torch.testing.assert_close(prompt.hidden_states[1, 6], expected)
    assert torch.equal(prompt.hidden_states[1, 16], model.decoder.embedding[1])


def test_new_registers_leave_the_model_as_it_was() -> None:
    dense = new_model()
    copied = dense.with_registers(3)
    assert copied.registers.shape == (3, 64)
    for one, other in zip(dense.tensors()[3:], copied.tensors()[3:], strict=True):
        assert torch.equal(one, other)
        assert one.data_ptr() != other.data_ptr()
    train(copied, VictorParameters(3, 1), scenes(), 2)
    assert not torch.equal(copied.decoder.head, dense.decoder.head)
    assert torch.equal(new_model().decoder.head, dense.decoder.head)


def test_every_tensor_is_trained_and_training_repeats_itself() -> None:
    models = [new_model(layers=2).with_registers(2) for _ in range(2)]
    losses = [train(model, VictorParameters(2, 1), scenes(), 3) for model in models]
    assert losses[0] == losses[1]
    for trained, other, before in zip(
        *(model.tensors() for model in (*models, new_model(layers=2).with_registers(2))), strict=True
    ):
        assert torch.equal(trained, other)
        assert not torch.equal(trained, before)


def test_accuracy_counts_the_digit_that_is_asked_for() -> None:
    drawn = scenes(8)
    questions = one_question(drawn)
    assert questions[:, 0].tolist() == [0, 1, 2, 3, 0, 1, 2, 3]

    class Knows(VisionLanguageModel):
        def answers(self, prompt: Prompt, drop_layer: int, questions: int, keep: object = None) -> torch.Tensor:
            asked = torch.arange(8) % 4
            answer = drawn.digits[torch.arange(8), asked].clone()
            answer[:2] = (answer[:2] + 1) % 10
            return torch.nn.functional.one_hot(answer, 10)[:, None].float()

    assert accuracy(Knows(**vars(new_model())), 0, drawn) == 6 / 8


def test_a_drop_behind_all_layers_answers_as_the_dense_model() -> None:
    model, drawn, device = new_model(), scenes(32, held_out=True), EmulatedDevice(router=ROUTER)
    dense = accuracy(model, LAYERS, drawn)
    assert victor_accuracy(model, VictorParameters(0, LAYERS), drawn, device, Choices()) == dense
    assert fastv_accuracy(model, 16, drawn, device, Choices()) == dense


@pytest.mark.usefixtures("narrow_port")
def test_both_devices_choose_alike() -> None:
    backbone = Decoder.from_transformers(tiny_llama())
    points = (VictorParameters(8, 3), VictorParameters(1, 1))

    def report(device: str) -> Report:
        return measure(device, 2, 2, points, scenes=64, judged=16, fastv_judged=4, backbone=backbone)

    emulated, simulated = report("emulated"), report("simulated")
    assert emulated.details == simulated.details
    assert len(emulated.details["kept rows"]["Victor"]) == 2
    assert len(emulated.details["kept rows"]["FastV"]) == 16
    timed = "router cycles", "CPU time"
    assert alike(emulated.figures, *timed) == alike(simulated.figures, *timed)
    assert emulated.findings["loss"].ours == simulated.findings["loss"].ours
    ours = emulated.figures
    assert ours["rows chosen by the device as by the golden model"] == "yes"
