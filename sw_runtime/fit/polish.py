"""Row scales, norms and biases trained a little after the search; the words stay as they are.

The search answers each layer's output. What comes of all layers together shows in the model's output alone, so the
few numbers that a file keeps beside the words are trained there: towards the original's next-token distributions.
A row's scale is trained as a gain on the row's output, which needs no gradient of the weights.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from formats.errors import InputError
from sw_runtime.fit.divergence import mean_divergence
from sw_runtime.fit.report import add_to_report
from sw_runtime.nn.attach import compressed_linears
from sw_runtime.nn.device_linear import DeviceLinear
from sw_runtime.nn.shards import read_headers, shard_files
from sw_runtime.precision import bfloat16_products
from sw_runtime.pretrained import load_model
from sw_runtime.progress import progress_bar
from sw_runtime.whole_files import write_tensors

RATE = 2e-3
"""Learning rate over the root mean square of what is trained; it falls to 0 with the steps. 96 windows of 512 tokens
took SmolLM2-135M in trellis-3bit from a divergence of .200 to .155 on eight others (measured)."""

FAR, FAR_RATE = 0.5, 3e-3
"""A model whose divergence is larger, in nats per token, has further to go: its rate. The same windows took
SmolLM2-135M in trellis-2bit from .764 to .516 (measured)."""


@dataclass(frozen=True)
class Polish:
    """What the training came to.

    ``divergence_before`` and ``divergence_after`` are the mean KL divergence from the original on the held-out windows,
    nats per token, of the folder's tensors as a file keeps them.
    """

    steps: int
    divergence_before: float
    divergence_after: float

    @property
    def kept(self) -> bool:
        """Whether the folder was changed."""
        return self.divergence_after < self.divergence_before


def polish(original: Any, folder: Path, windows: Tensor, steps: int) -> Polish:
    """Train a compressed folder's row scales, norms and biases, and keep them where text held out gains by it.

    The folder is changed in place: its weights' files, and ``report.json``, which says what the training came to.
    The same input gives the same bytes on the same machine with the same number of torch's threads.

    Parameters
    ----------
    original
        The language model that was compressed, on the CPU; it is left as it is.
    folder
        The compressed folder, before its golden tokens and checksums are written.
    windows
        Token ids, int64 [windows, length]; the last quarter is held out.
    steps
        Windows trained on, one a step, in an order drawn anew whenever all had their turn.

    Raises
    ------
    InputError
        If ``steps`` is not a number from 1 up.
    CheckpointError
        If the folder holds no language model.
    """
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise InputError(f"polish must be a number of steps from 1 up, not {steps!r}")
    model = load_model(folder, dtype=torch.float32).requires_grad_(False)
    held_out = windows[len(windows) - len(windows) // 4 :]
    before = divergence(original, model, held_out)
    trained = _rounded(_trained(original, model, windows[: -len(held_out)], steps, rate(before)), folder)
    model.load_state_dict(trained, strict=False)
    found = Polish(steps, before, divergence(original, model, held_out))
    if found.kept:
        _rewrite(folder, trained)
    said = asdict(found) | {"kept": found.kept, "layer_errors": "measured before the polish"}
    add_to_report(folder, {"polish": said})
    return found


def rate(divergence_before: float) -> float:
    """Learning rate for a model that is so far from the original, nats per token."""
    return FAR_RATE if divergence_before > FAR else RATE


def divergence(original: Any, model: Any, windows: Tensor) -> float:
    """Mean KL divergence of a model's next-token distributions from the original's, nats per token."""
    with torch.no_grad():
        return sum(float(_divergence(original, model, window)) for window in windows) / len(windows)


def _divergence(original: Any, model: Any, window: Tensor) -> Tensor:
    with torch.no_grad():
        wanted = original(input_ids=window[None], use_cache=False).logits[0]
    return mean_divergence(wanted, model(input_ids=window[None], use_cache=False).logits[0])


def _trained(original: Any, model: nn.Module, windows: Tensor, steps: int, rate: float) -> dict[str, Tensor]:
    """Trained tensors by the names of the model's state, float32; the model's words stay."""
    layers = {name: layer for name, layer in compressed_linears(model).items() if _has_row_scales(layer)}
    learned: dict[str, Tensor] = {name: tensor for name, tensor in model.named_parameters() if tensor.dim() == 1}
    for name, layer in compressed_linears(model).items():
        if layer.bias is not None:
            learned[f"{name}.bias"] = layer.bias
    gains = {name: torch.ones(layer.out_features) for name, layer in layers.items()}
    every = [tensor.requires_grad_() for tensor in (*learned.values(), *gains.values())]
    groups = [{"params": [tensor], "lr": rate * float(tensor.detach().square().mean().sqrt())} for tensor in every]
    optimizer = torch.optim.Adam(groups, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    with _rows_multiplied(layers, gains), bfloat16_products():
        for window in progress_bar(_drawn(windows, steps), total=steps, desc="polish", unit="step"):
            optimizer.zero_grad()
            torch.autograd.backward(_divergence(original, model, window))
            optimizer.step()
            schedule.step()
    for tensor in every:
        tensor.requires_grad_(False)
    scales = {f"{name}.weight_scale": layer.weight_scale.float() * gains[name] for name, layer in layers.items()}
    return learned | scales


def _has_row_scales(layer: DeviceLinear) -> bool:
    scales = dict(layer.named_buffers()).get("weight_scale")
    return scales is not None and scales.shape == (layer.out_features,)


@contextmanager
def _rows_multiplied(layers: Mapping[str, DeviceLinear], gains: Mapping[str, Tensor]) -> Iterator[None]:
    """Every layer's products are multiplied by its gains before the bias is added."""

    def multiply(layer: DeviceLinear, outputs: Tensor, gain: Tensor) -> Tensor:
        return outputs * gain if layer.bias is None else (outputs - layer.bias) * gain + layer.bias

    hooks = [
        layer.register_forward_hook(lambda layer, _, outputs, gain=gains[name]: multiply(layer, outputs, gain))
        for name, layer in layers.items()
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _drawn(windows: Tensor, steps: int) -> Iterator[Tensor]:
    """A window a step, all of them before one comes again."""
    generator = torch.Generator().manual_seed(0)
    rounds = -(-steps // len(windows))
    order = torch.cat([torch.randperm(len(windows), generator=generator) for _ in range(rounds)])
    return iter(windows[order[:steps]])


def _rounded(tensors: Mapping[str, Tensor], folder: Path) -> dict[str, Tensor]:
    """Those of the tensors that the files hold, in the dtypes of the files."""
    rounded: dict[str, Tensor] = {}
    for file in shard_files(folder):
        with safe_open(file, framework="pt") as shard:
            for name in tensors.keys() & read_headers([file]).keys():
                rounded[name] = tensors[name].detach().to(shard.get_tensor(name).dtype)
    return rounded


def _rewrite(folder: Path, changed: Mapping[str, Tensor]) -> None:
    """Put tensors into the files that hold them."""
    for file in shard_files(folder):
        with safe_open(file, framework="pt") as shard:
            tensors = {name: shard.get_tensor(name) for name in read_headers([file])}
        write_tensors(file, tensors | {name: changed[name] for name in tensors.keys() & changed.keys()})
