"""CatLIP's ViT (arXiv 2404.15653; its code, ``classification/vit.py``): a convolution stem, then pre-norm blocks.

The stem's three convolutions take the place of the usual 16 x 16 patches.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from formats.errors import InputError
from golden_models.layers import attention, layer_norm, merge_heads, split_heads

STEM = (4, 2, 2)
"""Kernel and stride of each convolution."""

NARROWEST = 32
"""Channels that the stem has at least."""


@dataclass(frozen=True)
class ViTParameters:
    """Hyper-parameters.

    Parameters
    ----------
    width
        D.
    layers, heads
        Blocks; heads of D / heads each.
    classes
        Of the head.
    image_size
        Pixels a side for which positions are learned, a multiple of 16.
    channels
        Of an image.
    eps
        Of every norm.

    Raises
    ------
    InputError
        If the heads do not divide the width, or the stem the image.
    """

    width: int
    layers: int
    heads: int
    classes: int = 24_320
    image_size: int = 224
    channels: int = 3
    eps: float = 1e-6

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise InputError(f"{self.heads} heads do not divide a width of {self.width}")
        if self.image_size < 16 or self.image_size % 16:
            raise InputError(f"image_size must be a multiple of 16 from 16 on, not {self.image_size}")

    @property
    def stem_width(self) -> int:
        """Channels inside the stem: D / 4, at least 32."""
        return max(NARROWEST, self.width // 4)

    @property
    def side(self) -> int:
        """Tokens along a side of the image."""
        return self.image_size // 16


SIZES = {"B": ViTParameters(768, 12, 12), "L": ViTParameters(1024, 24, 16), "H": ViTParameters(1280, 32, 20)}


def head_parameters(parameters: ViTParameters) -> int:
    """Weights and biases of the classifier."""
    return parameters.classes * (parameters.width + 1)


def parameter_count(parameters: ViTParameters) -> int:
    """All learned numbers, the head included."""
    d, w = parameters.width, parameters.stem_width
    kernels = [kernel**2 for kernel in STEM]
    stem = (kernels[0] * parameters.channels * w + 2 * w) + (kernels[1] * w * w + 2 * w) + (kernels[2] * w * d + d)
    blocks = parameters.layers * (12 * d * d + 13 * d)
    return stem + blocks + parameters.side**2 * d + d + 2 * d + head_parameters(parameters)


class LayerNorm(nn.Module):
    """``layer_norm`` with its weight and bias, [D]."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width)), eps

    def forward(self, x: Tensor) -> Tensor:
        """[..., D]."""
        return layer_norm(x, self.weight, self.bias, self.eps)


class Block(nn.Module):
    """x + attention(norm x), then x + MLP(norm x): [..., T, D], every token seeing all."""

    def __init__(self, width: int, heads: int, eps: float) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = LayerNorm(width, eps)
        self.qkv = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.mlp_norm = LayerNorm(width, eps)
        self.fc1 = nn.Linear(width, 4 * width)
        self.fc2 = nn.Linear(4 * width, width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """[..., T, D]; mask as in ``golden_models.layers.attention``."""
        queries, keys, values = (split_heads(y, self.heads) for y in self.qkv(self.attention_norm(x)).chunk(3, dim=-1))
        everything = torch.ones(x.shape[-2], x.shape[-2], dtype=torch.bool) if mask is None else mask
        attended, _ = attention(queries, keys, values, everything)
        x = x + self.output(merge_heads(attended))
        y: Tensor = x + self.fc2(nn.functional.gelu(self.fc1(self.mlp_norm(x))))
        return y


class ConvolutionStem(nn.Sequential):
    """Three convolutions, 16 pixels a side to a token: [B, channels, 16 h, 16 w] → [B, D, h, w].

    The first pads by one pixel, int((kernel - 1) / 2); it and the second have no bias and are
    followed by BatchNorm and GELU.
    """

    def __init__(self, parameters: ViTParameters) -> None:
        w, (first, second, third) = parameters.stem_width, STEM
        super().__init__(
            nn.Conv2d(parameters.channels, w, first, first, padding=(first - 1) // 2, bias=False),
            nn.BatchNorm2d(w),
            nn.GELU(),
            nn.Conv2d(w, w, second, second, padding=(second - 1) // 2, bias=False),
            nn.BatchNorm2d(w),
            nn.GELU(),
            nn.Conv2d(w, parameters.width, third, third, padding=(third - 1) // 2),
        )


class ViT(nn.Module):
    """The image tower and its classifier.

    Parameters
    ----------
    parameters
        Hyper-parameters.
    """

    def __init__(self, parameters: ViTParameters) -> None:
        super().__init__()
        self.parameters_of_model = parameters
        self.stem = ConvolutionStem(parameters)
        self.positions = nn.Parameter(0.02 * torch.randn(parameters.side**2, parameters.width))
        self.class_token = nn.Parameter(0.02 * torch.randn(parameters.width))
        self.blocks = nn.ModuleList(
            Block(parameters.width, parameters.heads, parameters.eps) for _ in range(parameters.layers)
        )
        self.norm = LayerNorm(parameters.width, parameters.eps)
        self.classifier = nn.Linear(parameters.width, parameters.classes)

    def resized_positions(self, height: int, width: int) -> Tensor:
        """Positions for a grid of tokens: [height · width, D].

        As in the code, the learned positions are one sequence, whatever the grid's shape: linear between
        neighbours in it, and as they are where the grid has as many tokens.
        """
        if height * width == len(self.positions):
            return self.positions
        resized = nn.functional.interpolate(self.positions.T[None], size=height * width, mode="linear")
        return resized[0].T

    def tokens(self, images: Tensor) -> Tensor:
        """The class token, which has no position, and the image's: [B, channels, H, W] → [B, 1 + T, D]."""
        grid = self.stem(images)
        patches = grid.flatten(2).transpose(1, 2) + self.resized_positions(*grid.shape[2:])
        return torch.cat([self.class_token.expand(len(images), 1, -1), patches], dim=1)

    def features(self, images: Tensor) -> Tensor:
        """The class token after the last norm: [B, channels, H, W] → [B, D]."""
        x = self.tokens(images)
        for block in self.blocks:
            x = block(x)
        y: Tensor = self.norm(x[:, 0])
        return y

    def forward(self, images: Tensor) -> Tensor:
        """Logits of every class: [B, channels, H, W] → [B, classes]."""
        logits: Tensor = self.classifier(self.features(images))
        return logits
