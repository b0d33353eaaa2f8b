"""Fitting M2R2's adapters and exit gates to a frozen decoder: least squares, a minute of one core.

The paper trains adapters by back-propagation. Here each layer's adapter is the low-rank map that best
brings the fast stream to the slow stream's state R layers up, layer by layer from the first on.
``train_adapters`` goes on from there by back-propagation, towards the slow stream's next-token probabilities.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sw_runtime.methods.decoder import Decoder, causal_mask
from sw_runtime.methods.m2r2.exits import ExitGate, intervals
from sw_runtime.methods.m2r2.residuals import Adapter, M2R2Parameters, run_layer
from sw_runtime.progress import progress_bar

RIDGE = 1e-3
"""Share of the inputs' mean power added to every direction."""

GATE_STEPS, GATE_RATE = 200, 1e-2
"""Of Adam, for the exit gates."""

ADAPTER_RATE = 1e-3
"""Of Adam, for adapters that are trained by back-propagation; it falls to zero."""


@dataclass(frozen=True)
class Window:
    """The slow stream of a text.

    Parameters
    ----------
    slow
        Hidden states before each layer and after the last: [N + 1] of [T, D].
    attended
        Hidden states between attention and MLP, a layer each: [N] of [T, D].
    cache
        Keys and values, a layer each: [N] of [2, kv_heads, T, d].
    """

    slow: list[Tensor]
    attended: list[Tensor]
    cache: list[Tensor]

    @classmethod
    def of(cls, decoder: Decoder, tokens: Tensor) -> "Window":
        """Run the slow stream: int64 [T]."""
        places, slow, attended, cache = decoder.places(torch.arange(len(tokens))), [decoder.embed(tokens)], [], []
        mask = causal_mask(places.positions, places.positions)
        for layer in decoder.layers:
            cache.append(decoder.keys_values(layer, slow[-1], places))
            attended.append(decoder.attend(layer, slow[-1], places, cache[-1], mask)[0])
            slow.append(decoder.feed_forward(layer, attended[-1]))
        return cls(slow, attended, cache)

    def until(self, layer: int) -> "Window":
        """What a fast stream up to a layer needs, in tensors through which gradients may flow."""
        cache = [seen.clone() for seen in self.cache[:layer]]
        return Window([self.slow[0].clone(), self.slow[-1].clone()], [], cache)

    def fast_layer(self, decoder: Decoder, number: int, fast: Tensor) -> Tensor:
        """p + f(p) of a layer: [T, D] → [T, D]."""
        places = decoder.places(torch.arange(len(fast)))
        mask = causal_mask(places.positions, places.positions)
        return run_layer(decoder, decoder.layers[number], fast, places, self.cache[number], mask)


def low_rank(inputs: Tensor, targets: Tensor, weights: Tensor, rank: int) -> Adapter:
    """The map of a rank that comes nearest to targets: reduced-rank regression.

    Parameters
    ----------
    inputs, targets
        [T, D] each.
    weights
        [T], of each row's error.
    """
    x, y = inputs * weights[:, None], targets * weights[:, None]
    power = x.T @ x
    solution = torch.linalg.solve(power + RIDGE * power.diagonal().mean() * torch.eye(len(power)), x.T @ y)
    fitted = x @ solution
    _, directions = torch.linalg.eigh(fitted.T @ fitted)
    leading = directions[:, -rank:]
    return Adapter(leading, (solution @ leading).T.contiguous())


def fit_adapters(
    decoder: Decoder, windows: Sequence[Window], parameters: M2R2Parameters
) -> tuple[list[Adapter], list[list[Tensor]]]:
    """Adapters up to the last exit, and the fast stream of each window through them: [exit + 1] of [T, D] each.

    The first token of a window is not fitted: its states are a hundred times larger than all others.
    """
    adapters: list[Adapter] = []
    fast = [[window.slow[0]] for window in windows]
    for number in progress_bar(range(parameters.exits[-1]), desc="adapters", unit="layer"):
        target = parameters.horizon(number + 1, len(decoder.layers))
        after = [window.fast_layer(decoder, number, p[-1]) for window, p in zip(windows, fast, strict=True)]
        wanted = torch.cat([window.slow[target][1:] for window in windows])
        missing = wanted - torch.cat([states[1:] for states in after])
        inputs = torch.cat([p[-1][1:] for p in fast])
        adapters.append(low_rank(inputs, missing, 1 / wanted.norm(dim=1), parameters.rank))
        for p, states in zip(fast, after, strict=True):
            p.append(states + adapters[-1](p[-1]))
    return adapters, fast


def follow(decoder: Decoder, adapters: Sequence[Adapter], window: Window) -> list[Tensor]:
    """The fast stream of a text: [len(adapters) + 1] of [T, D]."""
    fast = [window.slow[0]]
    for number, adapter in enumerate(adapters):
        fast.append(window.fast_layer(decoder, number, fast[-1]) + adapter(fast[-1]))
    return fast


def train_adapters(
    decoder: Decoder, adapters: Sequence[Adapter], windows: Sequence[Window], epochs: int
) -> list[Adapter]:
    """Adapters that go on by back-propagation, all layers together, from some that were fitted.

    The loss is the Kullback-Leibler divergence of the fast stream's next-token probabilities from the slow stream's,
    nats per token, the first token of a window left out.

    Parameters
    ----------
    decoder
        Frozen: none of its tensors requires a gradient.
    adapters
        Of the layers up to the exit, which stay as they are.
    windows
        A step each, in turn.
    epochs
        Times that every window is seen; none leaves the adapters as they are.
    """
    with torch.inference_mode(False), torch.enable_grad():
        learnt = [Adapter(a.up.clone().requires_grad_(), a.down.clone().requires_grad_()) for a in adapters]
        optimiser = torch.optim.Adam([tensor for adapter in learnt for tensor in (adapter.up, adapter.down)])
        steps = epochs * len(windows)
        for step in progress_bar(range(steps), desc="back-propagation", unit="step"):
            window = windows[step % len(windows)].until(len(adapters))
            wanted = decoder.logits(window.slow[-1][1:]).log_softmax(dim=-1)
            found = decoder.logits(follow(decoder, learnt, window)[-1][1:]).log_softmax(dim=-1)
            loss = torch.nn.functional.kl_div(found, wanted, log_target=True, reduction="batchmean")
            optimiser.param_groups[0]["lr"] = ADAPTER_RATE * (1 - step / steps)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return [Adapter(adapter.up.detach(), adapter.down.detach()) for adapter in learnt]


def agreement(decoder: Decoder, fast: Tensor, slow: Tensor) -> Tensor:
    """Where the fast stream's likeliest token is the slow stream's: [T, D] each → bool [T]."""
    return torch.eq(decoder.logits(fast).argmax(dim=-1), decoder.logits(slow).argmax(dim=-1))


def gate_loss(logits: Tensor, agrees: Tensor) -> Tensor:
    """Binary cross-entropy, mean over tokens: float [T], bool [T] → []."""
    return (torch.nn.functional.softplus(logits) - logits * agrees).mean()


def fit_exit_gates(
    decoder: Decoder, windows: Sequence[Window], fast: Sequence[Sequence[Tensor]], parameters: M2R2Parameters
) -> list[ExitGate]:
    """A gate an exit, from the same start every time."""
    gates = []
    generator = torch.Generator().manual_seed(0)
    width, latent = decoder.embedding.shape[1], parameters.latent
    for layer, interval in zip(parameters.exits, intervals(parameters.exits), strict=True):
        residuals = torch.cat([torch.stack(list(p[interval])) for p in fast], dim=1)
        agrees = torch.cat([agreement(decoder, p[layer], w.slow[-1]) for p, w in zip(fast, windows, strict=True)])
        maps = [torch.randn(latent, width, generator=generator) * width**-0.5 for _ in range(3)]
        weights = [*maps, torch.zeros(latent), torch.zeros(())]
        with torch.inference_mode(False), torch.enable_grad():
            learnt = [weight.clone().requires_grad_() for weight in weights]
            inputs, targets = residuals.detach().clone(), agrees.clone()
            optimiser = torch.optim.AdamW(learnt, lr=GATE_RATE, weight_decay=0.1)
            for _ in range(GATE_STEPS):
                loss = gate_loss(ExitGate(*learnt)(inputs), targets)
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
        gates.append(ExitGate(*(weight.detach() for weight in learnt)))
    return gates
