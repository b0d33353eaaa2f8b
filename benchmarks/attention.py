"""What quantising does to a selection by attention, on a real model: a table of docs/router.md.

LazyLLM (arXiv 2407.14057 §3) ranks the tokens of a prompt by the attention that its last token pays
them, averaged over heads, and drops the lowest. ``python benchmarks/attention.py`` runs SmolLM2 over
Wikipedia articles, ranks their tokens by that mean in float64 and by each code of the router, and
prints how many of the tokens kept are the same. The articles come inside the package gensim.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm
from transformers import AutoModelForCausalLM, AutoTokenizer

from formats.router.descriptor import Quota
from formats.router.keys import score_keys
from formats.router.numbers import UQ0_16
from formats.router.rates import drop_count
from golden_models.router.selection import TopK, topk
from sw_runtime.texts.corpora import wikipedia_articles
from sw_runtime.texts.packaged_models import smollm2_folder

ARTICLES, TOKENS = 8, 1024
DROP_RATES = (0.3, 0.5, 0.7)

CODES: dict[str, Callable[[Tensor], Tensor]] = {
    "mean, 16 bits": lambda attention: UQ0_16.quantise(attention.double().mean(dim=0)),
    "`sum16`": lambda attention: score_keys(attention, "sum16"),
    "`x24`": lambda attention: score_keys(attention, "x24"),
}
"""Keys of one layer's attention: [heads, n] → int64 [n]."""


def last_rows(model: nn.Module, window: Tensor) -> Tensor:
    """Attention of the last token: int64 [n] → float32 [layers, heads, n]."""
    rows: list[Tensor] = []

    def keep_last(module: nn.Module, inputs: Any, outputs: Any) -> None:
        rows.append(outputs[1][0, :, -1].clone())

    modules = [part for name, part in model.named_modules() if name.endswith(".self_attn")]
    hooks = [part.register_forward_hook(keep_last) for part in modules]
    try:
        with torch.inference_mode():
            model(input_ids=window[None], use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    return torch.stack(rows)


def reference(attention: Tensor, kept: int) -> Tensor:
    """The tokens kept by the mean in float64, the last one always: [heads, n] → bool [n]."""
    mean = attention.double().mean(dim=0)
    mean[-1] = torch.inf
    mask = torch.zeros(len(mean), dtype=torch.bool)
    mask[mean.argsort(descending=True, stable=True)[:kept]] = True
    return mask


def agreement(attention: Tensor, code: Callable[[Tensor], Tensor], rate: float) -> float:
    """Share of the reference's tokens that the code keeps too: [heads, n] → 0 to 1."""
    n = attention.shape[-1]
    dropped = drop_count(rate, n)
    kept = topk(code(attention), TopK(Quota.DROP, dropped, last=True))
    return int((kept & reference(attention, n - dropped)).sum()) / (n - dropped)


def lost(attention: Tensor, code: Callable[[Tensor], Tensor], rate: float) -> float:
    """Share of the attention kept by the reference that the code does not keep: [heads, n] → about 0 to 1."""
    n = attention.shape[-1]
    dropped = drop_count(rate, n)
    kept = topk(code(attention), TopK(Quota.DROP, dropped, last=True))
    mean = attention.double().mean(dim=0)
    return 1 - float(mean[kept].sum() / mean[reference(attention, n - dropped)].sum())


def main() -> None:
    """Measure and print."""
    folder = smollm2_folder()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    long = (
        tokens
        for tokens in (tokenizer(text, verbose=False)["input_ids"] for text in wikipedia_articles())
        if len(tokens) >= TOKENS
    )
    windows = [torch.tensor(tokens[:TOKENS]) for tokens, _ in zip(long, range(ARTICLES), strict=False)]
    attention = torch.stack([last_rows(model, window) for window in tqdm(windows, desc="attention", unit="article")])
    layers = attention.shape[1]
    middle = layers // 2
    print(f"{len(windows)} articles of {TOKENS} tokens, {layers} layers of {attention.shape[2]} heads\n")
    print("| code | layers | distinct keys | kept alike at keep .7 | .5 | .3 | worst | attention lost at .3 | worst |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|")
    for name, code in CODES.items():
        for label, chosen in ((f"{middle}", attention[:, middle : middle + 1]), ("all", attention)):
            rows = chosen.flatten(0, 1)
            distinct = sum(len(set(code(row).tolist())) for row in rows) / len(rows)
            shares = torch.tensor([[agreement(row, code, rate) for row in rows] for rate in DROP_RATES])
            means = " | ".join(f"{100 * share:.2f} %" for share in shares.mean(dim=1).tolist())
            losses = torch.tensor([lost(row, code, DROP_RATES[-1]) for row in rows], dtype=torch.float64)
            print(
                f"| {name} | {label} | {distinct:.0f} | {means} | {100 * shares.min():.2f} % "
                f"| {losses.mean():.1e} | {losses.max():.1e} |"
            )


if __name__ == "__main__":
    main()
