"""A linear layer stored as packed bytes, multiplied on the host or by a device."""

from abc import abstractmethod
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from formats.activations import quantise_activations, rescale
from formats.errors import DeviceError, InputError
from formats.matrices import Matrix, real_weights
from sw_runtime.device.protocol import Device
from sw_runtime.host.packed_rows import PackedRows
from sw_runtime.routing.products import argmax_product

PACKED_PLACES = ("cpu", "cuda")
"""Types of torch devices on which packed rows are multiplied; on others they are decoded at every call."""


class DeviceLinear(nn.Module):
    """``hidden_states @ weightsᵀ + bias``, the weights decoded on the host or multiplied by a device.

    Buffers
    -------
    weight
        uint8 [out_features, bytes of a row], so that no change of dtype touches it. Once a model is loaded
        (``reads_as_dense``), reading ``weight`` gives the decoded weights, as models that look at them expect.
    bias
        [out_features], or None.

    Parameters
    ----------
    in_features, out_features
        Columns and rows of the weight matrix.
    row_bytes
        Bytes of a stored row.
    format_name
        What devices and files call the way the weights are stored.
    bias
        Whether there is a bias.
    """

    weight: Tensor
    bias: Tensor | None
    keeps_decoded: bool
    """Keep decoded weights for the next call; a model that is larger so than the memory decodes them every time."""
    stays_packed: bool
    """The host multiplies from the stored bytes, see ``stay_packed``."""

    def __init__(self, in_features: int, out_features: int, row_bytes: int, format_name: str, bias: bool) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.format_name = format_name
        self.register_buffer("weight", torch.zeros(out_features, row_bytes, dtype=torch.uint8))
        self.register_buffer("bias", torch.zeros(out_features) if bias else None)
        after_load: Callable[..., object] = self.register_load_state_dict_post_hook  # torch gives it no types
        after_load(_renew)
        self.reads_as_dense = False
        self.keeps_decoded = True
        self.stays_packed = False
        self._dtype = torch.get_default_dtype()
        self._dense: Tensor | None = None
        self._packed: PackedRows | None = None
        self._device: Device | None = None
        self._handle = 0
        self._loaded: Matrix | None = None

    @abstractmethod
    def stored_matrix(self) -> Matrix:
        """The stored weights as a device takes them, on the CPU.

        Raises
        ------
        InputError
            If the stored bytes are not valid.
        """

    @classmethod
    @abstractmethod
    def empty(cls, in_features: int, out_features: int, format_name: str, bias: bool) -> "DeviceLinear":
        """A layer of a format that waits for its bytes."""

    @staticmethod
    @abstractmethod
    def stored_tensors(matrix: Matrix) -> dict[str, Tensor]:
        """A matrix as a file holds it: tensors by the names of the buffers, ``bias`` left out."""

    @abstractmethod
    def checks(self) -> dict[str, Callable[[Tensor], None]]:
        """What to check of each stored tensor, by the names of the buffers; a check raises ValueError."""

    def packed_rows(self) -> PackedRows:
        """The stored rows, to be multiplied as they are where they lie: on the host, or its GPU.

        Raises
        ------
        InputError
            If the host multiplies this format only decoded.
        DependencyError
            If there is no C compiler, or on a GPU no Triton.
        """
        raise InputError(f"{self.format_name} is multiplied on the host only decoded; load it with host='decoded'")

    def stay_packed(self) -> None:
        """Multiply from the stored bytes on the host from now on, and keep no decoded weights.

        Raises
        ------
        InputError, DependencyError
            As ``packed_rows``.
        """
        self._packed = self.packed_rows()
        self.stays_packed, self.keeps_decoded, self._dense = True, False, None

    @property
    def stored_weight(self) -> Tensor:
        """The buffer ``weight``, whatever reading ``weight`` gives."""
        stored = self._buffers["weight"]
        assert stored is not None
        return stored

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of a dense layer in this one's place: torch's default one, and then what ``to`` made of it."""
        return self._dtype

    def __getattr__(self, name: str) -> Any:
        """``weight`` as a model reads it that casts to its dtype, slices it or multiplies it itself."""
        if name == "weight" and self.__dict__.get("reads_as_dense"):
            return self._dense_weights(self._dtype, self.stored_weight.device)
        return super().__getattr__(name)

    def decoded(self, dtype: torch.dtype) -> Tensor:
        """The weights, [out_features, in_features] of a float dtype, on the CPU."""
        return real_weights(self.stored_matrix(), dtype)

    def extra_repr(self) -> str:
        """What ``print(model)`` shows."""
        return f"{self.in_features}, {self.out_features}, {self.format_name}, bias={self.bias is not None}"

    @property
    def stored_bytes(self) -> int:
        """Bytes of the weights in a file, scales included."""
        return sum(buffer.nbytes for name, buffer in self.named_buffers() if name != "bias")

    @property
    def is_attached(self) -> bool:
        """Whether a device multiplies."""
        return self._device is not None

    def attach(self, device: Device) -> None:
        """Load the weights on a device and multiply there from now on.

        Raises
        ------
        InputError
            If the layer is attached already, or the device does not take the matrix.
        """
        if self._device is not None:
            raise InputError("the layer is attached to a device already; detach it first")
        matrix = self.stored_matrix()
        self._handle = device.load(matrix)
        self._loaded = matrix.without_weights()
        self._device, self._dense = device, None

    def detach(self) -> None:
        """Take the weights off the device, if on one, and multiply on the host again."""
        device, self._device, self._loaded = self._device, None, None
        if device is not None:
            with suppress(DeviceError):  # a closed device holds none
                device.unload(self._handle)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """[..., in_features], any float dtype → [..., out_features] of the same dtype.

        Raises
        ------
        InputError
            If the hidden states are integers.
        """
        if not hidden_states.is_floating_point():
            raise InputError(f"a compressed layer multiplies floats, not {hidden_states.dtype}; cast the hidden states")
        if self._device is not None and self._loaded is not None:
            outputs = self._multiply_on_device(hidden_states.detach(), self._device, self._loaded)
            if hidden_states.requires_grad:
                without_gradient: Callable[..., Tensor] = _NoGradient.apply  # torch gives it no types
                outputs = without_gradient(hidden_states, outputs)
            return outputs if self.bias is None else outputs + self.bias
        if self._takes_packed(hidden_states):
            outputs = self._multiply_packed(hidden_states)
            return outputs if self.bias is None else outputs + self.bias
        return nn.functional.linear(
            hidden_states, self._dense_weights(hidden_states.dtype, hidden_states.device), self.bias
        )

    def argmax(self, hidden_states: Tensor) -> int:
        """Index of the largest output for one vector [in_features]: found by the device's router, outputs stay there.

        Keys round outputs once, to about 21 bits of the largest; of equal ones the first is taken.

        Raises
        ------
        InputError
            If the layer is on no device, or on one without a router, or has a bias, which is added on the host.
        """
        if self._device is None:
            raise InputError("the layer is on no device; attach it to one with a router first")
        if self.bias is not None:
            raise InputError("the layer has a bias, which is added on the host; take the argmax of its outputs there")
        vector = hidden_states.detach().view(1, -1).cpu()
        activations, _ = quantise_activations(vector, self._device.info().activation_bits)
        return argmax_product(self._device, self._handle, activations, self.out_features)

    def _multiply_on_device(self, hidden_states: Tensor, device: Device, matrix: Matrix) -> Tensor:
        vectors = hidden_states.reshape(-1, self.in_features).cpu()
        activations, scales = quantise_activations(vectors, device.info().activation_bits)
        outputs = rescale(device.matvec(self._handle, activations), matrix, scales)
        return outputs.to(hidden_states).view(*hidden_states.shape[:-1], self.out_features)

    def _takes_packed(self, hidden_states: Tensor) -> bool:
        """Whether packed rows give this product: they lie where the vectors do, and give no gradients."""
        place = self.stored_weight.device
        here = hidden_states.device == place and place.type in PACKED_PLACES
        return self.stays_packed and here and not (hidden_states.requires_grad and torch.is_grad_enabled())

    def _multiply_packed(self, hidden_states: Tensor) -> Tensor:
        packed = self._packed  # another thread may forget it meanwhile
        if packed is None:
            packed = self._packed = self.packed_rows()
        outputs = packed.multiply(hidden_states.detach().reshape(-1, self.in_features))
        return outputs.view(*hidden_states.shape[:-1], self.out_features)

    def _dense_weights(self, dtype: torch.dtype, place: torch.device) -> Tensor:
        """Weights in a dtype and on a torch device, decoded at the first call (``keeps_decoded``)."""
        dense = self._dense  # another thread may forget or replace it meanwhile
        if dense is None or dense.dtype != dtype or dense.device != place:
            dense = self.decoded(dtype).to(place)
            if self.keeps_decoded:
                self._dense = dense
        return dense

    def __getstate__(self) -> dict[str, Any]:
        """What a pickle holds: the layer on no device."""
        return self.__dict__ | {"_device": None, "_loaded": None, "_dense": None, "_packed": None}

    def __deepcopy__(self, memo: dict[int, Any]) -> "DeviceLinear":
        """A copy; of a layer on a device, one that is on the same device, its weights loaded once more."""
        copied = type(self).__new__(type(self))
        memo[id(self)] = copied
        copied.__dict__.update(deepcopy(self.__getstate__(), memo))
        if self._device is not None:
            copied.attach(self._device)
        return copied

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "DeviceLinear":
        """Move buffers as ``fn`` does, but keep the dtype of stored ones: other 16-bit floats would round scales."""
        stored = {name: buffer for name, buffer in self.named_buffers() if name != "bias"}
        move: Callable[..., object] = super()._apply  # torch gives it no types
        move(fn, recurse)
        for name, buffer in stored.items():
            moved = self._buffers[name]
            assert moved is not None
            if moved.dtype != buffer.dtype:
                self.register_buffer(name, buffer.to(moved.device))
        self._dense, self._packed, self._dtype = None, None, fn(torch.empty(0, dtype=self._dtype)).dtype
        return self


def _renew(layer: DeviceLinear, _: object) -> None:
    """New bytes were loaded: decode them at the next call, or put them on the device instead of the old ones."""
    layer._dense, layer._packed, device = None, None, layer._device
    if device is not None:
        layer.detach()
        layer.attach(device)


class _NoGradient(torch.autograd.Function):
    """A device's outputs, which depend on the hidden states but have no gradient with respect to them."""

    @staticmethod
    def forward(ctx: Any, hidden_states: Tensor, outputs: Tensor) -> Tensor:
        """The outputs."""
        return outputs.view_as(outputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Say so, as otherwise a training would go on without the gradients of all layers before this one."""
        raise InputError("a device gives no gradients; take the model off it first: seedloom.detach(model)")


def check_padding(stored: Tensor, packed: Tensor) -> None:
    """Refuse stored rows whose padding bits are set; both uint8 [rows, bytes], ``packed`` with zeros there.

    Raises
    ------
    InputError
        Naming the first row.
    """
    spare = (packed != stored).any(dim=1)
    if spare.any():
        raise InputError(f"padding bits of row {int(spare.nonzero()[0])} are not zero; the file is damaged")


def check_scales(scales: Tensor, zero: bool = True) -> None:
    """Refuse scales that are not finite numbers from 0 up.

    Parameters
    ----------
    scales
        [scales].
    zero
        Whether 0 is one: it stands for a row of zeros. Where no encoder writes it, weights would vanish.

    Raises
    ------
    InputError
        Naming the first.
    """
    wrong = ~(torch.isfinite(scales) & ((scales >= 0) if zero else (scales > 0)))
    if wrong.any():
        row = int(wrong.nonzero()[0])
        legal = "a finite number from 0 up" if zero else "a finite number above 0"
        raise InputError(f"scale {row} is {scales[row].item()}, not {legal}; the file is damaged")


def check_finite(tensor: Tensor) -> None:
    """Refuse NaN and infinity.

    Raises
    ------
    InputError
        If there is one.
    """
    if not tensor.isfinite().all():
        raise InputError("it holds NaN or infinity; the file is damaged")
