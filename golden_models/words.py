"""Words of captions and the nouns that they are: what CatLIP's labels and CtrlSynth's tags have in common."""

import re
from typing import Protocol

WORD = re.compile(r"\w+(?:['-]\w+)*")
ENDING = re.compile(r"(?<=\w)(?:n't|'(?:s|m|d|ll|re|ve))$")
"""Possessives and contractions, which NLTK's tokeniser makes words of their own: "dog's" is "dog" and "'s"."""


class Nouns(Protocol):
    """What words need of WordNet's nouns; a synset goes by its offset."""

    def lemma(self, form: str) -> str:
        """Base form of a noun, or the form itself where it is none."""

    def first_synset(self, word: str) -> int | None:
        """The most frequent sense of a word, None where it is no noun."""


def words_of(text: str) -> list[str]:
    """Words of a text in lower case, without the endings of possessives and contractions; hyphens join."""
    return [ENDING.sub("", word) for word in WORD.findall(text.replace("\u2019", "'"))]


def noun_of(word: str, nouns: Nouns) -> str:
    """Base form of a word as a noun, or a form that is none; "ice-cream" is the noun "ice_cream"."""
    lemma = nouns.lemma(word)
    return lemma if nouns.first_synset(lemma) is not None else nouns.lemma(word.replace("-", "_"))
