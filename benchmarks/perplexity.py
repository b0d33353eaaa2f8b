"""What compression costs in text: perplexity and KL divergence of the demonstration's model against float.

``python benchmarks/perplexity.py [FORMAT]`` takes windows of the Wikipedia excerpt inside gensim's test
data; the model was calibrated on another corpus (``packaged_text``).
"""

import bz2
import html
import re
import sys

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

import seedloom
from seedloom.demo import compressed_model
from sw_runtime.compress.calibration import packaged_file
from sw_runtime.compress.packaged_models import smollm2_folder

WINDOWS, LENGTH = 16, 512
EXCERPT = "enwiki-latest-pages-articles1.xml-p000000010p000030302-shortened.bz2"


def wikipedia() -> str:
    """Paragraphs of prose from the excerpt's articles, markup removed."""
    with bz2.open(packaged_file(EXCERPT), "rt", encoding="utf8", errors="replace") as file:
        articles = re.findall(r"<text[^>]*>(.*?)</text>", file.read(), re.DOTALL)
    paragraphs = []
    for article in articles:
        text = re.sub(r"<!--.*?-->|<ref[^>]*/>|<ref.*?</ref>", "", html.unescape(article), flags=re.DOTALL)
        for _ in range(6):  # templates and tables nest
            text = re.sub(r"\{\{[^{}]*\}\}|\{\|[^{}]*?\|\}", "", text, flags=re.DOTALL)
        text = re.sub(r"\[\[[^\[\]|]*\|([^\[\]]*)\]\]", r"\1", text)
        text = re.sub(r"\[\[|\]\]|'{2,}|<[^>]+>", "", text)
        paragraphs += [p.strip() for p in text.split("\n") if len(p.strip()) > 200 and p.strip()[0] not in "*#:;|!=[{"]
    return "\n\n".join(paragraphs)


def log_probabilities(model: torch.nn.Module, window: Tensor) -> Tensor:
    """Of every next token: float32 [length - 1, vocabulary]."""
    with torch.inference_mode():
        return model(window[None]).logits[0, :-1].float().log_softmax(dim=-1)


def main(format: str) -> None:
    """Measure and print, with standard errors over windows."""
    folder = smollm2_folder()
    original = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    compressed = AutoModelForCausalLM.from_pretrained(compressed_model(format), dtype=torch.float32)
    ids = AutoTokenizer.from_pretrained(folder)(wikipedia(), return_tensors="pt")["input_ids"][0]
    starts = torch.linspace(0, len(ids) - LENGTH, WINDOWS).long().tolist()
    rows = []
    for start in starts:
        window = ids[start : start + LENGTH]
        reference, measured = log_probabilities(original, window), log_probabilities(compressed, window)
        losses = [-p.gather(1, window[1:, None]).mean() for p in (reference, measured)]
        divergence = (reference.exp() * (reference - measured)).sum(dim=-1).mean()
        agreement = (reference.argmax(dim=-1) == measured.argmax(dim=-1)).float().mean()
        rows.append(torch.stack([*losses, losses[1] - losses[0], divergence, agreement]))
    mean, error = torch.stack(rows).mean(dim=0), torch.stack(rows).std(dim=0) / len(rows) ** 0.5
    print(f"{format}, {WINDOWS} windows of {LENGTH} tokens, seedloom {seedloom.__version__}")
    print(f"  perplexity      {mean[1].exp():.2f}, float {mean[0].exp():.2f}")
    print(f"  log ratio       {mean[2]:.3f} ± {error[2]:.3f}")
    print(f"  KL divergence   {mean[3]:.3f} ± {error[3]:.3f}")
    print(f"  top-1 agreement {mean[4]:.1%} ± {error[4]:.1%}")


if __name__ == "__main__":
    main(*sys.argv[1:] or ["scaled-4bit"])
