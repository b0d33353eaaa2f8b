"""One changed bit anywhere in a compressed folder is found and named."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from torch import Tensor

from formats.errors import CheckpointError
from sw_runtime.json_files import json_text
from sw_runtime.nn.checksums import CHECKSUMS, check_checksums, checksums

UP_PROJ = "model.layers.0.mlp.up_proj"


@pytest.fixture
def folder(tiny_model: Callable[..., Path]) -> Path:
    return tiny_model()


def flip_bit(path: Path, place: int, bit: int = 0) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    path.write_bytes(content)


def offsets(file: Path) -> dict[str, tuple[int, int]]:
    """Where each tensor's bytes begin and end in a safetensors file."""
    content = file.read_bytes()
    size = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:size])
    return {
        name: (size + fields["data_offsets"][0], size + fields["data_offsets"][1])
        for name, fields in header.items()
        if name != "__metadata__"
    }


def change_tensors(folder: Path, change: Callable[[dict[str, Tensor]], None]) -> None:
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize("shards", [1, 3])
def test_a_folder_as_it_was_written_passes(shards: int, tiny_model: Callable[..., Path]) -> None:
    check_checksums(tiny_model(shards=shards))


@pytest.mark.parametrize("bit", [0, 7])
def test_a_flipped_bit_in_any_tensor_is_found_and_the_tensor_named(bit: int, folder: Path) -> None:
    file = folder / "model.safetensors"
    places = offsets(file)
    assert {f"{UP_PROJ}.weight", f"{UP_PROJ}.weight_scale", "model.embed_tokens.weight"} <= set(places)
    for name, (begin, end) in places.items():
        for place in (begin, (begin + end) // 2, end - 1):
            flip_bit(file, place, bit)
            with pytest.raises(CheckpointError, match=f"tensor {name} has changed, model.safetensors has changed; co"):
                check_checksums(folder)
            flip_bit(file, place, bit)
    check_checksums(folder)


def test_a_flipped_bit_in_any_other_file_is_found_and_the_file_named(folder: Path) -> None:
    others = [path for path in folder.iterdir() if path.suffix == ".json" and path.name != CHECKSUMS]
    assert {path.name for path in others} == {"config.json", "tokenizer.json", "tokenizer_config.json"}
    for path in others:
        for place in range(0, path.stat().st_size, 101):
            flip_bit(path, place, place % 8)
            with pytest.raises(
                CheckpointError, match=f"is not what checksums.json says: {path.name} has changed; copy"
            ):
                check_checksums(folder)
            flip_bit(path, place, place % 8)


def test_a_flipped_bit_in_the_checksums_is_found(folder: Path) -> None:
    size = (folder / CHECKSUMS).stat().st_size
    for place in range(0, size, 41):
        flip_bit(folder / CHECKSUMS, place, place % 8)
        with pytest.raises(CheckpointError, match=r"checksums\.json"):
            check_checksums(folder)
        flip_bit(folder / CHECKSUMS, place, place % 8)


def test_swapped_layers_are_found_and_named(folder: Path) -> None:
    one, other = "model.layers.0.mlp.gate_proj.weight", f"{UP_PROJ}.weight"

    def swap(tensors: dict[str, Tensor]) -> None:
        tensors[one], tensors[other] = tensors[other].clone(), tensors[one].clone()

    change_tensors(folder, swap)
    with pytest.raises(CheckpointError, match=f"tensor {one} has changed, tensor {other} has changed, model.safe"):
        check_checksums(folder)


def test_another_shape_is_found(folder: Path) -> None:
    change_tensors(folder, lambda tensors: tensors.update({UP_PROJ + ".weight": tensors[UP_PROJ + ".weight"].view(-1)}))
    with pytest.raises(CheckpointError, match=f"tensor {UP_PROJ}.weight has changed"):
        check_checksums(folder)


def test_a_missing_tensor_and_an_added_one_are_named(folder: Path) -> None:
    change_tensors(folder, lambda tensors: tensors.update(added=tensors.pop("model.norm.weight")))
    with pytest.raises(CheckpointError, match=r"tensor added was added, tensor model\.norm\.weight is missing, model"):
        check_checksums(folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    with pytest.raises(CheckpointError, match=r"says: tokenizer\.json is missing; copy the folder again or compress"):
        check_checksums(folder)


@pytest.mark.parametrize("name", ["generation_config.json", "other.safetensors", "additional_chat_templates/a.jinja"])
def test_an_added_file_that_loaders_read_is_named(name: str, folder: Path) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("{}")
    with pytest.raises(CheckpointError, match=f"says: {name} was added; copy the folder again or compress"):
        check_checksums(folder)


@pytest.mark.parametrize("name", ["README.md", ".gitattributes", ".cache/download.json"])
def test_files_that_no_loader_reads_may_be_added(name: str, folder: Path) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("mine")
    check_checksums(folder)


def test_of_many_differences_three_are_named_and_the_rest_counted(folder: Path) -> None:
    for place in range(5):
        (folder / f"{place}.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"0\.json was added, 1\.json was added, 2\.json was added and 2 more; c"):
        check_checksums(folder)


def test_a_folder_without_checksums_is_refused(folder: Path) -> None:
    (folder / CHECKSUMS).unlink()
    with pytest.raises(FileNotFoundError, match=r"checksums\.json is not there; copy the folder again or compress"):
        check_checksums(folder)


@pytest.mark.parametrize("content", ["{}", '{"tensors": {}}', '{"tensors": [], "files": {}}', "[]", "{", "NaN"])
def test_checksums_that_are_none_are_refused(content: str, folder: Path) -> None:
    (folder / CHECKSUMS).write_text(content)
    with pytest.raises(CheckpointError, match=r"checksums\.json (is damaged|cannot be read) \(.+\); copy the folder"):
        check_checksums(folder)


def test_the_same_folder_has_the_same_checksums_wherever_it_is(folder: Path, tmp_path: Path) -> None:
    kept = json_text(checksums(folder))
    assert json_text(checksums(folder.rename(tmp_path / "moved"))) == kept
