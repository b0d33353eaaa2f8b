"""Weights that are views of files: their memory is given back, and they are read again."""

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from transformers import LlamaForCausalLM

from sw_runtime import file_views
from sw_runtime.file_views import FileViews
from tests.models import tiny_llama


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tiny_llama(num_hidden_layers=2).save_pretrained(tmp_path)
    return tmp_path


def resident(model: torch.nn.Module) -> int:
    """Bytes in memory of the file that holds a model's first parameter."""
    address, inside = next(model.parameters()).data_ptr(), False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        start, _, rest = line.partition("-")
        if all(digit in "0123456789abcdef" for digit in start) and " " in rest:
            inside = int(start, 16) <= address < int(rest.split()[0], 16)
        elif inside and line.startswith("Rss:"):
            return 1024 * int(line.split()[1])
    raise AssertionError("the model is no view of a file")


def test_released_weights_leave_memory_and_keep_their_values(folder: Path) -> None:
    model = LlamaForCausalLM.from_pretrained(folder)
    views, kept = FileViews(model), {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert resident(model) >= views.nbytes
    views.release()
    assert resident(model) < views.nbytes / 4
    assert all(torch.equal(tensor, kept[name]) for name, tensor in model.state_dict().items())


def test_all_weights_of_a_loaded_model_are_views_and_none_of_a_built_one(folder: Path) -> None:
    model = LlamaForCausalLM.from_pretrained(folder)
    whole = sum(parameter.nbytes for parameter in model.parameters())
    built_model = tiny_llama(num_hidden_layers=2)
    loaded, built, wider = (FileViews(other) for other in (model, built_model, deepcopy(model).double()))
    assert (loaded.nbytes, loaded.held) == (whole, 0)
    assert (built.nbytes, built.held) == (0, whole)
    assert (wider.nbytes, wider.held) == (0, 2 * whole)


def test_weights_that_are_no_views_keep_their_values() -> None:
    model = tiny_llama()
    kept = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    FileViews(model).release()
    assert all(torch.equal(tensor, kept[name]) for name, tensor in model.state_dict().items())


def test_a_system_that_does_not_list_its_memory_keeps_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_views, "MAPPINGS", tmp_path / "nowhere")
    views = FileViews(LlamaForCausalLM.from_pretrained(folder))
    views.release()
    assert views.nbytes == views.held == 0
