"""CtrlSynth at small scale: real captions are tagged, the tags edited, SmolLM2 writes from them, and the filter judges.

Stand-ins, for want of the paper's models: WordNet and MiniLM tag a picture by its caption, not by its pixels,
and a language model of 135 M parameters writes.
"""

import itertools
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer

import seedloom
from formats.router.descriptor import RouterParameters
from formats.router.numbers import logit
from golden_models.ctrlsynth import (
    Add,
    CtrlSynthParameters,
    Policy,
    Remove,
    Replace,
    Synthetic,
    Tag,
    Tags,
    self_filter,
    synthesise,
    tag_image,
)
from golden_models.words import noun_of, words_of
from papers.claim import Finding
from papers.report import Report, on, yes_or_no
from sw_runtime.device.protocol import Device
from sw_runtime.routing.masks import keep_ratio
from sw_runtime.routing.selection import filter_scores, keep_top
from sw_runtime.texts.packaged_data import minilm_folder, picture_captions, wordnet
from sw_runtime.texts.packaged_models import smollm2_folder
from sw_runtime.texts.wordnet import WordNet

ENGINE = seedloom.EngineParameters(("scaled-4bit",))
"""Beside the router, and idle: the models run on the host here."""

ROUTER = RouterParameters(keys=512, slots=4, sets=1, ways=1)
PARAMETERS = CtrlSynthParameters()
SHARES = tuple(range(0, 257, 16))
"""p_f in 256ths, for the curve."""

JOINING = frozenset(("of", "on", "in", "from", "against", "by", "with", "at", "to", "near", "under", "over"))
FUNCTION = JOINING | frozenset(("a", "an", "the", "and", "or", "is", "are", "was", "as", "it", "this", "that", "its"))
SHORTEST = 3
"""Letters of an object: shorter nouns are chemical elements and units more often than things."""

PLAIN = "SP1, tags as they are"
"""The path whose filter the claim's line tells of."""

LOGIT_SCALE = 10.0
"""Logits are so many times a cosine."""


def object_of(word: str, nouns: WordNet) -> bool:
    """Whether a base form's most frequent sense is a thing one can see."""
    synset = nouns.first_synset(word)
    if synset is None or len(word) < SHORTEST or word in FUNCTION:
        return False
    return nouns.first_synset("physical_entity") in nouns.ancestors(synset)


def caption_tags(caption: str, nouns: WordNet) -> Tags:
    """Objects, the word before one as its attribute, and pairs of objects that a preposition joins."""
    words = words_of(caption.casefold())
    things = [index for index, word in enumerate(words) if object_of(noun_of(word, nouns), nouns)]
    tags: list[Tag] = []
    for index in things:
        tags.append(Tag(words[index]))
        if index and index - 1 not in things and words[index - 1] not in FUNCTION:
            tags.append(Tag(f"{words[index - 1]} {words[index]}", "attribute"))
    for one, other in itertools.pairwise(things):
        between = words[one + 1 : other]
        if between and between[0] in JOINING and FUNCTION.issuperset(between):
            tags.append(Tag(" ".join(words[one : other + 1]), "relation"))
    return tuple(dict.fromkeys(tags))


@cache
def minilm() -> tuple[Any, Any]:
    """Tokenizer and model of the sentence encoder."""
    return AutoTokenizer.from_pretrained(minilm_folder()), AutoModel.from_pretrained(minilm_folder())


@torch.inference_mode()
def embed(texts: Sequence[str]) -> Tensor:
    """Unit vectors of texts by MiniLM: float32 [texts, 384]."""
    tokenizer, model = minilm()
    batch = tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
    hidden_states, mask = model(**batch).last_hidden_state, batch["attention_mask"][..., None]
    return torch.nn.functional.normalize((hidden_states * mask).sum(dim=1) / mask.sum(dim=1), dim=-1)


@dataclass(frozen=True)
class Tagger:
    """Scores of classes for each picture, and what each class must reach.

    Parameters
    ----------
    classes
        Every tag of every caption.
    logits
        float32 [pictures, classes].
    thresholds
        Probabilities, float64 [classes].
    """

    classes: Tags
    logits: Tensor
    thresholds: Tensor

    @classmethod
    def of(cls, captions: Sequence[str], nouns: WordNet) -> "Tagger":
        """Scores are cosines with the caption; a class's threshold is a standard deviation above its mean."""
        classes = tuple(dict.fromkeys(tag for caption in captions for tag in caption_tags(caption, nouns)))
        logits = LOGIT_SCALE * embed(captions) @ embed([tag.words for tag in classes]).T
        bounds = logits.double().mean(dim=0) + logits.double().std(dim=0)
        return cls(classes, logits, bounds.sigmoid())

    def tags(self, chosen: Tensor) -> Tags:
        """The classes of a mask, bool [classes]."""
        return tuple(tag for tag, is_chosen in zip(self.classes, chosen.tolist(), strict=True) if is_chosen)


def tag_on_device(device: Device, logits: Tensor, thresholds: Tensor, parameters: CtrlSynthParameters) -> Tensor:
    """``golden_models.ctrlsynth.tag_image`` by the router: the table of thresholds, then the best."""
    bounds = torch.tensor([logit(probability) for probability in thresholds.tolist()], dtype=torch.float64)
    fired = filter_scores(device, logits, bounds)
    return keep_top(device, logits, keep=parameters.tags, candidates=fired, score_code="logits")


def policies_of(tagged: Sequence[Tags]) -> dict[str, list[Policy]]:
    """Policies by name, one a picture; what comes in is the next picture's first tag."""
    others = [*tagged[1:], tagged[0]]
    return {
        "tags as they are": [()] * len(tagged),
        "second half of the tags removed": [[Remove(tag) for tag in tags[len(tags) // 2 :]] for tags in tagged],
        "a tag added": [[Add(other[0])] for other in others],
        "first tag replaced": [[Replace(tags[0], other[0])] for tags, other in zip(tagged, others, strict=True)],
    }


def smollm2_writer(new_tokens: int) -> Callable[[list[str]], list[str]]:
    """SmolLM2, as a function from prompts to the likeliest texts."""
    tokenizer: Any = AutoTokenizer.from_pretrained(smollm2_folder(), padding_side="left")
    model: Any = AutoModelForCausalLM.from_pretrained(smollm2_folder(), dtype=torch.float32)

    @torch.inference_mode()
    def write(prompts: list[str]) -> list[str]:
        chats = [
            tokenizer.apply_chat_template(
                [{"role": "user", "content": prompt}], tokenize=False, add_generation_prompt=True
            )
            for prompt in prompts
        ]
        batch = tokenizer(chats, padding=True, return_tensors="pt")
        tokens = model.generate(**batch, do_sample=False, max_new_tokens=new_tokens)
        texts = tokenizer.batch_decode(tokens[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
        return [text.strip() for text in texts]

    return write


def counts_of(synthetic: Sequence[Synthetic]) -> tuple[Tensor, Tensor]:
    """Hits and totals: int64 [n] each."""
    return torch.tensor([s.hits for s in synthetic]), torch.tensor([s.total for s in synthetic])


def recall_at_1(captions: Tensor, synthetic: Sequence[Synthetic], texts: Tensor, kept: Tensor) -> str:
    """Texts nearest to their own picture's caption, among those kept and among the others: shares."""
    sources = torch.tensor([sample.source for sample in synthetic])
    found = (texts @ captions.T).argmax(dim=1) == sources
    shares = [found[mask].float().mean().item() if mask.any() else None for mask in (kept, ~kept)]
    return " / ".join("none" if share is None else f"{share:.2f}" for share in shares)


def measure(
    device: str,
    pictures: int = 32,
    new_tokens: int = 32,
    write: Callable[[list[str]], list[str]] | None = None,
) -> Report:
    """Tag, edit, write and filter.

    Parameters
    ----------
    device
        ``"emulated"`` or ``"simulated"``: its router tags and filters.
    pictures
        Captions to start from.
    new_tokens
        Most tokens of a text.
    write
        Another writer than SmolLM2.
    """
    nouns = wordnet()
    captions = [caption for caption in picture_captions() if len(caption_tags(caption, nouns)) > 1][:pictures]
    tagger = Tagger.of(captions, nouns)
    write = write or smollm2_writer(new_tokens)
    with closing(seedloom.open_device(device, parameters=ENGINE, router=ROUTER)) as opened:
        golden = [tag_image(logits, tagger.thresholds, PARAMETERS) for logits in tagger.logits]
        chosen = [tag_on_device(opened, logits, tagger.thresholds, PARAMETERS) for logits in tagger.logits]
        alike = all(torch.equal(one, other) for one, other in zip(golden, chosen, strict=True))
        tagging_cycles = opened.counters.router_cycles / len(captions)
        tagged = [tagger.tags(mask) for mask in chosen]
        figures: dict[str, float | str] = {}
        curves, written, nearest = {}, {}, {}
        runs = [("SP1", name, policy) for name, policy in policies_of(tagged).items()]
        runs.append(("SP2", "tags as they are", [()] * len(tagged)))
        embedded = embed(captions)
        for path, name, policies in tqdm(runs, desc="writing", unit="policy"):
            originals = captions if path == "SP2" else [None] * len(captions)
            synthetic = synthesise(list(zip(tagged, originals, strict=True)), policies, write, nouns.lemma)
            hits, totals = counts_of(synthetic)
            masks = {share: keep_ratio(opened, hits, totals, share, keep_empty=True) for share in SHARES}
            alike &= all(
                torch.equal(mask, self_filter(hits, totals, CtrlSynthParameters(share)))
                for share, mask in masks.items()
            )
            kept = keep_ratio(opened, hits, totals, PARAMETERS.at_least, keep_empty=True)
            alike &= torch.equal(kept, self_filter(hits, totals, PARAMETERS))
            label = f"{path}, {name}"
            found = recall_at_1(embedded, synthetic, embed([sample.text for sample in synthetic]), kept)
            figures |= {
                f"{label}: texts kept at p_f = 51/256": f"{int(kept.sum())} of {len(kept)}",
                f"{label}: share of the tags in a text": (hits.sum() / totals.sum()).item(),
                f"{label}: texts nearest to their own caption (Recall@1), share of those kept / dropped": found,
            }
            nearest[label] = found
            curves[label] = {share: int(mask.sum()) for share, mask in masks.items()}
            written[label] = [(sample.text, sample.hits, sample.total) for sample in synthetic]
        filter_cycles = opened.counters.router_cycles - tagging_cycles * len(captions)
    figures |= {
        f"tags a picture, of {len(tagger.classes)} classes": sum(map(len, tagged)) / len(tagged),
        "tags and filtered texts by the device as by the golden model": yes_or_no(alike),
        "router cycles to tag a picture (FILTER by table, TOPK)": f"{tagging_cycles:,.0f}",
        "router cycles to filter the texts (RATIO)": f"{filter_cycles / len(runs) / (len(SHARES) + 1):,.0f}",
    }
    recall = Finding(
        None,
        f"{len(captions)} captions of scikit-image's pictures, written by SmolLM2-135M-Instruct; nothing is trained",
        f"tags and filter by the router, {on(device)}; models on the host",
        instead=f"synthetic texts nearest to their own caption, kept / dropped by the filter: {nearest[PLAIN]}",
    )
    details = {"kept by p_f in 256ths": curves, "texts, hits and tags": written}
    return Report(device, {"recall": recall}, figures, details)
