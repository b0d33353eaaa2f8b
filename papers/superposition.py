"""Superposition prompting on news: which of 20 items holds the answer, by the router; and what the answer costs."""

import random
import re
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import torch
from rank_bm25 import BM25Okapi
from torch import Tensor
from tqdm import tqdm

import seedloom
from formats.errors import InputError
from golden_models.decoder import Decoder
from golden_models.superposition.forkjoin import SuperpositionParameters, keep_paths, path_bias
from golden_models.superposition.prompting import (
    Segment,
    after,
    counted,
    read,
    read_documents,
    read_preamble,
    read_queries,
    respond,
)
from papers.report import Figure, Report
from papers.smollm2 import SmolLM2
from sw_runtime.device.protocol import Device
from sw_runtime.methods.superposition.on_device import kept_columns, path_weights
from sw_runtime.routing.selection import keep_top
from sw_runtime.texts.corpora import news

ENGINE = seedloom.EngineParameters(("scaled-4bit",))
"""Beside the router, and idle: the model runs on the host here."""

DOCUMENT_WORDS = 60
CUE_WORDS, ANSWER_WORDS = 4, 3
SETTINGS = SuperpositionParameters(temperature=1.0)
"""τ of the authors' configuration for sweeps of k."""

REPORTED = {"naive": ".026", "BM25": ".278", "by attention": ".218", 1: ".465", 2: ".471", 4: ".456", 8: ".423"}
"""Accuracy of mpt-7b-instruct on NQ-Open (the paper's tables): a model 50 times larger, other questions."""


@dataclass(frozen=True)
class Question:
    """How a sentence of a document ends.

    Parameters
    ----------
    cue, answer
        Words of the sentence: its last three, and four before them.
    document
        Which one it is from.
    """

    cue: str
    answer: str
    document: int


def documents_of(text: str, count: int, start: int) -> list[str]:
    """The first sentences of news items, one item a line, whole ones of up to 60 words together."""
    documents = []
    for item in [line for line in text.splitlines() if line.strip()][start : start + count]:
        taken: list[str] = []
        for sentence in re.split(r"(?<=[.!?])\s+", item.strip()):
            if taken and len(" ".join([*taken, sentence]).split()) > DOCUMENT_WORDS:
                break
            taken.append(sentence)
        documents.append(" ".join(taken))
    return documents


def questions_of(documents: Sequence[str], count: int, seed: int) -> list[Question]:
    """One question each on as many documents, drawn at random."""
    draw = random.Random(seed)
    questions: list[Question] = []
    for document in draw.sample(range(len(documents)), len(documents)):
        sentences = [sentence.split() for sentence in re.split(r"(?<=[.!?])\s+", documents[document])]
        long_enough = [words for words in sentences if len(words) > CUE_WORDS + ANSWER_WORDS]
        if long_enough and len(questions) < count:
            words = draw.choice(long_enough)
            cue, answer = words[-CUE_WORDS - ANSWER_WORDS : -ANSWER_WORDS], words[-ANSWER_WORDS:]
            questions.append(Question(" ".join(cue), " ".join(answer).rstrip("."), document))
    return questions


def best_by_words(documents: Sequence[str], query: str) -> int:
    """The document that BM25 puts first."""

    def words(text: str) -> list[str]:
        return re.findall(r"[a-z0-9]+", text.lower())

    scores = BM25Okapi([words(document) for document in documents]).get_scores(words(query))
    return max(range(len(documents)), key=lambda document: (scores[document], -document))


class Prompts:
    """Token ids of a prompt's parts.

    Parameters
    ----------
    tokenizer
        Of the model.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.preamble = self.tokens(f"{tokenizer.bos_token}Items of news:")

    def tokens(self, text: str) -> Tensor:
        """int64 [m]."""
        return torch.tensor(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def document(self, text: str) -> Tensor:
        """int64 [m]."""
        return self.tokens(f"\n\n{text}")

    def question(self, question: Question) -> tuple[Tensor, Tensor, Tensor]:
        """Query, which quotes the cue; task, which begins to quote it again; and answer, which ends the quotation."""
        query, task = self.tokens(f"\n\n... {question.cue} ..."), self.tokens(f"\n\n... {question.cue}")
        return query, task, self.tokens(f" {question.answer}")


def score(segment: Segment, answer: Tensor) -> tuple[bool, float]:
    """Whether greedy decoding gives the answer, the end of what was read; and its mean log-likelihood a token."""
    logits = segment.logits[-len(answer) - 1 : -1]
    likelihoods = logits.log_softmax(dim=-1).gather(1, answer[:, None])
    return torch.equal(logits.argmax(dim=-1), answer), likelihoods.mean().item()


def go_on(decoder: Decoder, seen: Sequence[Segment], tokens: Tensor) -> Segment:
    """Read tokens as an ordinary prompt goes on."""
    nothing = torch.zeros(sum(len(segment.tokens) for segment in seen))
    return read(decoder, tokens, counted(after(seen[-1].positions), tokens), seen, nothing)


def multiply_accumulates(decoder: Decoder, tokens: int, seen: int, scored: int) -> int:
    """Work of reading tokens after others: matrices, attention, and the head where logits are wanted."""
    layer = decoder.layers[0]
    pairs = tokens * seen + tokens * (tokens + 1) // 2
    a_layer = tokens * sum(matrix.numel() for matrix in layer.matrices) + 2 * layer.query.shape[0] * pairs
    return len(decoder.layers) * a_layer + scored * decoder.head.numel()


@dataclass
class Tally:
    """What was found, one entry a question, by method: a name, or the number of kept paths."""

    correct: dict[str | int, list[bool]] = field(default_factory=lambda: defaultdict(list))
    likelihood: dict[str | int, list[float]] = field(default_factory=lambda: defaultdict(list))
    found: dict[str | int, list[bool]] = field(default_factory=lambda: defaultdict(list))
    work: dict[str | int, list[int]] = field(default_factory=lambda: defaultdict(list))
    columns: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    kept: list[list[int]] = field(default_factory=list)
    like_floats: list[bool] = field(default_factory=list)

    def answer(self, method: str | int, segment: Segment, answer: Tensor) -> None:
        """Note whether and how likely a method gives the answer."""
        correct, likelihood = score(segment, answer)
        self.correct[method].append(correct)
        self.likelihood[method].append(likelihood)


@dataclass(frozen=True)
class Library:
    """Documents, read once for all questions: side by side, and as one long prompt.

    Parameters
    ----------
    texts
        The documents.
    tokens
        The same, int64 [m] each.
    preamble, documents, serial
        What was read.
    """

    texts: list[str]
    tokens: list[Tensor]
    preamble: Segment
    documents: list[Segment]
    serial: Segment

    @classmethod
    def of(cls, decoder: Decoder, prompts: Prompts, texts: list[str]) -> "Library":
        """Read them."""
        tokens = [prompts.document(text) for text in texts]
        preamble = read_preamble(decoder, prompts.preamble)
        serial = go_on(decoder, [preamble], torch.cat(tokens))
        return cls(texts, tokens, preamble, read_documents(decoder, [preamble], tokens), serial)


def by_ordinary_prompts(
    decoder: Decoder, library: Library, parts: tuple[Tensor, Tensor, Tensor], question: Question, tally: Tally
) -> None:
    """Ask with no document, with all of them in a row, and with the one that BM25 finds."""
    query, task, answer = parts
    retrieved = best_by_words(library.texts, question.cue)
    tally.found["BM25"].append(retrieved == question.document)
    one = go_on(decoder, [library.preamble], library.tokens[retrieved])
    for method, documents in (("no document", []), ("naive", [library.serial]), ("BM25", [one])):
        seen = [library.preamble, *documents]
        tally.answer(method, go_on(decoder, seen, torch.cat([query, task, answer])), answer)
        tokens = sum(len(segment.tokens) for segment in seen) + len(query) + len(task)
        tally.work[method].append(multiply_accumulates(decoder, tokens, 0, 1))


def by_superposition(
    decoder: Decoder,
    device: Device,
    library: Library,
    parts: tuple[Tensor, Tensor, Tensor],
    question: Question,
    keeps: Sequence[int],
    tally: Tally,
) -> None:
    """Ask on all paths at once; the device weighs them and keeps the best k."""
    query, task, answer = parts
    paths = read_queries(decoder, [library.preamble], library.documents, query)
    weights, query_alone = (
        path_weights(device, paths.documents, paths.queries, weight) for weight in (SETTINGS.document_weight, 0.0)
    )
    likeliest_query = keep_top(device, query_alone, keep=1, score_code="logits")
    tally.found["query alone"].append(bool(likeliest_query[question.document]))
    attention = paths.attention_weights()
    before = len(library.preamble.tokens)
    reading = [
        multiply_accumulates(decoder, len(query), before + len(document.tokens), len(query) - 1)
        for document in library.documents
    ]
    tally.work["queries"].append(sum(reading))
    tally.work["longest query"].append(max(reading))
    for keep in keeps:
        kept = keep_top(device, weights, keep=keep, score_code="logits")
        columns = kept_columns(device, before, paths.documents, paths.queries, kept)
        bias = path_bias(weights, kept, SETTINGS.temperature)
        tally.answer(keep, respond(decoder, paths.take(kept), bias[kept], torch.cat([task, answer])), answer)
        tally.found[keep].append(bool(kept[question.document]))
        tally.work[keep].append(multiply_accumulates(decoder, len(task), int(columns.sum()), 1))
        tally.columns[keep].append(columns.double().mean().item())
        tally.kept.append(kept.nonzero().flatten().tolist())
        tally.like_floats.append(torch.equal(kept, keep_paths(paths.weights(SETTINGS), keep)))
    kept = keep_top(device, attention.log(), keep=1, score_code="logits")
    tally.answer("by attention", respond(decoder, paths.take(kept), torch.zeros(1), torch.cat([task, answer])), answer)
    tally.found["by attention"].append(bool(kept[question.document]))


def figures_of(tally: Tally, keeps: Sequence[int], router_cycles: float) -> list[Figure]:
    """What the tally says, beside the paper's."""

    def mean(values: Sequence[float]) -> float:
        return sum(values) / len(values)

    def accuracy(label: str, method: str | int) -> Figure:
        reported = REPORTED.get(method)
        value = f"{mean(tally.correct[method]):.2f} ({mean(tally.likelihood[method]):.2f} nats a token)"
        return Figure(f"answers right, {label}", value, reported, "as reported" if reported else None)

    best = min(keeps)
    naive, queries, longest = (sum(tally.work[name]) for name in ("naive", "queries", "longest query"))
    task = sum(tally.work[best])
    return [
        accuracy("no document", "no document"),
        accuracy("naive: all in a row", "naive"),
        accuracy("BM25's first", "BM25"),
        *(accuracy(f"superposition, k = {keep}", keep) for keep in keeps),
        accuracy("superposition, k = 1 by attention", "by attention"),
        *(Figure(f"the right document among k = {keep}", mean(tally.found[keep])) for keep in keeps),
        *(
            Figure(f"the right document first by {label}", mean(tally.found[method]))
            for label, method in (("BM25", "BM25"), ("attention", "by attention"), ("λ = 0", "query alone"))
        ),
        Figure("work to the first token, naive's over ours: cached", naive / (queries + task), "10.3", "as reported"),
        Figure("… and queries in parallel, k = 1 pruned", naive / (longest + task), "94.0", "as reported"),
        Figure("… BM25's first, nothing cached", naive / sum(tally.work["BM25"])),
        Figure(f"cached columns the task sees, k = {best}, %", 100 * mean(tally.columns[best])),
        Figure("selections by the router as by float32, %", 100 * mean(tally.like_floats)),
        Figure("router cycles a question, all k", f"{router_cycles:,.0f}"),
    ]


def measure(
    device: str, libraries: int = 2, documents: int = 20, questions: int = 12, keeps: Sequence[int] = (1, 2, 4, 8)
) -> Report:
    """Ask SmolLM2 how sentences of news end, with documents in a row and in superposition.

    Parameters
    ----------
    device
        ``"emulated"`` or ``"simulated"``: what weighs the paths, keeps the best and leaves out the others' columns.
    libraries, documents
        Sets of documents, and documents in each.
    questions
        On each set.
    keeps
        Numbers of paths kept, k.

    Raises
    ------
    InputError
        If more paths are to be kept than there are documents.
    """
    if max(keeps) > documents:
        raise InputError(f"{max(keeps)} paths cannot be kept of {documents} documents; lower keeps")
    smollm2 = SmolLM2.load()
    decoder, prompts = smollm2.decoder, Prompts(smollm2.tokenizer)
    tally, text = Tally(), news()
    with closing(seedloom.open_device(device, parameters=ENGINE, router=seedloom.RouterParameters())) as opened:
        with torch.inference_mode(), tqdm(total=libraries * questions, desc="questions", unit="question") as progress:
            for number in range(libraries):
                library = Library.of(decoder, prompts, documents_of(text, documents, number * documents))
                for question in questions_of(library.texts, questions, number):
                    parts = prompts.question(question)
                    by_ordinary_prompts(decoder, library, parts, question, tally)
                    by_superposition(decoder, opened, library, parts, question, keeps, tally)
                    progress.update()
        asked = len(tally.correct["naive"])
        figures = figures_of(tally, keeps, opened.counters.router_cycles / asked)
    scale = f"SmolLM2-135M, {asked} questions on news, {documents} documents each"
    details = {"kept": tally.kept, "correct": {str(method): flags for method, flags in tally.correct.items()}}
    return Report("Superposition prompting (2404.06910)", scale, device, figures, details)
