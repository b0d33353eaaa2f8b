import math
from fractions import Fraction
from random import Random

import pytest
import torch

from golden_models.ctrlsynth import (
    Add,
    CtrlSynthParameters,
    Remove,
    Replace,
    Tag,
    base_forms,
    contains,
    count_hits,
    edit,
    image_prompt,
    keep,
    self_filter,
    synthesise,
    tag_image,
    text_prompt,
)

DOG, CAT, SOFA, OLD = Tag("dog"), Tag("cat"), Tag("sofa"), Tag("old dog", "attribute")
SITS = Tag("dog on sofa", "relation")


def kept(hits: int, total: int, **parameters: int | bool) -> bool:
    return bool(self_filter(torch.tensor([hits]), torch.tensor([total]), CtrlSynthParameters(**parameters)))


def test_one_tag_of_five_is_enough_at_a_fifth_and_none_is_not() -> None:
    assert kept(1, 5)
    assert not kept(0, 5)
    assert not kept(1, 5, at_least=52)


@pytest.mark.parametrize("answer", [True, False])
def test_without_tags_the_setting_decides(answer: bool) -> None:
    assert kept(0, 0, keep_untagged=answer) == answer


def test_the_integer_test_is_exactly_one_fifth_for_up_to_255_tags() -> None:
    totals = torch.arange(1, 256).repeat_interleave(256)
    hits = torch.arange(256).repeat(255)
    exact = [Fraction(hit, total) >= Fraction(1, 5) for hit, total in zip(hits.tolist(), totals.tolist(), strict=True)]
    assert self_filter(hits, totals, CtrlSynthParameters()).tolist() == exact


def test_the_first_difference_from_one_fifth_is_at_256_tags() -> None:
    for total in range(256, 261):
        hits = torch.arange(total + 1)
        mask = self_filter(hits, torch.full_like(hits, total), CtrlSynthParameters())
        exact = 5 * hits >= total
        assert torch.equal(mask, exact) == (total != 256)


@pytest.mark.parametrize("at_least", [0, 1, 51, 100, 128, 255, 256])
def test_every_share_is_the_exact_rational(at_least: int) -> None:
    random = Random(at_least)
    pairs = [(random.randint(0, 40), random.randint(1, 40)) for _ in range(300)]
    hits, totals = torch.tensor(pairs).unbind(dim=1)
    exact = [Fraction(hit, total) >= Fraction(at_least, 256) for hit, total in pairs]
    assert self_filter(hits, totals, CtrlSynthParameters(at_least)).tolist() == exact


@pytest.mark.parametrize("at_least", [-1, 257])
def test_a_share_beyond_one_is_refused(at_least: int) -> None:
    with pytest.raises(ValueError, match=f"at_least must be 0 to 256 .256ths., not {at_least}"):
        CtrlSynthParameters(at_least)


def test_removing_and_adding_a_tag_changes_no_more_than_its_place() -> None:
    tags = (DOG, CAT, SOFA)
    assert edit(tags, [Remove(CAT), Add(CAT)]) == (DOG, SOFA, CAT)
    assert set(edit(tags, [Remove(CAT), Add(CAT)])) == set(tags)


def test_edits_keep_the_order_of_the_others() -> None:
    tags = (DOG, CAT, SOFA)
    assert edit(tags, [Add(OLD)]) == (DOG, CAT, SOFA, OLD)
    assert edit(tags, [Add(CAT)]) == tags
    assert edit(tags, [Remove(OLD)]) == tags
    assert edit(tags, [Replace(CAT, OLD)]) == (DOG, OLD, SOFA)
    assert edit(tags, [Replace(OLD, CAT)]) == tags
    assert edit(tags, [Replace(DOG, SOFA)]) == (SOFA, CAT)
    assert edit(tags, [Replace(DOG, DOG)]) == tags
    assert edit(tags, []) == tags


def test_a_prompt_names_tags_by_kind_the_caption_and_the_style() -> None:
    assert text_prompt((DOG, SITS, OLD, CAT)) == (
        "Write one sentence that describes an image.\nObjects: dog, cat.\nAttributes: old dog.\nRelations: dog on sofa."
    )
    assert text_prompt((DOG,), "A dog.", "news").endswith("\nKeep to the meaning of: A dog.\nStyle: news.")


def test_an_image_prompt_weighs_tags() -> None:
    assert image_prompt("A dog.") == "A dog."
    assert image_prompt("A dog.", [(DOG, 1.5), (SOFA, 1)], "oil") == "A dog., (dog:1.5), (sofa:1), oil"


def test_words_are_folded_to_their_base_forms() -> None:
    assert base_forms("The Dogs' well-fed CAT, Straße!", lambda word: word.removesuffix("s")) == [
        "the",
        "dog",
        "well",
        "fed",
        "cat",
        "strasse",
    ]


def test_a_tag_of_several_words_must_stand_whole_and_in_order() -> None:
    text = base_forms("an old dog sleeps on the sofa")
    assert contains(text, ["old", "dog"])
    assert not contains(text, ["dog", "old"])
    assert not contains(text, ["old", "sofa"])
    assert not contains(text, ["do"])
    assert count_hits((OLD, DOG, CAT, Tag("SOFA")), "an old dog sleeps on the sofa") == 3


def test_a_class_fires_above_its_own_threshold_and_never_at_one() -> None:
    logit = math.log(0.65 / 0.35)
    step = 2.0**-16
    on_grid = math.floor(logit / step) * step
    logits = torch.tensor([on_grid, on_grid + step, 127.0, 0.0, step], dtype=torch.float64)
    thresholds = torch.tensor([0.65, 0.65, 1.0, 0.5, 0.5], dtype=torch.float64)
    assert tag_image(logits, thresholds, CtrlSynthParameters()).tolist() == [False, True, False, False, True]


def test_tags_are_those_that_sigmoid_and_a_sort_choose() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randint(-200_000, 200_000, (400,), generator=generator).double() / 65536
    logits[50:60] = logits[40:50]  # ties
    thresholds = torch.rand(400, generator=generator, dtype=torch.float64) * 0.98 + 0.01
    fired = [
        (-logit, index) for index, logit in enumerate(logits.tolist()) if logits.sigmoid()[index] > thresholds[index]
    ]
    for tags in (0, 1, 8, 100, 400):
        best = {index for _, index in sorted(fired)[:tags]}
        assert set(tag_image(logits, thresholds, CtrlSynthParameters(tags=tags)).nonzero().flatten().tolist()) == best


@pytest.mark.parametrize("threshold", [0.0, -0.5, 1.5, math.nan])
def test_thresholds_that_are_no_probability_are_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="thresholds are probabilities above 0, at most 1; leave a class out"):
        tag_image(torch.zeros(2), torch.tensor([0.5, threshold]), CtrlSynthParameters())


def test_the_loop_writes_from_edited_tags_and_judges_by_the_images_own() -> None:
    asked: list[str] = []

    def write(prompts: list[str]) -> list[str]:
        asked.extend(prompts)
        return ["a cat", "an old dog on a sofa"]

    sources = [((DOG, SOFA), None), ((DOG, SOFA, CAT), "A dog and a cat.")]
    synthetic = synthesise(sources, [[Replace(DOG, CAT)], [Remove(CAT)]], write)
    assert "Objects: cat, sofa." in asked[0]
    assert "Objects: dog, sofa." in asked[1]
    assert "Keep to the meaning of: A dog and a cat." in asked[1]
    assert [(s.source, s.hits, s.total) for s in synthetic] == [(0, 0, 2), (1, 2, 3)]
    assert synthetic[0].tags == (CAT, SOFA)
    assert keep(synthetic, CtrlSynthParameters()) == synthetic[1:]
    assert keep(synthetic, CtrlSynthParameters(at_least=0)) == synthetic
    assert keep([], CtrlSynthParameters()) == []
