from dataclasses import replace

import pytest
import torch

from formats.router.descriptor import RouterParameters
from golden_models.catlip.labels import Vocabulary, count_synsets
from golden_models.catlip.vit import ViT
from papers import catlip_training
from papers.catlip import (
    IMAGE,
    Head,
    best_classes,
    counted_above,
    head_speed_up,
    measure,
    run_head,
    transferred_accuracy,
)
from papers.catlip_training import (
    CLIP,
    Check,
    Trained,
    average_precision,
    caption_tokens,
    linear_probe,
    scene_targets,
    train_catlip,
    train_clip,
)
from papers.digit_scenes import NAMES, Scenes, draw_scenes
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.texts.packaged_data import wordnet
from tests.papers.some_papers import alike

SMALL = RouterParameters(keys=64, slots=4, sets=1, ways=1)


def test_the_best_of_tiles_are_the_best_of_all_ties_included() -> None:
    device = EmulatedDevice(router=SMALL)
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        logits = torch.randint(-4, 5, (150,), generator=generator).double()
        expected = sorted(logits.argsort(descending=True, stable=True)[:7].tolist())
        assert best_classes(device, logits, 7).tolist() == expected


def test_counts_are_compared_in_tiles_and_saturate() -> None:
    counts = {f"n{index}": index for index in range(150)} | {"n999": 1 << 40}
    assert counted_above(EmulatedDevice(router=SMALL), counts, 147) == {"n148", "n149", "n999"}


def test_a_device_runs_the_head_as_the_golden_models_do() -> None:
    head = Head.of_word_vectors(["an eagle", "the moon"], 150)
    run = run_head(EmulatedDevice(router=SMALL), head)
    assert run.as_golden
    assert [len(classes) for classes in run.best] == [10, 10]
    assert head.matrix.rows == 150
    assert run.engine_cycles > 0 < run.router_cycles


def test_average_precision_is_the_mean_of_precisions_at_hits() -> None:
    scores = torch.tensor([0.9, 0.1, 0.8, 0.7])
    assert average_precision(scores, torch.tensor([True, False, False, True])) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(scores, torch.tensor([False, True, False, False])) == 1 / 4


def test_captions_become_numbers_of_words() -> None:
    tokens, words = caption_tokens(["the digits one, two and one", "the digits two, two and three"])
    assert words == 6
    assert tokens.shape == (2, 6)
    assert tokens[0, 2] == tokens[0, 5] != tokens[0, 3] == tokens[1, 2]


def test_zero_has_no_class_for_its_synset_is_named_nothing() -> None:
    scenes = draw_scenes(50, 1, held_out=False, seed=0)
    vocabulary = Vocabulary.most_frequent(count_synsets(scenes.captions(), wordnet()))
    assert len(vocabulary.keys) == 10  # nine digits and "digit"
    targets = scene_targets(scenes, vocabulary, wordnet())
    present = scenes.present()
    assert torch.equal(targets.sum(dim=1), 1 + present[:, 1:].sum(dim=1))


def test_contrast_is_lowest_for_matching_pairs() -> None:
    torch.manual_seed(0)
    model = CLIP(IMAGE, 10, 5)
    scenes = draw_scenes(4, 4, held_out=False, seed=0)
    tokens = torch.randint(10, (4, 5))
    features = [model.image.features(scenes.images), model.text_projection(model.text(tokens))]
    one, other = (torch.nn.functional.normalize(x, dim=-1) for x in features)
    cosines = (one @ other.T / 0.07).double()
    both = [-cosines.log_softmax(dim=dim).diagonal().mean() for dim in (0, 1)]
    torch.testing.assert_close(model.loss(scenes.images, tokens).double(), sum(both) / 2, atol=1e-4, rtol=1e-4)


def test_a_probe_finds_what_features_hold() -> None:
    training, judged = (draw_scenes(200, 4, held_out, seed=0) for held_out in (False, True))
    torch.manual_seed(0)
    image = ViT(IMAGE)
    untrained = linear_probe(image, training, judged)
    image.features = lambda images: scenes_digits[len(images)]
    scenes_digits = {200: training.present().float()}
    told = linear_probe(image, training, training)
    assert untrained < 0.9 < told == pytest.approx(1)


def test_training_repeats_itself_and_learns() -> None:
    training, judged = draw_scenes(256, 4, held_out=False, seed=0), draw_scenes(128, 4, held_out=True, seed=1)
    vocabulary = Vocabulary.most_frequent(count_synsets(training.captions(), wordnet()))
    targets = scene_targets(training, vocabulary, wordnet())
    parameters = replace(IMAGE, layers=1, classes=len(vocabulary.keys))
    first, second = (train_catlip(parameters, training, targets, judged, 3) for _ in range(2))
    assert first.last.precision == second.last.precision
    contrast = train_clip(parameters, training, judged, 3)
    assert contrast.last.seconds > 0 < first.last.seconds
    assert contrast.last.precision != first.last.precision


def test_a_precision_is_reached_at_the_first_check_that_finds_it() -> None:
    checks = [Check(10 * n, 2.0 * n, found) for n, found in enumerate((0.6, 0.9, 0.8, 0.95), start=1)]
    trained = Trained(ViT(IMAGE), checks)
    assert trained.last.precision == 0.95
    assert [trained.reaching(precision).steps for precision in (0.5, 0.9, 0.95)] == [10, 20, 40]


def test_checks_come_every_so_many_steps_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catlip_training, "STEPS_A_CHECK", 2)
    training = draw_scenes(64, 4, held_out=False, seed=0)
    modes: list[bool] = []

    def probe(image: ViT, *scenes: Scenes) -> float:
        modes.append(image.training)
        image.eval()
        return 0.5

    monkeypatch.setattr(catlip_training, "linear_probe", probe)
    trained = train_clip(replace(IMAGE, layers=1), training, training, 5)
    assert [check.steps for check in trained.checks] == [2, 4, 5]
    assert modes == [True] * 3  # training goes on as it began
    seconds = [check.seconds for check in trained.checks]
    assert 0 < seconds[0] < seconds[1] < seconds[2]


def test_transfer_init_answers_with_rows_of_the_same_name() -> None:
    scenes = draw_scenes(100, 4, held_out=True, seed=0)
    keys = tuple(f"n{wordnet().first_synset(name)}" for name in NAMES)
    torch.manual_seed(0)
    image = ViT(replace(IMAGE, classes=10))
    image.features = lambda images: torch.eye(48)[scenes.digits[:, 0]]
    with torch.no_grad():
        image.classifier.weight.copy_(torch.eye(48)[:10])
        image.classifier.bias.zero_()
    transferred, drawn = transferred_accuracy(image, Vocabulary(keys), wordnet(), scenes)
    assert transferred == 1 > drawn


def test_the_head_of_b_is_four_times_as_fast_as_fp16() -> None:
    cycles, speed_up = head_speed_up("B")
    assert cycles == pytest.approx(24_320 * 768 / 128, rel=0.01)
    assert speed_up == pytest.approx(4, rel=0.01)


@pytest.mark.usefixtures("narrow_port")
def test_both_devices_choose_the_same_classes() -> None:
    reports = [measure(device, 2, 300, 2, 20_000, 64, 64) for device in ("emulated", "simulated")]
    assert reports[0].details == reports[1].details
    timed = "router cycles", "time of training"
    assert alike(reports[0].figures, *timed) == alike(reports[1].figures, *timed)
    assert reports[0].findings["precision"].ours == reports[1].findings["precision"].ours
    assert reports[0].findings["time"].ours
    ours = reports[0].figures
    assert ours["classes chosen and sums by the device as by the golden model"] == "yes"
