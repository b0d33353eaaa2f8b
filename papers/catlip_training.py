"""CatLIP's classification and CLIP's contrast, trained on the same scenes with the same image tower."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import mean

import torch
from torch import Tensor, nn
from tqdm import tqdm

from golden_models.catlip.labels import Vocabulary, extract_synsets, multi_label_loss
from golden_models.catlip.vit import Block, LayerNorm, ViT, ViTParameters
from golden_models.layers import causal_mask
from papers.digit_scenes import Scenes
from sw_runtime.texts.wordnet import WordNet

BATCH, LEARNING_RATE = 64, 1e-3
STEPS_A_CHECK = 40
"""Steps between two linear probes."""

RIDGE = 1.0
"""Of the linear probe, in units of the features' variance."""


class TextTower(nn.Module):
    """CLIP's: causal blocks over words, the last word's features. Two thirds as wide as the image tower, as deep."""

    def __init__(self, image: ViTParameters, words: int, length: int) -> None:
        super().__init__()
        width, heads = 2 * image.width // 3, 2 * image.heads // 3
        self.words = nn.Embedding(words, width)
        self.positions = nn.Parameter(0.02 * torch.randn(length, width))
        self.blocks = nn.ModuleList(Block(width, heads, image.eps) for _ in range(image.layers))
        self.norm = LayerNorm(width, image.eps)
        self.mask = causal_mask(torch.arange(length), torch.arange(length))

    def forward(self, tokens: Tensor) -> Tensor:
        """int64 [B, length] → [B, width]."""
        x = self.words(tokens) + self.positions
        for block in self.blocks:
            x = block(x, self.mask)
        features: Tensor = self.norm(x[:, -1])
        return features


class CLIP(nn.Module):
    """Two towers, and the symmetric cross-entropy of their cosines over a batch."""

    def __init__(self, image: ViTParameters, words: int, length: int) -> None:
        super().__init__()
        self.image, self.text = ViT(image), TextTower(image, words, length)
        self.text_projection = nn.Linear(2 * image.width // 3, image.width, bias=False)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def loss(self, images: Tensor, tokens: Tensor) -> Tensor:
        """[B, channels, H, W], int64 [B, length] → []."""
        one = nn.functional.normalize(self.image.features(images), dim=-1)
        other = nn.functional.normalize(self.text_projection(self.text(tokens)), dim=-1)
        cosines = self.log_scale.exp() * one @ other.T
        own = torch.arange(len(images))
        return (nn.functional.cross_entropy(cosines, own) + nn.functional.cross_entropy(cosines.T, own)) / 2


@dataclass(frozen=True)
class Check:
    """What is learnt after some of the training.

    Parameters
    ----------
    steps, seconds
        Steps so far, and CPU seconds of them.
    precision
        Mean average precision of a linear probe for the ten digits, on held-out scenes.
    """

    steps: int
    seconds: float
    precision: float


@dataclass(frozen=True)
class Trained:
    """A trained image tower.

    Parameters
    ----------
    image
        The tower.
    checks
        The last one is at the end.
    """

    image: ViT
    checks: list[Check]

    @property
    def last(self) -> Check:
        """After all steps."""
        return self.checks[-1]

    def reaching(self, precision: float) -> Check:
        """The first check that finds so much precision, which training must reach."""
        return next(check for check in self.checks if check.precision >= precision)


def caption_tokens(captions: list[str]) -> tuple[Tensor, int]:
    """Captions of one length as numbers of their words: int64 [n, length], and how many words there are."""
    split = [caption.replace(",", "").split() for caption in captions]
    numbers = {word: number for number, word in enumerate(sorted({word for words in split for word in words}))}
    return torch.tensor([[numbers[word] for word in words] for words in split]), len(numbers)


def scene_targets(scenes: Scenes, vocabulary: Vocabulary, nouns: WordNet) -> Tensor:
    """Multi-hot targets of scenes' captions: float32 [n, classes]."""
    return torch.stack([vocabulary.multi_hot(extract_synsets(caption, nouns)) for caption in scenes.captions()])


def average_precision(scores: Tensor, present: Tensor) -> float:
    """Mean of the precision at each one that is present, by falling score: [n], bool [n]."""
    hits = present[scores.argsort(descending=True, stable=True)].double()
    precision = hits.cumsum(dim=0) / torch.arange(1, len(hits) + 1)
    return float((precision * hits).sum() / hits.sum())


@torch.inference_mode()
def linear_probe(image: ViT, training: Scenes, judged: Scenes) -> float:
    """Mean average precision of ridge regression from features to the digits in a scene."""
    image.eval()
    x, y = image.features(training.images).double(), training.present().double()
    centre, target = x.mean(dim=0), y.mean(dim=0)
    covariance = (x - centre).T @ (x - centre) / len(x)
    covariance += RIDGE * covariance.diagonal().mean() / len(x) * torch.eye(len(centre))
    weights = torch.linalg.solve(covariance, (x - centre).T @ (y - target) / len(x))
    scores = (image.features(judged.images).double() - centre) @ weights
    present = judged.present()
    return mean(average_precision(scores[:, digit], present[:, digit]) for digit in range(present.shape[1]))


def _train(
    model: nn.Module, loss: Callable[[Tensor], Tensor], scenes: int, steps: int, name: str, check: Callable[[], float]
) -> list[Check]:
    """Train on random batches, always the same, and look at what is learnt every ``STEPS_A_CHECK`` steps.

    Parameters
    ----------
    model
        What is trained.
    loss
        Of the scenes of a batch, int64 [B].
    scenes, steps
        To draw from, and of training.
    name
        What the progress says.
    check
        Precision as it is; its time does not count.
    """
    optimiser = torch.optim.AdamW(model.parameters(), LEARNING_RATE, betas=(0.9, 0.999), weight_decay=0.2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps)
    generator, spent = torch.Generator().manual_seed(1), 0.0
    checks: list[Check] = []
    progress = tqdm(range(1, steps + 1), desc=name, unit="step")
    for step in progress:
        start = time.process_time()
        value = loss(torch.randint(scenes, (BATCH,), generator=generator))
        optimiser.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        spent += time.process_time() - start
        progress.set_postfix_str(f"loss {value.item():.3f}")
        if step % STEPS_A_CHECK == 0 or step == steps:
            checks.append(Check(step, spent, check()))
            model.train()  # a probe leaves it as it is judged
    return checks


def train_catlip(parameters: ViTParameters, scenes: Scenes, targets: Tensor, judged: Scenes, steps: int) -> Trained:
    """Multi-label classification, always from the same start."""
    torch.manual_seed(0)
    model = ViT(parameters)
    checks = _train(
        model,
        lambda batch: multi_label_loss(model(scenes.images[batch]), targets[batch]),
        len(targets),
        steps,
        "CatLIP",
        lambda: linear_probe(model, scenes, judged),
    )
    return Trained(model, checks)


def train_clip(parameters: ViTParameters, scenes: Scenes, judged: Scenes, steps: int) -> Trained:
    """Contrast of images and captions, always from the same start."""
    tokens, words = caption_tokens(scenes.captions())
    torch.manual_seed(0)
    model = CLIP(parameters, words, tokens.shape[1])
    model.image.classifier.requires_grad_(requires_grad=False)
    checks = _train(
        model,
        lambda batch: model.loss(scenes.images[batch], tokens[batch]),
        len(tokens),
        steps,
        "CLIP",
        lambda: linear_probe(model.image, scenes, judged),
    )
    return Trained(model.image, checks)
