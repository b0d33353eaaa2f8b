"""The integer decoder beside the same weights in floats; docs/decoder.md.

``python benchmarks/integer_decoder.py FOLDER`` takes a folder that ``seedloom compress`` wrote. Windows of Wikipedia
articles that no calibration saw give divergence and perplexity; ten prompts are continued greedily. The integers are
the emulated decoder's, which are the golden model's and several times as fast.
"""

from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from torch import Tensor
from transformers import AutoTokenizer

import seedloom  # noqa: F401  transformers learns to read compressed folders
from formats.decoder.program import Program
from sw_runtime.decoder.centres import SAMPLE, sample_tokens, with_key_centres
from sw_runtime.decoder.compiler import compile_program
from sw_runtime.decoder.emulated import EmulatedDecoder
from sw_runtime.decoder.families import transformers_parts
from sw_runtime.evaluate.text import Estimate, log_probabilities
from sw_runtime.pretrained import load_model
from sw_runtime.progress import progress_bar
from sw_runtime.texts.corpora import evaluation_text
from sw_runtime.texts.tokens import text_windows

PROMPTS = (
    "The capital of France is",
    "Once upon a time there was a small robot who",
    "Water boils at a temperature of",
    "To bake bread, you first",
    "The history of the steam engine begins",
    "def fibonacci(n):",
    "Dear Sir or Madam, I am writing to",
    "The three most common elements in the sun are",
    "In the year 1900, the city of London",
    "A good way to learn a language is",
)
TOKENS = 64

POSITIONS = 128
"""Room for a prompt and its continuation."""


class Subject:
    """A compressed model, and its integers.

    Parameters
    ----------
    model
        On the host, its layers decoded to floats.
    positions
        Longest context.
    """

    def __init__(self, model: Any, positions: int) -> None:
        self.model, self.parts = model, transformers_parts(model, positions)

    def programs(self) -> dict[str, Program]:
        """What is measured, by how keys and values are cached."""
        embed = self.model.get_input_embeddings()
        with torch.no_grad():
            sample = embed(torch.from_numpy(sample_tokens(embed.num_embeddings, SAMPLE))).numpy()
        centred = with_key_centres(self.parts, sample)
        return {
            "16 bits": compile_program(self.parts, 16),
            "8 bits": compile_program(centred, 8),
            "8 bits, keys not centred": compile_program(self.parts, 8),
        }

    def logits(self, program: Program, tokens: Tensor) -> Tensor:
        """Of the integer decoder: int64 [T] → float64 [T, vocabulary]."""
        with torch.no_grad():
            embeddings = self.model.get_input_embeddings()(tokens)
        return torch.ldexp(self.keys(program, embeddings).double(), torch.tensor(program.key_exponent))

    def keys(self, program: Program, embeddings: Tensor) -> Tensor:
        """Of all tokens' logits: float [T, dim] → int64 [T, vocabulary]."""
        decoder = EmulatedDecoder(program, self.parts.matrices)
        return torch.from_numpy(decoder.take(embeddings.numpy(), answers=len(embeddings)))

    def compare(self, program: Program, window: Tensor, expected: Tensor) -> Tensor:
        """Divergence, log of perplexity's ratio and agreement on a window: [3]."""
        found = self.logits(program, window)[:-1].log_softmax(dim=-1)
        divergence = (expected.exp() * (expected - found)).sum(dim=-1).mean()
        ratio = (expected - found).gather(1, window[1:, None]).mean()
        return torch.stack([divergence, ratio, (expected.argmax(-1) == found.argmax(-1)).double().mean()])

    def continued(self, prompt: Tensor) -> tuple[Tensor, Tensor]:
        """The float model's greedy text behind a prompt, prompt included, and its logits of the new tokens."""
        with torch.no_grad():
            text = self.model.generate(prompt[None], max_new_tokens=TOKENS, do_sample=False, eos_token_id=None)[0]
            return text, self.model(text[None]).logits[0, len(prompt) - 1 : -1].double()

    def parting(self, program: Program, text: Tensor, expected: Tensor) -> tuple[int, float, float] | None:
        """Where the two greedy texts part, the gap of the float model's logits there, and their largest difference.

        None if all tokens are the same. Up to where they part both see the same text, so one pass over the float
        model's text finds it.
        """
        found = self.logits(program, text)[-1 - len(expected) : -1]
        apart = (found.argmax(dim=-1) != text[-len(expected) :]).nonzero()
        if not len(apart):
            return None
        place = int(apart[0])
        one, other = expected[place], found[place]
        difference = one - other  # but for what all logits share, which changes no probability
        return place, float(one.max() - one[other.argmax()]), float((difference - difference.mean()).abs().max())


def main(
    folder: Path,
    windows: Annotated[int, typer.Option(help="windows of text")] = 4,
    length: Annotated[int, typer.Option(help="tokens a window")] = 256,
    prompts: Annotated[int, typer.Option(help="prompts continued")] = len(PROMPTS),
) -> None:
    """Measure and print."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = load_model(folder, dtype=torch.float32).eval()
    subject = Subject(model, max(length, POSITIONS))
    programs = subject.programs()
    found: dict[str, list[Tensor]] = {name: [] for name in programs}
    for window in progress_bar(text_windows(evaluation_text(), tokenizer, windows, length), desc="text", unit="window"):
        expected = log_probabilities(model, window).double()
        for name, program in programs.items():
            found[name].append(subject.compare(program, window, expected))
    print("| keys and values | divergence, nats | log of perplexity's ratio | same likeliest token |")
    print("|---|---:|---:|---:|")
    for name, rows in found.items():
        estimates = [Estimate.of(column) for column in torch.stack(rows).T]
        print(f"| {name} | " + " | ".join(f"{e.mean:.2g} ± {e.error:.1g}" for e in estimates) + " |")
    tokens = [torch.tensor(tokenizer(prompt)["input_ids"]) for prompt in PROMPTS[:prompts]]
    texts = [subject.continued(prompt) for prompt in progress_bar(tokens, desc="floats", unit="prompt")]
    for name, program in programs.items():
        found_texts = progress_bar(texts, desc=name, unit="prompt")
        partings = dict(zip(PROMPTS, (subject.parting(program, *text) for text in found_texts), strict=False))
        same = sum(parting is None for parting in partings.values())
        print(f"\n{name}: {same} of {len(partings)} prompts are continued by the same {TOKENS} tokens")
        for prompt, parting in partings.items():
            if parting is not None:
                place, gap, error = parting
                print(f"  {prompt!r} parts at token {place}: logits {gap:.3f} apart, largest difference {error:.3f}")


if __name__ == "__main__":
    typer.run(main)
