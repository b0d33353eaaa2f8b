"""A linear layer whose weights are stored as block words."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from golden_models.seedlm.block_format import BlockFormat
from golden_models.seedlm.codec import EncodedMatrix
from golden_models.seedlm.datapath import quantise_activations, rescale
from golden_models.seedlm.storage import unpack_rows
from sw_runtime.decode import decode
from sw_runtime.device.protocol import Device


class SeedLinear(nn.Module):
    """``hidden_states @ weightsᵀ + bias``, the weights decoded on the host or multiplied by a device.

    Buffers
    -------
    weight
        uint8 [out_features, row_bytes], packed block words.
    weight_scale
        bfloat16 [out_features] (scaled formats) or float32 [1] (paper formats); ``to(dtype)`` leaves it alone.
    bias
        [out_features], or None.

    Parameters
    ----------
    in_features, out_features
        Columns and rows of the weight matrix.
    block_format
        How the weights are stored.
    bias
        Whether there is a bias.
    """

    weight: Tensor
    weight_scale: Tensor
    bias: Tensor | None

    def __init__(self, in_features: int, out_features: int, block_format: BlockFormat, bias: bool = False) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.block_format = block_format
        one_scale = block_format.exponent_bits > 0
        scales, scale_dtype = (1, torch.float32) if one_scale else (out_features, torch.bfloat16)
        self.register_buffer(
            "weight", torch.zeros(out_features, block_format.row_bytes(in_features), dtype=torch.uint8)
        )
        self.register_buffer("weight_scale", torch.zeros(scales, dtype=scale_dtype))
        self.register_buffer("bias", torch.zeros(out_features) if bias else None)
        after_load: Callable[..., object] = self.register_load_state_dict_post_hook  # torch gives it no types
        after_load(_forget_dense_weights)
        self._dense: Tensor | None = None
        self._device: Device | None = None
        self._handle = 0
        self._loaded: EncodedMatrix | None = None

    def extra_repr(self) -> str:
        """What ``print(model)`` shows."""
        return f"{self.in_features}, {self.out_features}, {self.block_format.name}, bias={self.bias is not None}"

    @property
    def is_attached(self) -> bool:
        """Whether a device multiplies."""
        return self._device is not None

    def encoded_matrix(self) -> EncodedMatrix:
        """The stored weights as block words, on the CPU.

        Raises
        ------
        ValueError
            If a word has seed 0, as in a layer that nothing was loaded into.
        """
        words = unpack_rows(self.weight.cpu(), self.block_format, self.in_features)
        return EncodedMatrix(self.block_format, words, self.weight_scale.cpu().float(), self.in_features)

    def attach(self, device: Device) -> None:
        """Load the weights on a device and multiply there from now on.

        Raises
        ------
        ValueError
            If the layer is attached already, or the device does not take the matrix.
        """
        if self._device is not None:
            raise ValueError("the layer is attached to a device already; detach it first")
        matrix = self.encoded_matrix()
        self._handle = device.load(matrix)
        # Rescaling needs the scales; the words, 8 bytes a block, are on the device now.
        self._loaded = replace(matrix, words=matrix.words.new_empty(self.out_features, 0))
        self._device, self._dense = device, None

    def detach(self) -> None:
        """Take the weights off the device, if on one, and multiply on the host again."""
        if self._device is not None:
            self._device.unload(self._handle)
        self._device = self._loaded = None

    def forward(self, hidden_states: Tensor) -> Tensor:
        """[..., in_features], any float dtype → [..., out_features] of the same dtype."""
        if self._device is not None and self._loaded is not None:
            outputs = self._multiply_on_device(hidden_states, self._device, self._loaded)
            return outputs if self.bias is None else outputs + self.bias
        return nn.functional.linear(hidden_states, self._dense_weights(hidden_states), self.bias)

    def _multiply_on_device(self, hidden_states: Tensor, device: Device, matrix: EncodedMatrix) -> Tensor:
        vectors = hidden_states.detach().reshape(-1, self.in_features).cpu()
        activations, scales = quantise_activations(vectors, device.info().activation_bits)
        outputs = rescale(device.matvec(self._handle, activations), matrix, scales)
        return outputs.to(hidden_states).view(*hidden_states.shape[:-1], self.out_features)

    def _dense_weights(self, like: Tensor) -> Tensor:
        """Weights in the dtype and on the torch device of ``like``, decoded at the first call."""
        if self._dense is None or self._dense.dtype != like.dtype or self._dense.device != like.device:
            self._dense = decode(self.encoded_matrix(), like.dtype).to(like.device)
        return self._dense

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "SeedLinear":
        """Move buffers as ``fn`` does, but keep the scale's dtype: 16-bit floats of the other kind would round it."""
        scale = self.weight_scale
        move: Callable[..., object] = super()._apply  # torch gives it no types
        move(fn, recurse)
        if self.weight_scale.dtype != scale.dtype:
            self.weight_scale = scale.to(self.weight.device)
        self._dense = None
        return self


def _forget_dense_weights(layer: SeedLinear, _: object) -> None:
    """New words were loaded: decode them at the next call."""
    layer._dense = None
