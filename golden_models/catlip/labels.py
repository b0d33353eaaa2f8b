"""CatLIP's labels (arXiv 2404.15653 §3, eq. 1): the WordNet synsets that a caption names.

The paper takes nouns; its code tags parts of speech and then takes every word that WordNet knows as a
noun. The code is followed, and a test for nouns can be given. The code mends text with ftfy; of that, only entities are
resolved here, and text is otherwise taken to be whole.
"""

import html
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol
from urllib.parse import unquote

import torch
from torch import Tensor

from formats.router.descriptor import Quota
from formats.router.numbers import COUNT, threshold
from golden_models.router.selection import Bounds, TopK, filter_keys, topk
from golden_models.words import Nouns, noun_of, words_of

CLASSES = 24_320
"""Of the paper's head, after DataComp."""

COUNT_ABOVE = 500
"""V_τ: a synset is kept if captions name it more often."""


class NamedNouns(Nouns, Protocol):
    """What labels need of WordNet's nouns."""

    def name(self, synset: int) -> str:
        """The word that names a synset, lower case."""


def clean_caption(caption: str) -> str:
    """URL escapes resolved, '+' as space, tags removed, then entities resolved, spaces collapsed, lower case.

    In the code's order: what an entity stands for is never a tag. As there, nothing takes a tag's place.
    """
    untagged = re.sub(r"<.*?>", "", unquote(caption).replace("+", " "))
    return " ".join(html.unescape(untagged).split()).lower()


def synset_key(synset: int) -> str:
    """Part of speech and offset without padding, as in the paper's vocabulary: ``n5928118``."""
    return f"n{synset}"


def extract_synsets(caption: str, nouns: NamedNouns, is_noun: Callable[[str], bool] | None = None) -> list[str]:
    """Keys of the synsets that a caption names: ExtractSynset of eq. 1, with repetitions.

    A word counts if its base form's most frequent sense is named by it: "car" does, "auto" does not. A hyphen may
    stand for the space in a noun of several words, which the code leaves out: "ice-cream" names ice cream.

    Parameters
    ----------
    caption
        As found.
    nouns
        WordNet.
    is_noun
        The paper's filter; the code has none.
    """
    keys = []
    for word in words_of(clean_caption(caption)):
        lemma = noun_of(word, nouns)
        synset = nouns.first_synset(lemma)
        if synset is not None and nouns.name(synset) == lemma and (is_noun is None or is_noun(word)):
            keys.append(synset_key(synset))
    return keys


def count_synsets(captions: Iterable[str], nouns: NamedNouns) -> dict[str, int]:
    """How often captions name each synset, in the order of first sight."""
    return dict(Counter(key for caption in captions for key in extract_synsets(caption, nouns)))


@dataclass(frozen=True)
class Vocabulary:
    """Classes: keys of synsets, most frequent first."""

    keys: tuple[str, ...]

    @classmethod
    def above(cls, counts: dict[str, int], count: int = COUNT_ABOVE) -> "Vocabulary":
        """The paper's: synsets that are named more than V_τ times."""
        bound = threshold(count, ">", COUNT)
        return cls._of(counts, filter_keys(_count_keys(counts), Bounds(low=bound)))

    @classmethod
    def most_frequent(cls, counts: dict[str, int], classes: int = CLASSES) -> "Vocabulary":
        """The code's: so many synsets, the first seen among equals."""
        return cls._of(counts, topk(_count_keys(counts), TopK(Quota.KEEP, classes)))

    @classmethod
    def _of(cls, counts: dict[str, int], kept: Tensor) -> "Vocabulary":
        keys = [key for key, stays in zip(counts, kept.tolist(), strict=True) if stays]
        return cls(tuple(sorted(keys, key=lambda key: -counts[key])))

    @cached_property
    def index(self) -> dict[str, int]:
        """Class of a key."""
        return {key: index for index, key in enumerate(self.keys)}

    def multi_hot(self, keys: Sequence[str]) -> Tensor:
        """Target of a caption's keys: float32 [classes] of 0 and 1; unknown keys are left out."""
        target = torch.zeros(len(self.keys))
        target[[self.index[key] for key in keys if key in self.index]] = 1
        return target


def _count_keys(counts: dict[str, int]) -> Tensor:
    """Counts as the router takes them, 24 bits, saturating: int64 [synsets]."""
    return COUNT.quantise(torch.tensor(list(counts.values()), dtype=torch.float64))


def multi_label_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy, summed over classes and averaged over images (``batch_mean``): [B, C], [B, C] → []."""
    return (torch.nn.functional.softplus(logits) - targets * logits).sum() / len(logits)
