import pytest
import torch

from golden_models.ctrlsynth import Add, CtrlSynthParameters, Remove, Replace, Synthetic, Tag, edit, tag_image
from papers.ctrlsynth import (
    ROUTER,
    Tagger,
    caption_tags,
    embed,
    measure,
    object_of,
    policies_of,
    recall_at_1,
    smollm2_writer,
    tag_on_device,
)
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.texts.packaged_data import wordnet
from tests.papers.some_papers import alike

CAPTIONS = ["Surface of the moon.", "A golden eagle on a horse.", "Coffee cup against a wall."]


def echo(prompts: list[str]) -> list[str]:
    """Writes the objects it is asked for, of every second picture."""
    return [prompt.split("\n")[1] if index % 2 else "nothing" for index, prompt in enumerate(prompts)]


def test_objects_are_nouns_for_things() -> None:
    nouns = wordnet()
    assert [word for word in ("eagle", "image", "golden", "as", "moon", "idea") if object_of(word, nouns)] == [
        "eagle",
        "moon",
    ]


def test_captions_hold_objects_attributes_and_relations() -> None:
    assert caption_tags(CAPTIONS[1], wordnet()) == (
        Tag("eagle"),
        Tag("golden eagle", "attribute"),
        Tag("horse"),
        Tag("eagle on a horse", "relation"),
    )


def test_alike_texts_are_near() -> None:
    bird, eagle, market = embed(["a bird", "an eagle", "the stock market"])
    assert bird @ bird == pytest.approx(1)
    assert bird @ eagle > bird @ market + 0.2


def test_a_device_tags_as_the_golden_model() -> None:
    found, device = Tagger.of(CAPTIONS, wordnet()), EmulatedDevice(router=ROUTER)
    for tags in (1, 3):
        parameters = CtrlSynthParameters(tags=tags)
        for logits in found.logits:
            expected = tag_image(logits, found.thresholds, parameters)
            assert torch.equal(tag_on_device(device, logits, found.thresholds, parameters), expected)
            assert 1 <= int(expected.sum()) <= tags
    assert Tag("moon") in found.tags(tag_image(found.logits[0], found.thresholds, CtrlSynthParameters()))


def test_policies_edit_by_the_next_pictures_tags() -> None:
    one, two, three = Tag("one"), Tag("two"), Tag("three")
    policies = policies_of([(one, two), (three,)])
    assert policies["tags as they are"] == [(), ()]
    assert policies["second half of the tags removed"] == [[Remove(two)], [Remove(three)]]
    assert policies["a tag added"] == [[Add(three)], [Add(one)]]
    assert edit((one, two), policies["first tag replaced"][0]) == (three, two)
    assert policies["first tag replaced"][1] == [Replace(three, one)]


def test_recall_counts_texts_that_find_their_own_caption() -> None:
    captions = torch.eye(3)
    synthetic = [Synthetic(source, (), "", 0, 0) for source in (0, 1, 2)]
    texts = captions[[0, 2, 2]]
    assert recall_at_1(captions, synthetic, texts, torch.tensor([True, True, False])) == "0.50 / 1.00"
    assert recall_at_1(captions, synthetic, texts, torch.ones(3, dtype=torch.bool)) == "0.67 / none"


@pytest.mark.usefixtures("narrow_port")
def test_both_devices_tag_and_filter_alike() -> None:
    emulated, simulated = (measure(device, 4, write=echo) for device in ("emulated", "simulated"))
    assert emulated.details == simulated.details
    assert alike(emulated.figures, "router cycles") == alike(simulated.figures, "router cycles")
    assert emulated.findings["recall"].instead == simulated.findings["recall"].instead
    ours = emulated.figures
    assert ours["tags and filtered texts by the device as by the golden model"] == "yes"
    assert ours["SP1, tags as they are: texts kept at p_f = 51/256"] == "2 of 4"


@pytest.mark.parametrize("new_tokens", [1, 5])
def test_smollm2_writes_whatever_else_is_in_the_batch(new_tokens: int) -> None:
    write = smollm2_writer(new_tokens)
    short, long = "Name a colour.", "Name a colour that is not one of these: red, green, blue, black and white."
    assert write([short, long])[0] == write([short])[0] != ""
