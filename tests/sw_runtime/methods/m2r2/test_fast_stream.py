from pathlib import Path

import pytest
import torch

from formats.errors import CheckpointError
from sw_runtime.methods.m2r2.fast_stream import FILE, FastStream, parameters_for
from sw_runtime.methods.m2r2.residuals import M2R2Parameters
from sw_runtime.whole_files import write_tensors
from tests.sw_runtime.methods.m2r2.test_fit import windows
from tests.sw_runtime.methods.models import decoder_of_six_layers

PARAMETERS = M2R2Parameters(rate=2, rank=4, exits=(2, 3), threshold=0.25, latent=4)


def test_what_is_kept_is_what_was_fitted(tmp_path: Path) -> None:
    decoder = decoder_of_six_layers()
    fitted = FastStream.fit(decoder, windows(decoder), PARAMETERS)
    fitted.save(tmp_path)
    loaded = FastStream.load(tmp_path)
    assert loaded.parameters == PARAMETERS
    parts = zip([*loaded.adapters, *loaded.gates], [*fitted.adapters, *fitted.gates], strict=True)
    for ours, theirs in parts:
        for name, tensor in vars(theirs).items():
            assert torch.equal(vars(ours)[name], tensor)
    assert len(loaded.adapters) == 3
    assert len(loaded.gates) == 2


def test_a_folder_without_it_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"has no m2r2.safetensors; make it with: seedloom fit-m2r2 "):
        FastStream.load(tmp_path)


@pytest.mark.parametrize(
    "record", [None, {}, {"exits": 3}, {"exits": [2], "depth": 1}, {"exits": [2]}, {"exits": [0]}, {"exits": ["x"]}]
)
def test_a_file_that_is_none_is_refused(record: dict[str, object] | None, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("no tensors")
    if record is not None:
        write_tensors(tmp_path / FILE, {"adapters.0.x": torch.ones(1)}, record)
    with pytest.raises(CheckpointError, match=r"m2r2.safetensors is damaged \(.+\); make it with: seedloom fit-m2r2 "):
        FastStream.load(tmp_path)


@pytest.mark.parametrize(("layers", "exits"), [(30, (9, 12, 15)), (6, (2, 3)), (2, (1,))])
def test_exits_are_at_the_same_depths_of_any_model(layers: int, exits: tuple[int, ...]) -> None:
    assert parameters_for(layers).exits == exits
