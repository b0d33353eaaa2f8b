from pathlib import Path

import pytest
import torch

from sw_runtime.methods.m2r2.fast_stream import FastStream, parameters_for
from sw_runtime.methods.m2r2.residuals import M2R2Parameters
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


@pytest.mark.parametrize(("layers", "exits"), [(30, (9, 12, 15)), (6, (2, 3)), (2, (1,))])
def test_exits_are_at_the_same_depths_of_any_model(layers: int, exits: tuple[int, ...]) -> None:
    assert parameters_for(layers).exits == exits
