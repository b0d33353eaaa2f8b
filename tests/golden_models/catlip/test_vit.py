import pytest
import torch
from torch import nn

from golden_models.catlip.vit import SIZES, Block, ViT, ViTParameters, head_parameters, parameter_count

COUNTS = {"B": (104_657_408, 18_702_080), "L": (328_766_208, 24_928_000), "H": (663_152_640, 31_153_920)}
SMALL = ViTParameters(64, 2, 4, classes=10, image_size=64)


@pytest.mark.parametrize("size", SIZES)
def test_parameter_counts_are_the_papers(size: str) -> None:
    with torch.device("meta"):
        model = ViT(SIZES[size])
    assert COUNTS[size] == (parameter_count(SIZES[size]), head_parameters(SIZES[size]))
    assert COUNTS[size][0] == sum(parameter.numel() for parameter in model.parameters())
    assert COUNTS[size][1] == sum(parameter.numel() for parameter in model.classifier.parameters())


def test_an_image_of_224_pixels_is_196_tokens_and_the_class_token() -> None:
    with torch.device("meta"):
        model = ViT(SIZES["B"])
        images = torch.empty(2, 3, 224, 224)
        assert model.tokens(images).shape == (2, 197, 768)
        grid, sides = images, []
        for module in model.stem:
            grid = module(grid)
            sides.append(grid.shape[-1])
    assert sides == [56, 56, 56, 28, 28, 28, 14]


def test_the_first_convolution_alone_is_padded() -> None:
    assert [module.padding for module in ViT(SMALL).stem if isinstance(module, nn.Conv2d)] == [(1, 1), (0, 0), (0, 0)]


def test_the_stem_never_gets_narrower_than_32() -> None:
    assert [ViTParameters(width, 1, 4).stem_width for width in (64, 128, 256, 768)] == [32, 32, 64, 192]


def test_blocks_are_torchs_pre_norm_encoder_layers() -> None:
    torch.manual_seed(0)
    ours = Block(64, 4, 1e-6)
    theirs = nn.TransformerEncoderLayer(64, 4, 256, 0.0, "gelu", 1e-6, batch_first=True, norm_first=True)
    nn.init.normal_(theirs.self_attn.in_proj_bias)
    nn.init.normal_(theirs.norm1.weight)
    pairs = {
        ours.qkv.weight: theirs.self_attn.in_proj_weight,
        ours.qkv.bias: theirs.self_attn.in_proj_bias,
        ours.output.weight: theirs.self_attn.out_proj.weight,
        ours.output.bias: theirs.self_attn.out_proj.bias,
        ours.attention_norm.weight: theirs.norm1.weight,
        ours.attention_norm.bias: theirs.norm1.bias,
        ours.mlp_norm.weight: theirs.norm2.weight,
        ours.mlp_norm.bias: theirs.norm2.bias,
        ours.fc1.weight: theirs.linear1.weight,
        ours.fc1.bias: theirs.linear1.bias,
        ours.fc2.weight: theirs.linear2.weight,
        ours.fc2.bias: theirs.linear2.bias,
    }
    with torch.no_grad():
        for own, other in pairs.items():
            own.copy_(other)
    x = torch.randn(3, 17, 64)
    torch.testing.assert_close(ours(x), theirs(x), atol=1e-5, rtol=1e-5)


def test_the_class_token_has_no_position() -> None:
    torch.manual_seed(0)
    model = ViT(SMALL).eval()
    images = torch.randn(1, 3, 64, 64)
    tokens = model.tokens(images)
    assert torch.equal(tokens[0, 0], model.class_token)
    grid = model.stem(images)[0].flatten(1).T
    torch.testing.assert_close(tokens[0, 1:], grid + model.positions)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (16, 16), (20, 20), (32, 32)])
def test_positions_of_other_grids_lie_between_neighbours_in_the_sequence_of_196(height: int, width: int) -> None:
    """Token t of T stands at (t + 1/2) · 196 / T - 1/2 of the sequence, at its ends where that is beyond them."""
    model = ViT(ViTParameters(32, 1, 2, classes=1))
    expected = []
    for token in range(height * width):
        place = min(max((token + 0.5) * 196 / (height * width) - 0.5, 0.0), 195.0)
        before = min(int(place), 194)
        share = place - before
        expected.append((1 - share) * model.positions[before] + share * model.positions[before + 1])
    torch.testing.assert_close(model.resized_positions(height, width), torch.stack(expected), atol=1e-6, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(14, 14), (7, 28), (28, 7)])
def test_positions_stay_as_they_are_for_any_grid_of_as_many_tokens(height: int, width: int) -> None:
    model = ViT(ViTParameters(32, 1, 2, classes=1))
    assert model.resized_positions(height, width) is model.positions


def test_an_image_of_another_shape_has_a_position_a_token() -> None:
    model = ViT(SMALL).eval()
    images = torch.randn(1, 3, 96, 32)
    grid = model.stem(images)[0].flatten(1).T
    torch.testing.assert_close(model.tokens(images)[0, 1:], grid + model.resized_positions(6, 2))
    assert model(images).shape == (1, 10)


def test_logits_come_from_the_normed_class_token() -> None:
    torch.manual_seed(0)
    model = ViT(SMALL).eval()
    images = torch.randn(2, 3, 64, 64)
    x = model.tokens(images)
    for block in model.blocks:
        x = block(x)
    expected = nn.functional.layer_norm(x, (64,), model.norm.weight, model.norm.bias, 1e-6)[:, 0]
    torch.testing.assert_close(model(images), model.classifier(expected))


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"width": 10, "heads": 4}, "4 heads do not divide a width of 10"),
        ({"image_size": 100}, "image_size must be a multiple of 16 from 16 on, not 100"),
        ({"image_size": 0}, "image_size must be a multiple of 16 from 16 on, not 0"),
    ],
)
def test_bad_settings_are_refused(fields: dict[str, int], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        ViTParameters(**({"width": 64, "layers": 1, "heads": 4} | fields))
