"""DynaMoE's nested MLPs on a decoder: labels, routers, and how text is read when experts are chosen so."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from tqdm import tqdm

from golden_models.decoder import Decoder, DecoderLayer
from golden_models.dynamoe import (
    Choice,
    DifficultyRouter,
    DynaMoEParameters,
    choose,
    expert_output,
    expert_widths,
    importance,
    labels,
    likeness,
    nested_logits,
    reorder,
    router_loss,
)
from sw_runtime.device.protocol import Device
from sw_runtime.methods.dynamoe import on_device

BATCH, LEARNING_RATE = 256, 3e-3


@torch.inference_mode()
def mlp_inputs(decoder: Decoder, windows: Tensor, experts: int) -> list[Tensor]:
    """What every layer's MLP is given in the dense model: int64 [windows, length] → [windows · length, D] a layer."""
    seen: list[list[Tensor]] = [[] for _ in decoder.layers]
    dense = every_token(experts - 1)

    def note(layer: int, x: Tensor) -> Tensor:
        seen[layer].append(x)
        return dense(layer, x)

    for window in tqdm(windows, desc="reading", unit="window"):
        nested_logits(decoder, note, experts, window)
    return [torch.cat(x) for x in seen]


@torch.inference_mode()
def label_tokens(x: Tensor, layer: DecoderLayer, parameters: DynaMoEParameters) -> Tensor:
    """The smallest expert that is enough for each token: [T, D] → int64 [T]."""
    widths = expert_widths(layer.gate.shape[0], parameters.experts)
    outputs = torch.stack([expert_output(x, layer, width) for width in widths])
    return labels(likeness(outputs, parameters.likeness), parameters.theta_label)


def train_router(x: Tensor, label: Tensor, parameters: DynaMoEParameters, steps: int) -> DifficultyRouter:
    """A layer's router, always from the same start: [T, D], int64 [T]."""
    torch.manual_seed(0)
    router = DifficultyRouter(x.shape[1], parameters)
    optimiser = torch.optim.AdamW(router.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps)
    for _ in range(steps):
        batch = torch.randint(len(x), (BATCH,))
        loss = router_loss(router(x[batch]), label[batch])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    return router.eval()


@dataclass(frozen=True)
class Nested:
    """A decoder with its most important neurons first, and a router a layer.

    Parameters
    ----------
    decoder, routers
        As it says.
    label_shares
        Of all tokens in all layers, for how many each expert is enough; empty where they were not labelled once.
    """

    decoder: Decoder
    routers: list[DifficultyRouter]
    label_shares: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, decoder: Decoder, windows: Tensor, parameters: DynaMoEParameters, steps: int) -> "Nested":
        """Reorder by importance, label and train, layer by layer, on token windows."""
        layers, routers, counts = [], [], torch.zeros(parameters.experts, dtype=torch.int64)
        inputs = mlp_inputs(decoder, windows, parameters.experts)
        for layer, x in zip(tqdm(decoder.layers, desc="training routers", unit="layer"), inputs, strict=True):
            layers.append(reorder(layer, importance(x, layer)))
            label = label_tokens(x, layers[-1], parameters)
            counts += label.bincount(minlength=parameters.experts)
            routers.append(train_router(x, label, parameters, steps))
        return cls(replace(decoder, layers=tuple(layers)), routers, (counts / counts.sum()).tolist())


@dataclass(frozen=True)
class Point:
    """One point of a curve.

    Parameters
    ----------
    window_nats
        Cross-entropy a token of each held-out window: [windows].
    right
        Share of tokens predicted.
    experts
        int64 [layers, tokens].
    """

    window_nats: Tensor = field(repr=False)
    right: float
    experts: Tensor = field(repr=False)

    @property
    def nats(self) -> float:
        """Cross-entropy a token."""
        return self.window_nats.mean().item()


@torch.inference_mode()
def judge(nested: Nested, choice: Choice, windows: Tensor, experts: int) -> Point:
    """How well text is predicted when experts are chosen so: int64 [windows, length]."""
    nats, right, chosen = [], [], []
    for window in windows:
        logits, took = nested_logits(nested.decoder, choice, experts, window)
        nats.append(torch.nn.functional.cross_entropy(logits[:-1], window[1:]))
        right.append((logits[:-1].argmax(dim=-1) == window[1:]).double().mean())
        chosen.append(took)
    return Point(torch.stack(nats), torch.stack(right).mean().item(), torch.cat(chosen, dim=1))


def every_token(expert: int) -> Choice:
    """The same expert for all tokens in all layers."""
    return lambda _, x: torch.full((len(x),), expert)


class CheckedChoice:
    """Experts as a device's router chooses them, each time compared with the golden model.

    Parameters
    ----------
    device
        A device with a router.
    routers
        One a layer.
    theta
        θ at run time, a probability.
    """

    def __init__(self, device: Device, routers: Sequence[DifficultyRouter], theta: float) -> None:
        self.device, self.routers, self.theta = device, routers, theta
        self.as_golden = True

    def __call__(self, layer: int, x: Tensor) -> Tensor:
        """[T, D] → int64 [T]."""
        logits = self.routers[layer](x)
        experts, fallback = on_device.choose(self.device, logits, self.theta)
        golden = choose(logits, self.theta)
        self.as_golden &= torch.equal(experts, golden[0]) and torch.equal(fallback, golden[1])
        return experts
