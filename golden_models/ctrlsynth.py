"""CtrlSynth (arXiv 2410.11963): new captions from edited tags of an image, and a filter that closes the loop.

A tagger names what is in an image: objects, attributes, relations. A policy edits the tags, a prompt
asks a language model for a caption of them, and the caption is kept if enough of the image's tags
occur in it. The paper has no code; what it leaves open is resolved here and said where it is.

Models come in as functions: what writes is ``Callable[[list[str]], list[str]]``, prompts to texts.

There is no code of the authors'; the pipeline is known from a summary and from reviews. Recollected: that a text is
kept from a fifth of the tags on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from formats.errors import InputError
from formats.router.descriptor import Quota
from formats.router.numbers import SQ7_16, encode, logit, threshold
from golden_models.router.selection import Bounds, TopK, filter_keys, ratio_mask, topk
from golden_models.words import words_of

Kind = Literal["object", "attribute", "relation"]
KINDS: tuple[Kind, ...] = ("object", "attribute", "relation")

INSTRUCTION = "Write one sentence that describes an image."
"""Ours: the paper's wording is not available."""


@dataclass(frozen=True)
class CtrlSynthParameters:
    """Hyper-parameters.

    Parameters
    ----------
    at_least
        p_f, the share of an image's tags that a caption must contain, in 256ths: 0 to 256. 51 stands
        for the paper's 20 %, and is exactly one fifth for up to 255 tags.
    keep_untagged
        What becomes of a caption when there are no tags: the paper does not say.
    tags
        Most tags that an image is given.

    Raises
    ------
    InputError
        If p_f is not 0 to 256.
    """

    at_least: int = 51
    keep_untagged: bool = True
    tags: int = 8

    def __post_init__(self) -> None:
        if not 0 <= self.at_least <= 256:
            raise InputError(f"at_least must be 0 to 256 (256ths), not {self.at_least}")


@dataclass(frozen=True)
class Tag:
    """Something to be seen: ``words`` of one of the ``KINDS``."""

    words: str
    kind: Kind = "object"


Tags = tuple[Tag, ...]
"""In order, none twice."""


@dataclass(frozen=True)
class Add:
    """Put a tag behind the others, unless it is there."""

    tag: Tag

    def __call__(self, tags: Tags) -> Tags:
        """The edited tags."""
        return tags if self.tag in tags else (*tags, self.tag)


@dataclass(frozen=True)
class Remove:
    """Take a tag out, if it is there."""

    tag: Tag

    def __call__(self, tags: Tags) -> Tags:
        """The edited tags."""
        return tuple(tag for tag in tags if tag != self.tag)


@dataclass(frozen=True)
class Replace:
    """Put another tag in a tag's place; a tag that is there already is not there twice."""

    tag: Tag
    by: Tag

    def __call__(self, tags: Tags) -> Tags:
        """The edited tags."""
        if self.tag not in tags or self.by == self.tag:
            return tags
        return tuple(self.by if tag == self.tag else tag for tag in Remove(self.by)(tags))


Policy = Sequence[Add | Remove | Replace]
"""Edits, one after another."""


def edit(tags: Tags, policy: Policy) -> Tags:
    """The tags after every edit."""
    for step in policy:
        tags = step(tags)
    return tags


def text_prompt(tags: Tags, original: str | None = None, style: str | None = None) -> str:
    """What a language model is asked: tags by kind; the image's own caption, if its meaning is to be kept; a style.

    Without ``original`` this is the paper's path SP1 (image, tags, text), with it SP2.
    """
    lines = [INSTRUCTION]
    for kind in KINDS:
        named = [tag.words for tag in tags if tag.kind == kind]
        if named:
            lines.append(f"{kind.capitalize()}s: {', '.join(named)}.")
    if original is not None:
        lines.append(f"Keep to the meaning of: {original}")
    if style is not None:
        lines.append(f"Style: {style}.")
    return "\n".join(lines)


def image_prompt(text: str, weights: Sequence[tuple[Tag, float]] = (), style: str | None = None) -> str:
    """What a diffusion model is asked: the text, weighted tags as ``(words:weight)``, a style (paths SP3, SP4)."""
    weighted = [f"({tag.words}:{weight:g})" for tag, weight in weights]
    return ", ".join([text, *weighted, *([style] if style is not None else [])])


def base_forms(text: str, lemma: Callable[[str], str] = str) -> list[str]:
    """Base forms of a text's words, case folded; of hyphenated words every part is one."""
    return [lemma(part) for word in words_of(text.casefold()) for part in word.split("-")]


def contains(text: list[str], words: list[str]) -> bool:
    """Whether words stand in a text, all and side by side: what "contains" means is ours."""
    return any(text[start : start + len(words)] == words for start in range(len(text) - len(words) + 1))


def count_hits(tags: Tags, text: str, lemma: Callable[[str], str] = str) -> int:
    """How many tags occur in a text."""
    found = base_forms(text, lemma)
    return sum(contains(found, base_forms(tag.words, lemma)) for tag in tags)


def self_filter(hits: Tensor, totals: Tensor, parameters: CtrlSynthParameters) -> Tensor:
    """Mark what has ``hits / totals >= p_f``, by multiplying crosswise: int64 [n], int64 [n] → bool [n].

    For a text, totals are the image's tags and hits those in it; for an image, the text's tags and
    those that the image was given.
    """
    return ratio_mask(hits, totals, parameters.at_least, parameters.keep_untagged)


def tag_image(logits: Tensor, thresholds: Tensor, parameters: CtrlSynthParameters) -> Tensor:
    """The classes that an image is tagged with: those above their own threshold, of these the best.

    As RAM++ does, a class fires above a probability of its own. Logits are compared, so that no
    sigmoid is needed; a threshold of 1 never fires.

    Parameters
    ----------
    logits
        float [classes], -128 to 128 in steps of 2^-16, what is beyond saturates.
    thresholds
        float [classes], probabilities above 0.

    Returns
    -------
    Tensor
        bool [classes], at most ``parameters.tags`` of them, the first among equals.

    Raises
    ------
    InputError
        If a logit is NaN, or a threshold not above 0 and at most 1.
    """
    if not ((thresholds > 0) & (thresholds <= 1)).all():
        raise InputError("thresholds are probabilities above 0, at most 1; leave a class out rather than always tag it")
    bounds = [threshold(logit(probability), ">", SQ7_16).key for probability in thresholds.tolist()]
    keys = encode(SQ7_16.quantise(logits), SQ7_16.key_format)
    fired = filter_keys(keys, Bounds(low=(torch.tensor(bounds), False)))
    return topk(keys, TopK(Quota.KEEP, parameters.tags), candidates=fired)


@dataclass(frozen=True)
class Synthetic:
    """A caption that was written, and what the filter says of it.

    Parameters
    ----------
    source
        Index of the image.
    tags
        As edited: what was asked for.
    text
        What was written.
    hits, total
        Of the image's own tags: those that occur in the text, and all.
    """

    source: int
    tags: Tags
    text: str
    hits: int
    total: int


def synthesise(
    sources: Sequence[tuple[Tags, str | None]],
    policies: Sequence[Policy],
    write: Callable[[list[str]], list[str]],
    lemma: Callable[[str], str] = str,
    style: str | None = None,
) -> list[Synthetic]:
    """Write a caption for each image by its policy.

    Parameters
    ----------
    sources
        Tags of an image, and its caption for SP2 or None for SP1.
    policies
        One an image.
    write
        The language model.
    lemma
        Base form of a word.
    style
        Asked for in every prompt.
    """
    edited = [edit(tags, policy) for (tags, _), policy in zip(sources, policies, strict=True)]
    prompts = [text_prompt(tags, caption, style) for tags, (_, caption) in zip(edited, sources, strict=True)]
    return [
        Synthetic(index, asked, text, count_hits(tags, text, lemma), len(tags))
        for index, (asked, text, (tags, _)) in enumerate(zip(edited, write(prompts), sources, strict=True))
    ]


def keep(synthetic: Sequence[Synthetic], parameters: CtrlSynthParameters) -> list[Synthetic]:
    """What passes the filter, in order."""
    counts = torch.tensor([(sample.hits, sample.total) for sample in synthetic], dtype=torch.int64).view(-1, 2)
    mask = self_filter(counts[:, 0], counts[:, 1], parameters)
    return [sample for sample, kept in zip(synthetic, mask.tolist(), strict=True) if kept]
