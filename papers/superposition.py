"""Superposition prompting on questions of people: which of 20 passages holds the answer, by the router; its cost."""

import re
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field

import torch
from rank_bm25 import BM25Okapi
from tqdm import tqdm

import seedloom
from formats.errors import InputError
from golden_models.decoder import Decoder
from golden_models.superposition.forkjoin import SuperpositionParameters, keep_paths, path_bias
from golden_models.superposition.prompting import Segment, read_queries
from papers.claim import Finding
from papers.questions import Asked, interval, passages
from papers.report import Report, on
from papers.smollm2 import SmolLM2
from papers.superposition_asking import Asking, Library, Prompts, in_a_row, seen_by_task
from sw_runtime.device.protocol import Device
from sw_runtime.methods.superposition.on_device import kept_columns, path_weights
from sw_runtime.routing.selection import keep_top

ENGINE = seedloom.EngineParameters(("scaled-4bit",))
"""Beside the router, and idle: the model runs on the host here."""

PASSAGE_WORDS = 90
SETTINGS = SuperpositionParameters(temperature=1.0)
"""τ of the authors' configuration for sweeps of k."""


def words(text: str) -> list[str]:
    """Of letters and digits, in lower case, articles left out: what answers are compared by."""
    return [word for word in re.findall(r"[a-z0-9]+", text.casefold()) if word not in ("a", "an", "the")]


def holds(response: str, answer: str) -> bool:
    """Whether the answer's words occur in a response in a row: the paper's measure, best-EM-subspan."""
    found, wanted = words(response), words(answer)
    return any(found[start : start + len(wanted)] == wanted for start in range(len(found) - len(wanted) + 1))


def best_by_words(documents: Sequence[str], query: str) -> int:
    """The document that BM25 puts first."""

    scores = BM25Okapi([words(document) for document in documents]).get_scores(words(query))
    return max(range(len(documents)), key=lambda document: (scores[document], -document))


def multiply_accumulates(decoder: Decoder, tokens: int, seen: int, scored: int) -> int:
    """Work of reading tokens after others: matrices, attention, and the head where logits are wanted."""
    layer = decoder.layers[0]
    pairs = tokens * seen + tokens * (tokens + 1) // 2
    a_layer = tokens * sum(matrix.numel() for matrix in layer.matrices) + 2 * layer.query.shape[0] * pairs
    return len(decoder.layers) * a_layer + scored * decoder.head.numel()


@dataclass
class Tally:
    """What was found, one entry a question, by method: a name, or the number of kept paths."""

    holds: dict[str | int, list[bool]] = field(default_factory=lambda: defaultdict(list))
    exact: dict[str | int, list[bool]] = field(default_factory=lambda: defaultdict(list))
    found: dict[str | int, list[bool]] = field(default_factory=lambda: defaultdict(list))
    work: dict[str | int, list[int]] = field(default_factory=lambda: defaultdict(list))
    answers: dict[str | int, list[str]] = field(default_factory=lambda: defaultdict(list))
    columns: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    kept: list[list[int]] = field(default_factory=list)
    like_floats: list[bool] = field(default_factory=list)

    def answer(self, method: str | int, response: str, answer: str) -> None:
        """Note what a method says."""
        self.answers[method].append(response)
        self.holds[method].append(holds(response, answer))
        self.exact[method].append(words(response) == words(answer))

    def gain(self, method: str | int, other: str | int) -> tuple[float, tuple[float, float]]:
        """By how many points of 100 a method's answers hold the right words more often, with its interval."""
        ours, theirs = (100 * torch.tensor(self.holds[name]).double() for name in (method, other))
        return (ours - theirs).mean().item(), interval(ours - theirs)


def by_ordinary_prompts(asking: Asking, tally: Tally) -> None:
    """Ask with no passage, with all of them in a row, with the one that BM25 finds and with the right one."""
    decoder, library, query = asking.decoder, asking.library, asking.query
    retrieved = best_by_words(library.texts, asking.question.text)
    tally.found["BM25"].append(retrieved == asking.question.passage)
    alone = {
        number: in_a_row(decoder, [library.preamble], library.tokens[number])
        for number in {retrieved, asking.question.passage}
    }
    before: dict[str, list[Segment]] = {
        "no passage": [],
        "naive": [library.serial],
        "BM25": [alone[retrieved]],
        "right passage": [alone[asking.question.passage]],
    }
    for method, documents in before.items():
        seen = [library.preamble, *documents]
        seen.append(in_a_row(decoder, seen, query))
        tokens = sum(len(segment.tokens) for segment in seen)
        tally.answer(method, asking.response(seen, torch.zeros(tokens)), asking.question.answer)
        tally.work[method].append(multiply_accumulates(decoder, tokens + len(asking.prompts.task), 0, 1))


def by_superposition(asking: Asking, device: Device, keeps: Sequence[int], tally: Tally) -> None:
    """Ask on all paths at once; the device weighs them and keeps the best k."""
    decoder, library, query, passage = asking.decoder, asking.library, asking.query, asking.question.passage
    paths = read_queries(decoder, [library.preamble], library.documents, query)
    weights, query_alone = (
        path_weights(device, paths.documents, paths.queries, weight) for weight in (SETTINGS.document_weight, 0.0)
    )
    likeliest_query = keep_top(device, query_alone, keep=1, score_code="logits")
    tally.found["query alone"].append(bool(likeliest_query[passage]))
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
        response = asking.response(*seen_by_task(paths.take(kept), bias[kept]))
        tally.answer(keep, response, asking.question.answer)
        tally.found[keep].append(bool(kept[passage]))
        tally.work[keep].append(multiply_accumulates(decoder, len(asking.prompts.task), int(columns.sum()), 1))
        tally.columns[keep].append(columns.double().mean().item())
        tally.kept.append(kept.nonzero().flatten().tolist())
        tally.like_floats.append(torch.equal(kept, keep_paths(paths.weights(SETTINGS), keep)))
    kept = keep_top(device, paths.attention_weights().log(), keep=1, score_code="logits")
    response = asking.response(*seen_by_task(paths.take(kept), torch.zeros(1)))
    tally.answer("k = 1 by attention", response, asking.question.answer)
    tally.found["attention"].append(bool(kept[passage]))


def share(values: Sequence[bool]) -> str:
    """A share in % with its 95 % interval."""
    low, high = interval(100 * torch.tensor(values).double())
    return f"{100 * sum(values) / len(values):.1f} [{low:.1f}, {high:.1f}]"


def figures_of(tally: Tally, keeps: Sequence[int], router_cycles: float) -> dict[str, float | str]:
    """What the tally says, by name."""
    figures: dict[str, float | str] = {}
    for method in tally.holds:
        label = f"superposition, k = {method}" if isinstance(method, int) else method
        figures[f"answers that hold the right words, {label}, %"] = share(tally.holds[method])
        figures[f"answers that are the right words alone, {label}, %"] = share(tally.exact[method])
    for keep in keeps:
        figures[f"right passage among k = {keep}, %"] = share(tally.found[keep])
    for label, method in (
        ("BM25", "BM25"),
        ("attention", "attention"),
        ("the query's likelihood alone", "query alone"),
    ):
        figures[f"right passage first by {label}, %"] = share(tally.found[method])
    best = min(keeps)
    naive, queries, task = (sum(tally.work[name]) for name in ("naive", "queries", best))
    return figures | {
        "work to the first token, naive's over superposition's with passages cached": naive / (queries + task),
        "work to the first token, naive's over BM25's": naive / sum(tally.work["BM25"]),
        f"cached columns that the task sees, k = {best}, %": 100 * sum(tally.columns[best]) / len(tally.columns[best]),
        "selections by the router as by float32, %": 100 * sum(tally.like_floats) / len(tally.like_floats),
        "router cycles a question, all k": f"{router_cycles:,.0f}",
    }


def findings_of(tally: Tally, best: int, scale: str, device: str) -> dict[str, Finding]:
    """The claims' quantities."""
    ran = f"paths chosen by the router, {on(device)}; model on the host"
    findings = {}
    for claim, method in (("naive", "naive"), ("BM25", "BM25")):
        gain, ends = tally.gain(best, method)
        findings[claim] = Finding(gain, scale, ran, ends)
    naive, longest, task = (sum(tally.work[name]) for name in ("naive", "longest query", best))
    return findings | {"work": Finding(naive / (longest + task), scale, ran)}


def measure(
    device: str, libraries: int = 2, documents: int = 20, questions: int = 10, keeps: Sequence[int] = (1, 2, 4)
) -> Report:
    """Ask SmolLM2 questions on Wikipedia, with passages in a row and in superposition.

    Parameters
    ----------
    device
        ``"emulated"`` or ``"simulated"``: what weighs the paths, keeps the best and leaves out the others' columns.
    libraries, documents
        Sets of passages, and passages in each.
    questions
        On each set, one a passage, at most ``documents``.
    keeps
        Numbers of paths kept, k.

    Raises
    ------
    InputError
        If more paths are to be kept, or more questions asked, than there are documents.
    """
    if max(*keeps, questions) > documents:
        raise InputError(
            f"no more than {documents} paths or questions of {documents} documents; lower keeps or questions"
        )
    smollm2 = SmolLM2.load()
    decoder, prompts = smollm2.decoder, Prompts(smollm2.tokenizer)
    tally = Tally()
    texts, asked = passages(libraries * documents, PASSAGE_WORDS)
    with closing(seedloom.open_device(device, parameters=ENGINE, router=seedloom.RouterParameters())) as opened:
        with torch.inference_mode(), tqdm(total=libraries * questions, desc="questions", unit="question") as progress:
            for start in range(0, libraries * documents, documents):
                library = Library.of(decoder, prompts, texts[start : start + documents])
                for one in asked[start : start + questions]:
                    asking = Asking(decoder, prompts, library, Asked(one.text, one.answer, one.passage - start))
                    by_ordinary_prompts(asking, tally)
                    by_superposition(asking, opened, keeps, tally)
                    progress.update()
        figures = figures_of(tally, keeps, opened.counters.router_cycles / len(tally.holds["naive"]))
    scale = f"SmolLM2-135M, {len(tally.holds['naive'])} questions of disfl_qa, {documents} passages, k = {min(keeps)}"
    details = {"kept": tally.kept, "answers": {str(method): texts for method, texts in tally.answers.items()}}
    return Report(device, findings_of(tally, min(keeps), scale, device), figures, details)
