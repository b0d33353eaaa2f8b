import pytest
import torch
from torch import Tensor, nn

from formats.activations import quantise_activations, rescale
from formats.block import BlockFormat
from formats.engine import EngineParameters
from formats.errors import InputError
from formats.matrices import EncodedMatrix
from formats.presets import PRESETS
from formats.router.descriptor import RouterParameters
from formats.scales import paper_scale
from formats.storage import pack_rows
from golden_models.seedlm.codec import decode
from golden_models.seedlm.datapath import matvec
from sw_runtime.device.emulated import EmulatedDevice
from sw_runtime.nn.linear import SeedLinear


def filled(block_format: BlockFormat, in_features: int = 50, bias: bool = False) -> tuple[SeedLinear, EncodedMatrix]:
    """A layer of random words, and its matrix."""
    generator = torch.Generator().manual_seed(0)
    words = torch.randint(1 << block_format.word_bits, (6, block_format.blocks(in_features)), generator=generator)
    words = torch.where(words & block_format.seeds == 0, words | 1, words)
    scales = (
        torch.tensor([paper_scale(block_format)]) if block_format.exponent_bits else torch.rand(6).bfloat16().float()
    )
    layer = SeedLinear(in_features, 6, block_format, bias)
    layer.weight.copy_(pack_rows(words, block_format))
    layer.weight_scale.copy_(scales)
    if layer.bias is not None:
        layer.bias.copy_(torch.randn(6, generator=generator))
    return layer, EncodedMatrix(block_format, words, scales, in_features)


def hidden_states(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@pytest.fixture(params=PRESETS)
def block_format(request: pytest.FixtureRequest) -> BlockFormat:
    return PRESETS[request.param]


def test_buffers_are_stored_as_the_files_store_them(block_format: BlockFormat) -> None:
    layer = SeedLinear(50, 6, block_format)
    assert (layer.weight.dtype, layer.weight.shape) == (torch.uint8, (6, block_format.row_bytes(50)))
    scale = (torch.float32, (1,)) if block_format.exponent_bits else (torch.bfloat16, (6,))
    assert (layer.weight_scale.dtype, layer.weight_scale.shape) == scale
    assert list(layer.state_dict()) == ["weight", "weight_scale"]
    assert not list(layer.parameters())


def test_on_the_host_it_equals_a_linear_layer_of_decoded_weights(block_format: BlockFormat) -> None:
    layer, matrix = filled(block_format, bias=True)
    x = hidden_states(2, 3, 50)
    assert torch.equal(layer(x), nn.functional.linear(x, decode(matrix), layer.bias))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_weights_are_decoded_in_the_dtype_of_the_input(dtype: torch.dtype) -> None:
    layer, matrix = filled(PRESETS["scaled-4bit"])
    x = hidden_states(3, 50)
    layer(x)
    x = x.to(dtype)
    assert torch.equal(layer(x), nn.functional.linear(x, decode(matrix).to(dtype)))


def test_new_weights_are_decoded_anew() -> None:
    layer, _ = filled(PRESETS["scaled-4bit"])
    other, matrix = filled(PRESETS["scaled-4bit"])
    other.weight_scale *= 2
    layer(hidden_states(1, 50))
    layer.load_state_dict(other.state_dict())
    assert torch.equal(layer(hidden_states(1, 50)), 2 * nn.functional.linear(hidden_states(1, 50), decode(matrix)))


def test_on_a_device_it_equals_the_golden_datapath(block_format: BlockFormat) -> None:
    layer, matrix = filled(block_format)
    layer.attach(EmulatedDevice())
    activations, scales = quantise_activations(hidden_states(4, 50))
    assert torch.equal(layer(hidden_states(4, 50)), rescale(matvec(matrix, activations), matrix, scales))


def test_a_devices_activation_bits_decide_the_rounding() -> None:
    layer, matrix = filled(PRESETS["scaled-4bit"])
    layer.attach(EmulatedDevice(EngineParameters(("scaled-4bit",), activation_bits=8)))
    activations, scales = quantise_activations(hidden_states(4, 50), 8)
    assert torch.equal(layer(hidden_states(4, 50)), rescale(matvec(matrix, activations), matrix, scales))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_on_a_device_shape_dtype_and_bias_are_those_of_a_linear_layer(dtype: torch.dtype) -> None:
    layer, _ = filled(PRESETS["scaled-4bit"], bias=True)
    layer.to(dtype)
    x = hidden_states(2, 3, 50).to(dtype)
    on_host = layer(x)
    layer.attach(EmulatedDevice())
    on_device = layer(x)
    assert (on_device.dtype, on_device.shape) == (on_host.dtype, on_host.shape) == (dtype, (2, 3, 6))
    assert (on_device - on_host).abs().max() <= 2**-6 * on_host.abs().max()
    assert layer.bias is not None
    bias, layer.bias = layer.bias, None
    assert torch.equal(on_device, layer(x) + bias)


def test_detached_it_computes_on_the_host_again_and_the_device_forgets_it() -> None:
    layer, _ = filled(PRESETS["scaled-4bit"])
    device = EmulatedDevice()
    on_host = layer(hidden_states(1, 50))
    layer.attach(device)
    layer.detach()
    assert not layer.is_attached
    assert torch.equal(layer(hidden_states(1, 50)), on_host)
    with pytest.raises(ValueError, match="no matrix with handle 1"):
        device.unload(1)


def test_the_router_names_the_largest_output(block_format: BlockFormat) -> None:
    layer, _ = filled(block_format)
    layer.attach(EmulatedDevice(router=RouterParameters()))
    for x in hidden_states(8, 50):
        assert layer.argmax(x) == int(layer(x).argmax())


def test_the_argmax_of_a_layer_with_a_bias_or_on_no_device_is_refused() -> None:
    layer, _ = filled(PRESETS["scaled-4bit"], bias=True)
    with pytest.raises(ValueError, match="the layer is on no device; attach it to one with a router first"):
        layer.argmax(hidden_states(50))
    layer.attach(EmulatedDevice(router=RouterParameters()))
    with pytest.raises(ValueError, match="the layer has a bias, which is added on the host; take the argmax of its"):
        layer.argmax(hidden_states(50))


def test_attaching_twice_is_refused() -> None:
    layer, _ = filled(PRESETS["scaled-4bit"])
    layer.attach(EmulatedDevice())
    with pytest.raises(ValueError, match="attached to a device already; detach it first"):
        layer.attach(EmulatedDevice())


def test_a_layer_that_nothing_was_loaded_into_is_refused() -> None:
    with pytest.raises(ValueError, match="block 0 of row 0 has seed 0"):
        SeedLinear(8, 2, PRESETS["scaled-4bit"])(torch.ones(1, 8))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_a_change_of_dtype_keeps_words_and_scales(block_format: BlockFormat, dtype: torch.dtype) -> None:
    layer, matrix = filled(block_format, bias=True)
    layer.to(dtype)
    assert layer.bias is not None
    assert layer.bias.dtype == dtype
    kept = layer.encoded_matrix()
    assert torch.equal(kept.words, matrix.words)
    assert torch.equal(kept.scales, matrix.scales)


def test_it_moves_between_torch_devices() -> None:
    layer, _ = filled(PRESETS["scaled-4bit"])
    assert {buffer.device.type for buffer in layer.to("meta").buffers()} == {"meta"}


def test_print_shows_shape_and_format() -> None:
    assert str(SeedLinear(50, 6, PRESETS["scaled-2bit"])) == "SeedLinear(50, 6, scaled-2bit, bias=False)"


def test_integers_are_refused(block_format: BlockFormat) -> None:
    with pytest.raises(InputError, match=r"multiplies floats, not torch\.int64; cast the hidden states"):
        filled(block_format)[0](torch.ones(2, 50, dtype=torch.int64))


def test_once_loaded_a_layers_weight_reads_as_the_decoded_one_and_is_stored_packed(block_format: BlockFormat) -> None:
    layer, matrix = filled(block_format)
    stored = layer.weight
    layer.reads_as_dense = True
    assert torch.equal(layer.weight, decode(matrix))
    assert layer.to(torch.bfloat16).weight.dtype == torch.bfloat16
    assert torch.equal(layer.state_dict()["weight"], stored)
    assert torch.equal(layer.stored_weight, stored)
