"""CtrlSynth in RTL: real captions are tagged by a table of thresholds, and texts filtered by their share of tags."""

import functools

import torch
from torch import Tensor

from formats.router.descriptor import Bound, Flag, KeyFormat, Opcode
from formats.router.numbers import SQ7_16, encode, logit, threshold
from golden_models.ctrlsynth import CtrlSynthParameters, Tags, count_hits, self_filter, tag_image
from golden_models.router.unit import RouterUnit
from papers.ctrlsynth import Tagger, caption_tags
from sw_runtime.device.protocol import Request
from sw_runtime.routing.commands import load_keys, request
from sw_runtime.texts.packaged_data import picture_captions, wordnet
from tests.hw.papers.router import ROUTER, check_packets
from tests.hw.router.problems import Problem

PARAMETERS = CtrlSynthParameters()
FIRED, TAGGED, KEPT = 0, 1, 2
PICTURES = 8


@functools.cache
def tagger() -> tuple[list[str], Tagger]:
    captions = [caption for caption in picture_captions() if len(caption_tags(caption, wordnet())) > 1]
    return captions, Tagger.of(captions, wordnet())


def tag_requests(logits: Tensor, thresholds: Tensor) -> list[Request]:
    """Thresholds into the key memory and logits past them; then the logits, of which the best that fired stay."""
    n, elements = len(logits), SQ7_16.quantise(logits)
    table = torch.tensor([threshold(logit(probability), ">", SQ7_16).key for probability in thresholds.tolist()])
    flags = Bound.TABLE << 3 | KeyFormat.S24
    return [
        load_keys(table),
        request(Opcode.FILTER, elements.tolist(), flags, n=n, dst=FIRED),
        load_keys(encode(elements, KeyFormat.S24)),
        request(Opcode.TOPK, n=n, x=PARAMETERS.tags, sa=FIRED, dst=TAGGED),
    ]


def filter_request(hits: Tensor, totals: Tensor, at_least: int) -> Request:
    elements = (hits | totals << 12).tolist()
    return request(Opcode.RATIO, elements, Flag.RATIO_KEEP_EMPTY, n=len(hits), x=at_least, dst=KEPT)


def hits_in_every_caption(tags: list[Tags], captions: list[str]) -> tuple[Tensor, Tensor]:
    """Each picture's tags in each caption: shares from none to all."""
    lemma = wordnet().lemma
    hits = [count_hits(own, caption, lemma) for own in tags for caption in captions]
    return torch.tensor(hits), torch.tensor([len(own) for own in tags]).repeat_interleave(len(captions))


def test_real_captions_are_tagged_and_filtered() -> None:
    captions, found = tagger()
    unit, problems, tags = RouterUnit(ROUTER), [], []
    for logits in found.logits[:PICTURES]:
        requests = tag_requests(logits, found.thresholds)
        for sent in requests:
            unit.execute(sent.command, sent.data)
        expected = tag_image(logits, found.thresholds, PARAMETERS)
        assert torch.equal(unit.memory.bitmaps[TAGGED, : len(logits)], expected)
        tags.append(found.tags(expected))
        problems += [Problem(sent.command, sent.data) for sent in requests]
    counts = []
    hits, totals = hits_in_every_caption(tags, captions[: 2 * PICTURES])
    for at_least in (0, 51, 128, 256):
        sent = filter_request(hits, totals, at_least)
        unit.execute(sent.command, sent.data)
        expected = self_filter(hits, totals, CtrlSynthParameters(at_least))
        assert torch.equal(unit.memory.bitmaps[KEPT, : len(hits)], expected)
        counts.append(int(expected.sum()))
        problems.append(Problem(sent.command, sent.data))
    assert len(hits) == counts[0] > counts[1] > counts[2] > 0
    check_packets(problems)
