"""The same words for CatLIP's labels and CtrlSynth's tags."""

import pytest

from golden_models.catlip.labels import extract_synsets
from golden_models.ctrlsynth import Tag, count_hits
from golden_models.words import noun_of, words_of
from sw_runtime.texts.packaged_data import wordnet


def named_by(caption: str) -> list[str]:
    """The words that name a caption's labels."""
    return [wordnet().name(int(key[1:])) for key in extract_synsets(caption, wordnet())]


@pytest.mark.parametrize(
    ("caption", "noun", "tag"),
    [
        ("the dog's ball", "dog", "dog"),
        ("the dog\u2019s ball", "dog", "dog"),
        ("the dogs' ball", "dog", "dog"),
        ("The DOG's ball", "ball", "ball"),
        ("an ice-cream cone", "ice_cream", "ice cream"),
        ("an ice-cream cone", "cone", "ice-cream cone"),
        ("two ice-creams", "ice_cream", "ice cream"),
        ("a dog-sized ball", "ball", "dog"),
        ("merry-go-rounds", "merry-go-round", "merry go round"),
        ("boxes of churches", "church", "church"),
    ],
)
def test_a_caption_names_a_noun_for_both(caption: str, noun: str, tag: str) -> None:
    assert noun in named_by(caption)
    assert count_hits((Tag(tag),), caption, wordnet().lemma) == 1


def test_a_caption_names_nothing_else() -> None:
    assert named_by("the dog's ball") == ["dog", "ball"]
    assert named_by("an ice-cream cone") == ["ice_cream", "cone"]
    assert count_hits((Tag("dogs"), Tag("cat"), Tag("cream ice")), "the dog's ice-cream", wordnet().lemma) == 1


def test_a_hyphenated_word_is_one_word_and_no_noun_unless_wordnet_has_it() -> None:
    assert words_of("a well-fed dog") == ["a", "well-fed", "dog"]
    assert named_by("a well-fed dog") == ["dog"]


def test_possessives_and_contractions_lose_their_ending() -> None:
    text = "dog's dogs' isn't we're i've she'll he'd i'm it\u2019s o'clock"
    assert words_of(text) == ["dog", "dogs", "is", "we", "i", "she", "he", "i", "it", "o'clock"]
    assert words_of("'s n't") == ["s", "n't"]


def test_a_noun_with_a_hyphen_of_its_own_comes_before_one_with_a_space() -> None:
    assert [noun_of(word, wordnet()) for word in ("t-shirts", "teddy-bears", "bears", "well-fed")] == [
        "t-shirt",
        "teddy_bear",
        "bear",
        "well_fed",
    ]
