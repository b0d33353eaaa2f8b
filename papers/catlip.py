"""CatLIP at small scale: classes from real text, its classifier on the engine and the router, its cost against CLIP's.

Stand-ins, for want of the paper's data and weights: synsets are counted in Wikipedia and news, images are scenes of
handwritten digits, and the rows of the large head are MiniLM's vectors of words.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import torch
from safetensors import safe_open
from torch import Tensor
from tqdm import tqdm
from transformers import AutoTokenizer

import seedloom
from formats.activations import quantise_activations, rescale
from formats.engine import EngineParameters
from formats.matrices import EncodedMatrix
from formats.presets import PRESETS
from formats.router.descriptor import Quota
from formats.router.numbers import COUNT, SQ7_16, encode
from golden_models.catlip.labels import CLASSES, COUNT_ABOVE, Vocabulary, count_synsets
from golden_models.catlip.transfer import TransferParameters, transfer_init
from golden_models.catlip.vit import SIZES, ViT, ViTParameters, parameter_count
from golden_models.router.selection import TopK, topk
from golden_models.seedlm.datapath import matvec
from papers.catlip_training import Trained, scene_targets, train_catlip, train_clip
from papers.claim import Finding
from papers.digit_scenes import NAMES, Scenes, draw_scenes
from papers.report import Report, on, yes_or_no
from sw_runtime.device.cost import pass_cost
from sw_runtime.device.protocol import Device
from sw_runtime.routing.commands import size_of
from sw_runtime.routing.selection import filter_scores, keep_top
from sw_runtime.search.search import encode_matrix
from sw_runtime.texts.corpora import news, wikipedia_articles
from sw_runtime.texts.packaged_data import minilm_folder, picture_captions, wordnet
from sw_runtime.texts.wordnet import WordNet

ENGINE = EngineParameters(("scaled-4bit", "fp16"))
WORD_VECTORS = "embeddings.word_embeddings.weight"
BEST = 10
"""Classes that a caption is given."""

IMAGE = ViTParameters(width=48, layers=4, heads=3, classes=1, image_size=64, channels=1)
"""The small tower; its classes are those that the scenes' captions name."""

MAGNIFICATION = 4
"""So that a scene of 16 x 16 points fills the tower's 64 x 64 pixels."""

SCENES, JUDGED = 4096, 1024


def tiles_of(device: Device, n: int) -> list[slice]:
    """Runs of what the router holds at a time."""
    held = size_of(device).keys
    return [slice(start, min(start + held, n)) for start in range(0, n, held)]


def best_classes(device: Device, logits: Tensor, keep: int) -> Tensor:
    """The best of more classes than the router holds: float [classes] → ascending int64 [keep].

    The best of every tile are candidates, and the best of the candidates are the best of all, the
    first one among equals included.
    """
    kept = []
    for tile in tiles_of(device, len(logits)):
        mask = keep_top(device, logits[tile], keep=keep, score_code="logits")
        kept.append(mask.nonzero().flatten() + tile.start)
    candidates = torch.cat(kept)
    return candidates[keep_top(device, logits[candidates], keep=keep, score_code="logits")]


def counted_above(device: Device, counts: dict[str, int], bound: int) -> set[str]:
    """Synsets that are named more often than ``bound``, tile by tile."""
    keys, values = list(counts), torch.tensor(list(counts.values()), dtype=torch.float64)
    mask = torch.cat(
        [filter_scores(device, values[tile], bound, number_format=COUNT) for tile in tiles_of(device, len(values))]
    )
    return {key for key, stays in zip(keys, mask.tolist(), strict=True) if stays}


@dataclass(frozen=True)
class Head:
    """A classifier as seeds, and inputs of it.

    Parameters
    ----------
    matrix
        [classes, 384].
    inputs
        float32 [captions, 384].
    """

    matrix: EncodedMatrix
    inputs: Tensor

    @classmethod
    def of_word_vectors(cls, captions: Sequence[str], classes: int) -> "Head":
        """Rows are vectors of words, an input is the mean of a caption's."""
        with safe_open(minilm_folder() / "model.safetensors", "pt") as file:
            vectors = file.get_tensor(WORD_VECTORS)
        tokenizer = AutoTokenizer.from_pretrained(minilm_folder())
        tokens = [tokenizer(caption, add_special_tokens=False)["input_ids"] for caption in captions]
        inputs = torch.stack([vectors[ids].mean(dim=0) for ids in tokens])
        rows = [
            encode_matrix(part, PRESETS["scaled-4bit"])
            for part in tqdm(vectors[:classes].split(1024), desc="seeds of the head", unit="1024 rows")
        ]
        words, scales = (torch.cat([getattr(part, name) for part in rows]) for name in ("words", "scales"))
        return cls(EncodedMatrix(rows[0].block_format, words, scales, vectors.shape[1]), inputs)


@dataclass
class HeadRun:
    """What a device did with the head.

    Parameters
    ----------
    best
        Classes of each caption.
    as_golden
        Whether sums and classes are the golden models'.
    engine_cycles, router_cycles
        A caption.
    """

    best: list[list[int]]
    as_golden: bool
    engine_cycles: float
    router_cycles: float


def run_head(device: Device, head: Head) -> HeadRun:
    """Multiply and choose on the device, caption by caption."""
    handle, before = device.load(head.matrix), replace(device.counters)
    best, alike = [], True
    for vector in head.inputs:
        activations, scales = quantise_activations(vector[None])
        sums = device.matvec(handle, activations)
        logits = rescale(sums, head.matrix, scales)[0]
        chosen = best_classes(device, logits, BEST)
        keys = encode(SQ7_16.quantise(logits), SQ7_16.key_format)
        expected = topk(keys, TopK(Quota.KEEP, BEST)).nonzero().flatten()
        alike &= torch.equal(sums, matvec(head.matrix, activations)) and torch.equal(chosen, expected)
        best.append(chosen.tolist())
    spent, captions = device.counters - before, len(head.inputs)
    return HeadRun(best, alike, spent.cycles / captions, spent.router_cycles / captions)


@torch.inference_mode()
def transferred_accuracy(image: ViT, vocabulary: Vocabulary, nouns: WordNet, scenes: Scenes) -> tuple[float, float]:
    """Right answers on scenes of one digit four times, its classifier made by Transfer Init or drawn at random."""
    synsets = [nouns.first_synset(name) for name in NAMES]
    classes = [int(key[1:]) for key in vocabulary.keys]
    generator = torch.Generator().manual_seed(0)
    weight, bias = transfer_init(
        image.classifier.weight,
        image.classifier.bias,
        classes,
        [[synset] if synset is not None else [] for synset in synsets],
        nouns,
        TransferParameters(),
        generator,
    )
    quarter = scenes.images.shape[-1] // 2
    same = scenes.images[..., :quarter, :quarter].repeat(1, 1, 2, 2)
    features = image.eval().features(same)
    drawn = 0.02 * torch.randn(weight.shape, generator=generator)
    answers = [(features @ rows.T + offset).argmax(dim=1) for rows, offset in ((weight, bias), (drawn, 0.0))]
    right = [float((answer == scenes.digits[:, 0]).double().mean()) for answer in answers]
    return right[0], right[1]


def head_speed_up(size: str) -> tuple[int, float]:
    """Cycles of a published size's head as seeds, and FP16's over them: the engine's timing on an ideal memory."""
    parameters = SIZES[size]
    seeds, fp16 = (pass_cost(ENGINE, f, parameters.classes, parameters.width, 1) for f in ENGINE.weight_formats)
    return seeds.cycles, fp16.cycles / seeds.cycles


def train_both(steps: int, scenes: int, judged: int, nouns: WordNet) -> tuple[Trained, Trained, Vocabulary, Scenes]:
    """CatLIP's tower, CLIP's, CatLIP's classes, and the held-out scenes."""
    training = draw_scenes(scenes, MAGNIFICATION, held_out=False, seed=0)
    held_out = draw_scenes(judged, MAGNIFICATION, held_out=True, seed=1)
    vocabulary = Vocabulary.most_frequent(count_synsets(training.captions(), nouns))
    parameters = replace(IMAGE, classes=len(vocabulary.keys))
    targets = scene_targets(training, vocabulary, nouns)
    catlip = train_catlip(parameters, training, targets, held_out, steps)
    return catlip, train_clip(parameters, training, held_out, steps), vocabulary, held_out


def measure(
    device: str,
    steps: int = 400,
    classes: int = CLASSES,
    captions: int = 8,
    characters: int | None = None,
    scenes: int = SCENES,
    judged: int = JUDGED,
) -> Report:
    """Count classes, run the head, train both towers.

    Parameters
    ----------
    device
        ``"emulated"`` or ``"simulated"``: multiplies the head, chooses classes.
    steps
        Of training, each of 64 scenes.
    classes
        Rows of the head.
    captions
        Inputs of the head.
    characters
        Of text to count synsets in; all when not given.
    scenes, judged
        To train on and to judge by.
    """
    nouns = wordnet()
    text = "\n".join((*wikipedia_articles(), news()))[:characters]
    counts = count_synsets(text.split("\n"), nouns)
    head = Head.of_word_vectors(picture_captions()[:captions], classes)
    with closing(seedloom.open_device(device, parameters=ENGINE, router=seedloom.RouterParameters())) as opened:
        frequent = counted_above(opened, counts, COUNT_ABOVE)
        alike = frequent == set(Vocabulary.above(counts).keys)
        run = run_head(opened, head)
    catlip, clip, vocabulary, held_out = train_both(steps, scenes, judged, nouns)
    transferred, drawn = transferred_accuracy(catlip.image, vocabulary, nouns, held_out)
    cycles, speed_up = head_speed_up("B")
    reached = min(catlip.last.precision, clip.last.precision)
    ours, clips = (trained.reaching(reached) for trained in (catlip, clip))
    figures: dict[str, float | str] = {
        "mean average precision, linear probe, CatLIP": catlip.last.precision,
        "mean average precision, linear probe, CLIP": clip.last.precision,
        "time of training for as many steps, CatLIP's over CLIP's": catlip.last.seconds / clip.last.seconds,
        "mean average precision that both reach": reached,
        "steps to it, CatLIP": ours.steps,
        "steps to it, CLIP": clips.steps,
        "right digit, rows by Transfer Init, share": transferred,
        "right digit, rows drawn at random, share": drawn,
        "synsets in the text": f"{len(counts):,}",
        f"synsets named more than {COUNT_ABOVE} times": f"{len(frequent):,}",
        "classes chosen and sums by the device as by the golden model": yes_or_no(alike and run.as_golden),
        f"engine cycles, head of {classes:,} x 384": f"{run.engine_cycles:,.0f}",
        f"router cycles, the {BEST} best of {classes:,} classes": f"{run.router_cycles:,.0f}",
        "parameters of B's shapes": f"{parameter_count(SIZES['B']):,}",
        "cycles, head of B's shape as seeds": f"{cycles:,}",
        "cycles, head of B's shape, FP16 over seeds": speed_up,
        "text in which synsets were counted, M characters": len(text) / 1e6,
        "captions through the head": captions,
    }
    scale = f"a tower of 4 layers of 48, {steps} steps of 64 scenes of digits"
    ran = f"host (CPU time); head by engine and router, {on(device)}"
    digits = "scenes of four handwritten digits"
    findings = {
        "time": Finding(
            ours.seconds / clips.seconds,
            f"{scale}, a mean average precision of {reached:.3f}",
            ran,
            stand_in=digits,
        ),
        "precision": Finding(100 * (catlip.last.precision - clip.last.precision), scale, ran, stand_in=digits),
    }
    details = {"best classes": run.best, "synsets above the threshold": sorted(frequent)}
    return Report(device, findings, figures, details)
