from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from formats.engine import EngineParameters, format_names
from formats.errors import DeviceError
from formats.matrices import Matrix
from sw_runtime.compress.folder import compress
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.device.protocol import MatrixShape
from sw_runtime.host.fp16 import Fp16Rows
from sw_runtime.nn import trellis_linear
from sw_runtime.nn.attach import attach, compressed_linears, detach, stay_packed
from tests.models import tiny_llama
from tests.sw_runtime.host.triton_kernels import kernels

TOKENS = torch.tensor([[1, 5, 9, 2]])


class RecordingDevice(EmulatedDevice):
    """Counts loads, unloads and products; refuses the load numbered ``fails_at``."""

    def __init__(self, parameters: EngineParameters | None = None, fails_at: int = 0) -> None:
        super().__init__(parameters)
        self.loads = self.unloads = self.products = 0
        self.fails_at = fails_at

    def load(self, matrix: Matrix) -> int:
        self.loads += 1
        if self.loads == self.fails_at:
            raise OSError("cable pulled")
        return super().load(matrix)

    def matvec(self, handle: int, activations: Tensor) -> Tensor:
        self.products += 1
        return super().matvec(handle, activations)

    def unload(self, handle: int) -> None:
        self.unloads += 1
        super().unload(handle)


@pytest.fixture
def model(tiny_model: Callable[..., Path]) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(tiny_model())


def test_every_compressed_layer_goes_to_the_device(model: PreTrainedModel) -> None:
    device = RecordingDevice()
    attach(model, device)
    model(TOKENS)
    assert device.loads == device.products == len(compressed_linears(model)) == 15


def test_on_the_device_the_model_computes_what_it_does_on_the_host(model: PreTrainedModel) -> None:
    on_host = model(TOKENS).logits
    attach(model, EmulatedDevice())
    on_device = model(TOKENS).logits
    assert not torch.equal(on_device, on_host)
    assert torch.allclose(on_device, on_host, atol=1e-2 * on_host.abs().max().item())


def test_a_model_that_does_not_fit_is_refused_before_a_layer_is_loaded(model: PreTrainedModel) -> None:
    asked: list[MatrixShape] = []

    class SmallDevice(RecordingDevice):
        def check_room(self, shapes: Sequence[MatrixShape]) -> None:
            asked.extend(shapes)
            raise DeviceError("too small by 3 bytes")

    device = SmallDevice()
    with pytest.raises(DeviceError, match="too small by 3 bytes"):
        attach(model, device)
    assert device.loads == 0
    assert len(asked) == 15
    assert MatrixShape("scaled-2bit", rows=120, columns=64) in asked, "the head"


def test_generate_works_on_the_device(model: PreTrainedModel) -> None:
    device = RecordingDevice()
    attach(model, device)
    output = model.generate(TOKENS, max_new_tokens=3, do_sample=False)
    assert output.shape == (1, 7)
    assert device.products == 3 * 15


def test_detached_the_model_computes_on_the_host_again(model: PreTrainedModel) -> None:
    on_host = model(TOKENS).logits
    device = RecordingDevice()
    attach(model, device)
    detach(model)
    assert device.unloads == device.loads
    assert torch.equal(model(TOKENS).logits, on_host)


def test_detaching_what_is_not_attached_does_nothing(model: PreTrainedModel) -> None:
    detach(model)
    assert not any(layer.is_attached for layer in compressed_linears(model).values())


def test_a_missing_format_is_refused_before_anything_is_loaded(model: PreTrainedModel) -> None:
    device = RecordingDevice(EngineParameters(("scaled-4bit", "scaled-3bit", "paper-4bit", "scaled-2bit")))
    with pytest.raises(
        ValueError,
        match=r"model.layers.1.mlp.down_proj is stored as paper-3bit, which the emulated device does not take",
    ):
        attach(model, device)
    assert device.loads == 0


def test_a_layer_too_large_is_refused_before_anything_is_loaded(model: PreTrainedModel) -> None:
    device = RecordingDevice(EngineParameters(format_names(), maximum_rows=110))
    with pytest.raises(
        ValueError, match=r"lm_head \[120, 64\] is larger than the emulated device's maximum \[110, 4096\]"
    ):
        attach(model, device)
    assert device.loads == 0


def test_a_failure_midway_leaves_nothing_attached(model: PreTrainedModel) -> None:
    device = RecordingDevice(fails_at=4)
    with pytest.raises(OSError, match="cable pulled"):
        attach(model, device)
    assert device.unloads == 3
    assert not any(layer.is_attached for layer in compressed_linears(model).values())


def test_attaching_twice_is_refused_and_changes_nothing(model: PreTrainedModel) -> None:
    attach(model, EmulatedDevice())
    with pytest.raises(ValueError, match="q_proj is attached to a device already; detach the model first"):
        attach(model, EmulatedDevice())
    assert all(layer.is_attached for layer in compressed_linears(model).values())


def test_a_model_without_compressed_layers_is_refused() -> None:
    with pytest.raises(ValueError, match="Linear has no compressed layers; load a folder that"):
        attach(nn.Linear(2, 2), EmulatedDevice())


@pytest.fixture
def trellis_model(tmp_path: Path) -> PreTrainedModel:
    """Two layers: one matrix in FP16, the others in trellis words."""
    compress(tiny_llama(num_hidden_layers=2), tmp_path / "trellis", "trellis-4bit", fp16="layers.0.mlp.down_proj")
    return AutoModelForCausalLM.from_pretrained(tmp_path / "trellis", dtype=torch.float32)


def test_a_model_that_stays_packed_computes_what_it_does_decoded_and_decodes_nothing(
    trellis_model: PreTrainedModel,
) -> None:
    decoded = trellis_model(TOKENS).logits
    stay_packed(trellis_model)
    with torch.inference_mode():
        torch.testing.assert_close(trellis_model(TOKENS).logits, decoded)
    assert all(layer._dense is None for layer in compressed_linears(trellis_model).values())
    attach(trellis_model, EmulatedDevice())
    assert not torch.equal(trellis_model(TOKENS).logits, decoded)
    detach(trellis_model)
    copied = deepcopy(trellis_model).bfloat16()
    with torch.inference_mode():
        assert copied(TOKENS).logits.dtype == torch.bfloat16
        torch.testing.assert_close(trellis_model(TOKENS).logits, decoded)


def test_with_triton_a_model_that_stays_packed_computes_what_it_does_decoded(
    trellis_model: PreTrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU, but by Triton's interpreter."""
    decoded = trellis_model(TOKENS).logits
    triton = kernels()
    monkeypatch.setattr(triton, "ROWS", 64)  # fewer programs
    monkeypatch.setitem(trellis_linear.KERNELS, "cpu", triton.TritonTrellisRows)
    stay_packed(trellis_model)
    with torch.inference_mode():
        torch.testing.assert_close(trellis_model(TOKENS).logits, decoded)
    packed = {type(layer._packed) for layer in compressed_linears(trellis_model).values()}
    assert packed == {triton.TritonTrellisRows, Fp16Rows}


def test_new_bytes_of_a_packed_layer_are_multiplied(trellis_model: PreTrainedModel) -> None:
    stay_packed(trellis_model)
    layer = trellis_model.get_submodule("model.layers.1.mlp.up_proj")
    inputs = torch.ones(1, 64)
    before = layer(inputs)
    layer.load_state_dict(layer.state_dict() | {"weight_scale": 2 * layer.weight_scale})
    assert torch.equal(layer(inputs), 2 * before)


def test_gradients_go_through_a_packed_layer(trellis_model: PreTrainedModel) -> None:
    stay_packed(trellis_model)
    layer = trellis_model.get_submodule("model.layers.1.mlp.up_proj")
    inputs = torch.ones(1, 64, requires_grad=True)
    layer(inputs).sum().backward()
    torch.testing.assert_close(inputs.grad, layer.decoded(torch.float32).sum(0, keepdim=True))


def test_formats_that_the_host_multiplies_only_decoded_are_refused_by_layer(model: PreTrainedModel) -> None:
    with pytest.raises(
        ValueError, match=r"layers\.0\.self_attn\.q_proj: paper-4bit is multiplied on the host only decoded"
    ):
        stay_packed(model)


def test_a_model_without_compressed_layers_cannot_stay_packed() -> None:
    with pytest.raises(ValueError, match="Linear has no compressed layers"):
        stay_packed(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="model must be"):
        stay_packed("model")  # type: ignore[arg-type]
