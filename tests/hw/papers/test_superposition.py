"""Paths of a real question in RTL: likelihoods of SmolLM2 on news are weighed, and the best path's columns kept."""

import torch

from formats.router.descriptor import Flag, Opcode
from formats.router.numbers import SQ7_16
from golden_models.router.unit import RouterUnit
from golden_models.superposition.forkjoin import SuperpositionParameters, keep_paths
from golden_models.superposition.prompting import Paths, read_documents, read_preamble, read_queries
from papers.prompts import Prompts
from papers.smollm2 import SmolLM2
from sw_runtime.device.protocol import Request
from sw_runtime.routing.commands import request
from sw_runtime.texts.corpora import news
from tests.hw.papers.router import ROUTER, check_packets
from tests.hw.router.problems import Problem

DOCUMENTS, WORDS = 6, 35
CURRENT, KEPT_PATHS = 0, 1


def paths_of_a_question() -> Paths:
    smollm2 = SmolLM2.load()
    decoder, prompts = smollm2.decoder, Prompts(smollm2.tokenizer, passages=[], asked=[])
    texts = [" ".join(item.split()[:WORDS]) for item in news().splitlines()[:DOCUMENTS]]
    query = prompts.question(f"What happened to {' '.join(texts[0].split()[:4])}?")
    with torch.inference_mode():
        preamble = [read_preamble(decoder, prompts.preamble)]
        return read_queries(
            decoder, preamble, read_documents(decoder, preamble, [prompts.document(text) for text in texts]), query
        )


def weighed(paths: Paths) -> Request:
    """Header and log-likelihoods of every document and query, in pairs."""
    elements: list[int] = []
    for document, query in zip(paths.documents, paths.queries, strict=True):
        for segment in (document, query):
            likelihoods = SQ7_16.quantise(segment.log_likelihoods()).tolist()
            elements += [len(likelihoods), *likelihoods]
    return request(Opcode.SEGLL, elements, Flag.SEGLL_PAIR, n=len(elements), x=2 * DOCUMENTS, z=1 << 12)


def left_out(paths: Paths, kept: torch.Tensor) -> list[Request]:
    """A run of columns a dropped path, each in the set the one before left; then the columns that stay, as a list."""
    start = len(paths.preamble[0].tokens)
    runs = []
    for document, query, stays in zip(paths.documents, paths.queries, kept.tolist(), strict=True):
        length = len(document.tokens) + len(query.tokens)
        runs += [] if stays else [(start, length)]
        start += length
    requests = [request(Opcode.RANGE, n=start, dst=CURRENT)]  # a run of nothing: all columns
    requests += [request(Opcode.RANGE, n=start, x=x, y=y, sa=CURRENT, dst=CURRENT) for x, y in runs]
    return [*requests, request(Opcode.GATHER, flags=Flag.GATHER_LIST, n=start, z=0xAAAA, sa=CURRENT)]


def columns_that_stay(paths: Paths, kept: torch.Tensor) -> list[int]:
    """The preamble's and those of kept paths, in serial order."""
    lengths = [len(d.tokens) + len(q.tokens) for d, q in zip(paths.documents, paths.queries, strict=True)]
    preamble = torch.ones(len(paths.preamble[0].tokens), dtype=torch.bool)
    return torch.cat([preamble, kept.repeat_interleave(torch.tensor(lengths))]).nonzero().flatten().tolist()


def test_likelihoods_become_kept_paths_and_their_columns() -> None:
    paths, unit = paths_of_a_question(), RouterUnit(ROUTER)
    problems: list[Problem] = []
    for keep in (1, 2):
        kept = keep_paths(paths.weights(SuperpositionParameters()), keep)
        keep_best = request(Opcode.TOPK, n=DOCUMENTS, x=keep, dst=KEPT_PATHS)
        requests = [weighed(paths), keep_best, *left_out(paths, kept)]
        answers = [unit.execute(sent.command, sent.data) for sent in requests]
        assert torch.equal(unit.memory.bitmaps[KEPT_PATHS, :DOCUMENTS], kept)
        assert list(answers[-1].payload) == columns_that_stay(paths, kept)
        problems += [Problem(sent.command, sent.data) for sent in requests]
    check_packets(problems)
