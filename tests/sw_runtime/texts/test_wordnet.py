from pathlib import Path

import pytest

from sw_runtime.texts.packaged_data import wordnet
from sw_runtime.texts.wordnet import WordNet

DATA = """\
  1 The licence stands in front, indented.
00000010 03 n 01 entity 0 002 ~ 00000020 n 0000 ~ 00000030 n 0000 | what is
00000020 03 n 02 Animal 0 beast 0 001 @ 00000010 n 0000 | it moves
"""
MORE = """\
00000030 03 n 01 plant 0 001 @ 00000010 n 0000 | it does not
00000040 03 n 01 dog 0 002 @ 00000020 n 0000 + 00000099 v 0101 | it barks
00000050 03 n 01 Laika 0 001 @i 00000040 n 0000 | it flew
"""
INDEX = """\
  1 The licence.
animal n 1 2 @ ~ 1 0 00000020
beast n 2 1 @ 2 1 00000020 00000030
dog n 1 2 @ + 1 1 00000040
entity n 1 1 ~ 1 1 00000010
laika n 1 1 @ 1 0 00000050
ox n 1 1 @ 1 0 00000020
plant n 1 1 @ 1 0 00000030
"""


def small(folder: Path) -> WordNet:
    (folder / "data.noun1").write_text(DATA.rstrip("\n"))
    (folder / "data.noun2").write_text(MORE)
    (folder / "index.noun").write_text(INDEX)
    (folder / "noun.exc").write_text("oxen ox\n")
    return WordNet.read(folder)


def test_senses_names_and_hypernyms_are_read_from_a_cut_file(tmp_path: Path) -> None:
    nouns = small(tmp_path)
    assert nouns.senses["beast"] == (20, 30)
    assert nouns.words[20] == ("Animal", "beast")
    assert nouns.hypernyms == {10: (), 20: (10,), 30: (10,), 40: (20,), 50: (40,)}
    assert nouns.first_synset("beast") == 20
    assert nouns.first_synset("bark") is None
    assert nouns.name(20) == "animal"


def test_base_forms_come_from_endings_and_exceptions(tmp_path: Path) -> None:
    nouns = small(tmp_path)
    assert [nouns.lemma(form) for form in ("dogs", "dog", "oxen", "sheep")] == ["dog", "dog", "ox", "sheep"]
    (tmp_path / "noun.exc").unlink()
    assert WordNet.read(tmp_path).lemma("oxen") == "oxen"


def test_endings_are_taken_off_until_a_form_is_a_word(tmp_path: Path) -> None:
    nouns = small(tmp_path)
    assert [nouns.lemma(form) for form in ("dogss", "plantses", "dogsies", "catss")] == [
        "dog",
        "plant",
        "dogsies",
        "catss",
    ]


def test_an_irregular_form_has_no_other_base_forms(tmp_path: Path) -> None:
    nouns = small(tmp_path)
    (tmp_path / "noun.exc").write_text("dogs hound\n")
    assert nouns.lemma("dogs") == "dog"
    assert WordNet.read(tmp_path).lemma("dogs") == "dogs"


def test_paths_go_over_the_nearest_common_hypernym(tmp_path: Path) -> None:
    nouns = small(tmp_path)
    assert nouns.path_similarity(40, 40) == 1
    assert nouns.path_similarity(50, 30) == 1 / 5
    assert nouns.ancestors(50) == {50: 0, 40: 1, 20: 2, 10: 3}


def test_a_folder_without_the_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"has no index.noun and data.noun; give the folder of WordNet 3.0"):
        WordNet.read(tmp_path)


def test_wordnet_has_the_documented_counts_and_distances() -> None:
    nouns = wordnet()
    assert (len(nouns.senses), len(nouns.words)) == (117_798, 82_115)  # wnstats(7WN)
    dog, cat = nouns.first_synset("dog"), nouns.first_synset("cat")
    assert dog == 2084071
    assert cat is not None
    assert nouns.path_similarity(dog, cat) == 0.2  # NLTK's documentation has it
    assert [nouns.lemma(word) for word in ("churches", "boxes", "ferries", "photographs")] == [
        "church",
        "box",
        "ferry",
        "photograph",
    ]
    auto = nouns.first_synset("auto")
    assert auto is not None
    assert nouns.name(auto) == "car"
