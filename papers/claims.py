"""What the ten papers claim, as far as the sources at hand have it.

A figure stands here only if it was read in the paper, in its code, or in another's account of it, and says which.
Figures that are merely recollected are left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from papers.claim import Claim


@dataclass(frozen=True)
class Listed:
    """A paper of the list.

    Parameters
    ----------
    title, arxiv
        Its name and number.
    minutes
        What ``seedloom paper`` takes on one core, about.
    claims
        Its headline claims by a key.
    """

    title: str
    arxiv: str
    minutes: int
    claims: Mapping[str, Claim]


AFM = {
    "recovery": Claim(
        "An adapter of rank 16 recovers the accuracy that palettes of 3.7 bits per weight lose",
        "section on quantisation; its table is not at hand",
        "second-hand",
        "loss in nats per token that adapters give back, % of what palettes cost",
        None,
        "on-device model of about 3 B weights, adapters trained on about 10 B tokens",
        neutral=0,
    ),
    "adapter size": Claim(
        "An adapter for a new task takes tens of megabytes",
        "section on adapters",
        "second-hand",
        "adapter of rank 16 in 16-bit values, MB; no effect: all weights anew, 5,460 MB",
        (10.0, 99.0),
        "about 3 B weights",
        neutral=5460,
        higher=False,
        words="tens",
        tolerance=0,
    ),
}

CATLIP = {
    "time": Claim(
        "Pre-training by classification is 2.7 times as fast as CLIP's",
        "title; comparison of pre-training times, ViT-B: 84.3 against CLIP's 84.4 on ImageNet-1k",
        "as reported",
        "time of pre-training to the same accuracy, over CLIP's",
        0.37,
        "ViT-B, DataComp-1.3B, GPUs",
        neutral=1,
        higher=False,
    ),
    "precision": Claim(
        "Its representations are as good as CLIP's",
        "multi-label classification on COCO, ViT-B: 87.9 against CLIP's 87.4",
        "as reported",
        "mean average precision over CLIP's, points",
        0.5,
        "ViT-B, DataComp-1.3B, fine-tuned on COCO",
        neutral=0,
    ),
}

CTRLSYNTH = {
    "recall": Claim(
        "Training on its synthetic pairs improves retrieval",
        "comparison with CLIP on CC3M",
        "second-hand",
        "Recall@1 over CLIP's, points",
        23.4,
        "CLIP trained on CC3M, 2.8 M pairs, 8 A100",
        neutral=0,
    ),
}

DYNAMOE = {
    "accuracy": Claim(
        "One fine-tuning makes a dense model nested experts of Flextron's accuracy at a ninth of its cost",
        "abstract",
        "as reported",
        "fine-tuning tokens at Flextron's aggregated accuracy, billions",
        10.0,
        "a pre-trained language model, 10 B tokens",
        neutral=90,
        higher=False,
    ),
    "curve": Claim(
        "Experts chosen by a token's difficulty are worth more than as many weights for every token",
        "abstract: token-difficulty-driven; its table is not at hand",
        "second-hand",
        "loss saved against fixed widths, fine-tuned alike, of as many active weights, nats per token",
        None,
        "a pre-trained language model, 10 B tokens",
        neutral=0,
    ),
}

LAZYLLM = {
    "first token": Claim(
        "The first token comes 2.34 times as fast",
        "abstract; multi-document question answering",
        "as reported",
        "time to the first token, dense over LazyLLM",
        2.34,
        "Llama-2-7B, LongBench, A100",
        neutral=1,
    ),
    "generation": Claim(
        "The whole generation is faster too",
        "generation speed-ups over LongBench's tasks",
        "second-hand",
        "time of prefill and generation, dense over LazyLLM",
        (1.02, 1.79),
        "Llama-2-7B, LongBench, A100",
        neutral=1,
    ),
    "computed": Claim(
        "Many prompt tokens are never computed",
        "prompt tokens computed over LongBench's tasks",
        "second-hand",
        "prompt tokens computed over a whole generation, %",
        (63.7, 99.6),
        "Llama-2-7B, LongBench",
        neutral=100,
        higher=False,
    ),
    "accuracy": Claim(
        "Accuracy is maintained",
        "abstract; scores on multi-document question answering, 22.31 of 22.43",
        "second-hand",
        "score kept, % of the dense model's",
        99.5,
        "Llama-2-7B, LongBench",
        neutral=90,
    ),
}

M2R2 = {
    "lossless": Claim(
        "Self-speculation changes no token",
        "abstract",
        "as reported",
        "generated texts that are greedy decoding's, %",
        100.0,
        "MT-Bench",
        neutral=0,
        tolerance=0,
    ),
    "speculation": Claim(
        "Drafts of the fast residual stream make decoding up to 2.8 times as fast",
        "abstract",
        "as reported",
        "decoding speed over plain greedy decoding",
        2.8,
        "MT-Bench, GPU time",
        neutral=1,
        words="up to 2.8",
    ),
    "experts": Claim(
        "Experts loaded ahead of time make mixtures of experts up to 2.9 times as fast",
        "abstract",
        "as reported",
        "decoding speed over loading on demand",
        2.9,
        "a mixture of experts, GPU time",
        neutral=1,
        words="up to 2.9",
    ),
}

OPENELM = {
    "scaling": Claim(
        "Layers that grow use a budget of parameters better than layers that are alike",
        "abstract; the paper compares with OLMo and has no uniform model of its own",
        "second-hand",
        "bits per byte saved against a uniform model of as many parameters, mean over seeds",
        None,
        "1.1 B parameters: 45.93 against OLMo's 43.57 on OpenLLM's tasks",
        neutral=0,
    ),
    "norms": Claim(
        "Four RMSNorms a layer, where OLMo has 33 in all, make it slower on a GPU",
        "section on throughput, 1.1 B",
        "second-hand",
        "norms a token; OLMo 33",
        113.0,
        "shapes of 1.1 B",
        neutral=33,
        tolerance=0,
    ),
}

SEEDLM = {
    "speed-up": Claim(
        "Seeds of 4 bits make a matrix-vector product nearly 4 times as fast as FP16 on the same memory port",
        "table of FPGA cycles, 2048 x 2048: 136,559 over 34,331",
        "second-hand",
        "cycles of FP16 over cycles of 4-bit seeds",
        3.98,
        "FPGA of the Virtex-7 class, 64 bytes per cycle",
        neutral=1,
    ),
    "retention at 4 bits": Claim(
        "Zero-shot accuracy is kept at 4 bits, better than by AWQ",
        "table of zero-shot accuracies, Llama 3 70B: 78.06 of 79.51; AWQ 72.34",
        "second-hand",
        "accuracy kept, % of the float model's; AWQ 91.0",
        98.2,
        "Llama 3 70B, 5 tasks, no calibration text",
        neutral=91,
    ),
    "retention at 3 bits": Claim(
        "Zero-shot accuracy is mostly kept at 3 bits, better than by AWQ",
        "table of zero-shot accuracies, Llama 3 70B: 74.68 of 79.51; AWQ 61.35",
        "second-hand",
        "accuracy kept, % of the float model's; AWQ 77.2",
        93.9,
        "Llama 3 70B, 5 tasks, no calibration text",
        neutral=77.2,
    ),
}

SUPERPOSITION = {
    "naive": Claim(
        "It answers better than all documents in a row",
        "table of NQ-Open, mpt-7b-instruct: .465 against .026",
        "as reported",
        "answers that hold the right words, over naive's, points",
        43.9,
        "mpt-7b-instruct, NQ-Open, 20 documents, k = 1",
        neutral=0,
    ),
    "BM25": Claim(
        "It answers better than the one document that BM25 finds",
        "table of NQ-Open, mpt-7b-instruct: .465 against .278",
        "as reported",
        "answers that hold the right words, over BM25's, points",
        18.7,
        "mpt-7b-instruct, NQ-Open, 20 documents, k = 1",
        neutral=0,
    ),
    "work": Claim(
        "The first token costs a fraction of naive's work",
        "speed-ups in parts, mpt-7b-instruct: cached, parallel, pruned to k = 1",
        "as reported",
        "counted work to the first token, naive's over its own",
        94.0,
        "mpt-7b-instruct, NQ-Open, 20 documents",
        neutral=1,
    ),
}

VICTOR = {
    "loss": Claim(
        "Eight registers instead of all visual tokens cost little",
        "section on results, M = 8, k = 3",
        "as reported",
        "loss of the mean score, points of 100",
        4.0,
        "Vicuna-7B, 576 visual tokens, 12 benchmarks",
        neutral=100,
        higher=False,
        words="less than 4",
        tolerance=0,
    ),
    "throughput": Claim(
        "They raise the throughput 3.36 times",
        "section on results, M = 8, k = 3",
        "as reported",
        "throughput of prefill and generation over all visual tokens'",
        3.36,
        "Vicuna-7B, batches of 16, 2 or 128 tokens generated, A100",
        neutral=1,
    ),
}

PAPERS: Mapping[str, Listed] = {
    "afm": Listed("AFM", "2407.21075", 9, AFM),
    "catlip": Listed("CatLIP", "2404.15653", 4, CATLIP),
    "ctrlsynth": Listed("CtrlSynth", "2410.11963", 2, CTRLSYNTH),
    "dynamoe": Listed("DynaMoE", "2502.12325", 13, DYNAMOE),
    "lazyllm": Listed("LazyLLM", "2407.14057", 10, LAZYLLM),
    "m2r2": Listed("M2R2", "2502.02040", 11, M2R2),
    "openelm": Listed("OpenELM", "2404.14619", 6, OPENELM),
    "seedlm": Listed("SeedLM", "2410.10714", 28, SEEDLM),
    "superposition": Listed("Superposition prompting", "2404.06910", 7, SUPERPOSITION),
    "victor": Listed("Victor", "2410.14072", 5, VICTOR),
}
"""The only list of papers: each is a module of this package, a ``Paper``."""
