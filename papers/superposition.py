"""Superposition prompting on Natural Questions: which of 20 passages holds the answer, by the router; its cost."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import torch
from rank_bm25 import BM25Okapi
from torch import Tensor
from tqdm import tqdm

import seedloom
from formats.errors import InputError
from golden_models.decoder import Decoder
from golden_models.superposition.forkjoin import SuperpositionParameters, keep_paths, path_bias
from golden_models.superposition.prompting import Paths, Segment
from papers.claim import Finding
from papers.prompts import EXAMPLES, Prompts
from papers.questions import STAND_IN, Asked, holds, interval, passages, words
from papers.report import Report, on
from papers.smollm2 import SmolLM2
from papers.superposition_asking import Asking, Library, in_a_row, seen_by_task
from sw_runtime.device.protocol import Device
from sw_runtime.methods.superposition.on_device import kept_columns, path_weights
from sw_runtime.routing.selection import keep_top

ENGINE = seedloom.EngineParameters(("scaled-4bit",))
"""Beside the router, and idle: the model runs on the host here."""

FEWEST_WORDS, MOST_WORDS = 30, 60
"""Of a passage: twenty of them and the examples stay below 2,048 tokens, what the model was made for."""

TEMPERATURE = 1.0
"""τ of the authors' configuration for sweeps of k."""

KEEPS, DOCUMENT_WEIGHTS = (1, 2, 4), (0.0, 0.5, 1.0)
"""k and λ that are tried on other questions than those that count."""

NAMES = "naive", "BM25", "right passage", "superposition"


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
    """What was found, an entry per question, by method.

    Parameters
    ----------
    holds, exact
        Whether the answer holds the right words; whether it is them alone.
    found
        Whether the right passage is the first, or for superposition among the k.
    work
        Counted work to the first token.
    answers
        What was said.
    kept
        Paths that the device kept.
    like_floats
        Whether they are those that float32 keeps.
    columns
        Share of the cached columns that the task sees.
    """

    holds: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))
    exact: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))
    found: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))
    work: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    answers: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    kept: list[list[int]] = field(default_factory=list)
    like_floats: list[bool] = field(default_factory=list)
    columns: list[float] = field(default_factory=list)

    def answer(self, method: str, response: str, answer: str) -> None:
        """Note what a method says."""
        self.answers[method].append(response)
        self.holds[method].append(holds(response, answer))
        self.exact[method].append(words(response) == words(answer))

    def gain(self, method: str, other: str) -> tuple[float, tuple[float, float]]:
        """By how many points of 100 a method's answers hold the right words more often, with its interval."""
        ours, theirs = (100 * torch.tensor(self.holds[name]).double() for name in (method, other))
        return (ours - theirs).mean().item(), interval(ours - theirs)


def by_ordinary_prompts(asking: Asking, tally: Tally) -> None:
    """Ask with all passages in a row, with the one that BM25 finds and with the right one."""
    decoder, library = asking.decoder, asking.library
    retrieved, right = best_by_words(library.texts, asking.question.text), asking.question.passage
    tally.found["BM25"].append(retrieved == right)
    alone = {number: in_a_row(decoder, [library.preamble], library.tokens[number]) for number in {retrieved, right}}
    answered = {number: _answered(asking, documents) for number, documents in alone.items()}
    ordinary = {
        "naive": _answered(asking, library.serial),
        "BM25": answered[retrieved],
        "right passage": answered[right],
    }
    for method, (response, tokens) in ordinary.items():
        tally.answer(method, response, asking.question.answer)
        tally.work[method].append(multiply_accumulates(asking.decoder, tokens, 0, 1))


def _answered(asking: Asking, documents: Segment) -> tuple[str, int]:
    """The answer to an ordinary prompt, and that prompt's tokens."""
    seen = [asking.library.preamble, documents]
    seen.append(in_a_row(asking.decoder, seen, asking.query))
    tokens = sum(len(segment.tokens) for segment in seen)
    return asking.response(seen, torch.zeros(tokens)), tokens + len(asking.prompts.task)


def response_of(asking: Asking, paths: Paths, weights: Tensor, kept: Tensor) -> str:
    """The answer along the paths kept, bool [n_d]."""
    return asking.response(*seen_by_task(paths.take(kept), path_bias(weights, kept, TEMPERATURE)[kept]))


def by_superposition(asking: Asking, device: Device, settings: SuperpositionParameters, tally: Tally) -> None:
    """Ask on all paths at once; the device weighs them and keeps the best k."""
    decoder, library, query, passage = asking.decoder, asking.library, asking.query, asking.question.passage
    paths, keep, name = asking.paths(), settings.keep, "superposition"
    assert keep is not None  # it was chosen from KEEPS
    weights = path_weights(device, paths.documents, paths.queries, settings.document_weight)
    kept = keep_top(device, weights, keep=keep, score_code="logits")
    before = len(library.preamble.tokens)
    columns = kept_columns(device, before, paths.documents, paths.queries, kept)
    tally.answer(name, response_of(asking, paths, weights, kept), asking.question.answer)
    tally.found[name].append(bool(kept[passage]))
    tally.found["likeliest path"].append(int(weights.argmax()) == passage)
    tally.found["attention"].append(int(paths.attention_weights().argmax()) == passage)
    reading = [
        multiply_accumulates(decoder, len(query), before + len(document.tokens), len(query) - 1)
        for document in library.documents
    ]
    tally.work["queries"].append(sum(reading))
    tally.work["longest query"].append(max(reading))
    tally.work[name].append(multiply_accumulates(decoder, len(asking.prompts.task), int(columns.sum()), 1))
    tally.columns.append(columns.double().mean().item())
    tally.kept.append(kept.nonzero().flatten().tolist())
    tally.like_floats.append(torch.equal(kept, keep_paths(paths.weights(settings), keep)))


def chosen_settings(askings: Sequence[Asking], device: Device) -> tuple[SuperpositionParameters, dict[str, str]]:
    """λ by how often the right path is the likeliest, then k by right answers; the first among equals.

    Parameters
    ----------
    askings
        Questions that are not counted.

    Returns
    -------
    Settings, and what was right of how many by setting.
    """
    all_paths = [asking.paths() for asking in askings]
    weighed = {
        weight: [path_weights(device, paths.documents, paths.queries, weight) for paths in all_paths]
        for weight in DOCUMENT_WEIGHTS
    }
    first = {
        weight: sum(int(w.argmax()) == asking.question.passage for w, asking in zip(of_all, askings, strict=True))
        for weight, of_all in weighed.items()
    }
    best_weight = max(first, key=lambda weight: first[weight])
    right = {
        keep: sum(
            holds(response_of(asking, paths, w, keep_paths(w, keep)), asking.question.answer)
            for asking, paths, w in zip(askings, all_paths, weighed[best_weight], strict=True)
        )
        for keep in KEEPS
    }
    best_keep = max(right, key=lambda keep: right[keep])
    tried = {f"right path likeliest, λ = {weight}": f"{count} of {len(askings)}" for weight, count in first.items()}
    tried |= {f"right answers, k = {keep}": f"{count} of {len(askings)}" for keep, count in right.items()}
    return SuperpositionParameters(best_keep, TEMPERATURE, document_weight=best_weight), tried


def share(values: Sequence[bool]) -> str:
    """A share in % with its 95 % interval."""
    low, high = interval(100 * torch.tensor(values).double())
    return f"{100 * sum(values) / len(values):.1f} [{low:.1f}, {high:.1f}]"


def figures_of(tally: Tally, settings: SuperpositionParameters, tried: Mapping[str, str]) -> dict[str, float | str]:
    """What the tally says, by name."""
    figures: dict[str, float | str] = {f"on other questions: {name}": value for name, value in tried.items()}
    for method in NAMES:
        figures[f"answers that hold the right words, {method}, %"] = share(tally.holds[method])
        figures[f"answers that are the right words alone, {method}, %"] = share(tally.exact[method])
    figures[f"right passage among k = {settings.keep}, %"] = share(tally.found["superposition"])
    for method in ("BM25", "likeliest path", "attention"):
        figures[f"right passage first by {method}, %"] = share(tally.found[method])
    naive, queries, task = (sum(tally.work[name]) for name in ("naive", "queries", "superposition"))
    return figures | {
        "work to the first token, naive's over superposition's with passages cached": naive / (queries + task),
        "work to the first token, naive's over BM25's": naive / sum(tally.work["BM25"]),
        "cached columns that the task sees, %": 100 * sum(tally.columns) / len(tally.columns),
        "selections by the router as by float32, %": 100 * sum(tally.like_floats) / len(tally.like_floats),
    }


def findings_of(tally: Tally, scale: str, device: str) -> dict[str, Finding]:
    """The claims' quantities."""
    ran = f"paths chosen by the router, {on(device)}; model on the host"
    findings = {}
    for claim in ("naive", "BM25"):
        gain, ends = tally.gain("superposition", claim)
        findings[claim] = Finding(gain, scale, ran, ends, STAND_IN)
    naive, longest, task = (sum(tally.work[name]) for name in ("naive", "longest query", "superposition"))
    return findings | {"work": Finding(naive / (longest + task), scale, ran)}


def measure(device: str, libraries: int = 5, documents: int = 20, questions: int = 20) -> Report:
    """Ask SmolLM2 questions on Wikipedia, with passages in a row and in superposition.

    Parameters
    ----------
    device
        ``"emulated"`` or ``"simulated"``: what weighs the paths, keeps the best and leaves out the others' columns.
    libraries, documents
        Sets of passages that count, and passages in each; one more set is there to choose k and λ by.
    questions
        On each set, one a passage, at most ``documents``.

    Raises
    ------
    InputError
        If there are fewer documents than paths that may be kept, or than questions.
    """
    if max(*KEEPS, questions) > documents:
        raise InputError(f"{questions} questions and k up to {max(KEEPS)} need as many documents, not {documents}")
    smollm2 = SmolLM2.load()
    texts, asked = passages(EXAMPLES + (1 + libraries) * documents, FEWEST_WORDS, MOST_WORDS)
    prompts = Prompts(smollm2.tokenizer, texts, asked[:EXAMPLES])
    tally, decoder = Tally(), smollm2.decoder

    def askings(start: int) -> list[Asking]:
        library = Library.of(decoder, prompts, texts[start : start + documents])
        ours = asked[start : start + questions]
        return [Asking(decoder, prompts, library, Asked(one.text, one.answer, one.passage - start)) for one in ours]

    opening = seedloom.open_device(device, parameters=ENGINE, router=seedloom.RouterParameters())
    with torch.inference_mode(), closing(opening) as opened:
        settings, tried = chosen_settings(askings(EXAMPLES), opened)
        with tqdm(total=libraries * questions, desc="questions", unit="question") as progress:
            for library in range(1, 1 + libraries):
                for asking in askings(EXAMPLES + library * documents):
                    by_ordinary_prompts(asking, tally)
                    by_superposition(asking, opened, settings, tally)
                    progress.update()
        figures = figures_of(tally, settings, tried)
        figures["router cycles, all questions"] = opened.counters.router_cycles
    chosen = f"k = {settings.keep} and λ = {settings.document_weight} chosen on {questions} others"
    scale = f"SmolLM2-135M, {len(tally.kept)} questions of Natural Questions, {documents} passages, {chosen}"
    details = {"kept": tally.kept, "answers": dict(tally.answers)}
    return Report(device, findings_of(tally, scale, device), figures, details)
