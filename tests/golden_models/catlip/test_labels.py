import pytest
import torch

from golden_models.catlip.labels import (
    Vocabulary,
    clean_caption,
    count_synsets,
    extract_synsets,
    multi_label_loss,
    synset_key,
)
from sw_runtime.texts.packaged_data import wordnet

DOG, CAT, CAR = "n2084071", "n2121620", "n2958343"


def test_captions_are_cleaned_as_in_the_code() -> None:
    assert clean_caption("A+Dog%20on&amp;off <b>the</b>\n  SOFA") == "a dog on&off the sofa"


def test_a_tag_leaves_nothing_behind_not_even_a_space() -> None:
    assert clean_caption("a sun<i>flower</i> <br> field") == "a sunflower field"
    assert clean_caption("a dog<br>a cat") == "a doga cat"


def test_entities_are_resolved_after_tags_so_that_they_make_none() -> None:
    assert clean_caption("&lt;dog&gt; &amp; cat") == "<dog> & cat"
    assert clean_caption("%3Cb%3Edog%3C/b%3E") == "dog"


def test_a_key_has_no_zero_padding() -> None:
    assert synset_key(2084071) == DOG


def test_plurals_and_capitals_name_their_synset_and_repetitions_count() -> None:
    assert extract_synsets("Dogs and a dog, CATS!", wordnet()) == [DOG, DOG, CAT]


def test_a_word_that_does_not_name_its_first_sense_is_left_out() -> None:
    assert extract_synsets("car", wordnet()) == [CAR]
    assert extract_synsets("auto", wordnet()) == []  # a synset named "car"
    assert extract_synsets("quickly xyzzy", wordnet()) == []


def test_what_is_no_noun_in_its_sentence_counts_unless_a_filter_is_given() -> None:
    assert extract_synsets("he dogs him", wordnet()) == [DOG]
    assert extract_synsets("he dogs him", wordnet(), is_noun=lambda word: word != "dogs") == []


def test_the_code_keeps_the_most_frequent_and_of_equals_the_first_seen() -> None:
    counts = {"n1": 3, "n2": 7, "n3": 3, "n4": 9, "n5": 3}
    assert Vocabulary.most_frequent(counts, 3).keys == ("n4", "n2", "n1")
    assert Vocabulary.most_frequent(counts).keys == ("n4", "n2", "n1", "n3", "n5")
    assert Vocabulary.most_frequent({}, 3).keys == ()


def test_the_paper_keeps_what_is_counted_more_often_than_its_threshold() -> None:
    counts = {"n1": 500, "n2": 501, "n3": 1 << 30}
    assert Vocabulary.above(counts).keys == ("n3", "n2")
    assert Vocabulary.above(counts, 499).keys == ("n3", "n2", "n1")


def test_targets_are_multi_hot_in_the_order_of_frequency() -> None:
    vocabulary = Vocabulary.most_frequent(count_synsets(["a dog", "a cat and a dog", "the car of a dog"], wordnet()), 3)
    assert vocabulary.keys == (DOG, CAT, CAR)
    assert vocabulary.multi_hot([CAR, DOG, DOG, "n1740"]).tolist() == [1, 0, 1]


@pytest.mark.parametrize("images", [1, 7])
def test_the_loss_is_torchs_summed_over_classes_and_averaged_over_images(images: int) -> None:
    generator = torch.Generator().manual_seed(images)
    logits = 20 * torch.randn(images, 50, generator=generator, dtype=torch.float64)
    targets = (torch.rand(images, 50, generator=generator, dtype=torch.float64) > 0.9).double()
    summed = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="sum")
    torch.testing.assert_close(multi_label_loss(logits, targets), summed / images)
