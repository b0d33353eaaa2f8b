"""A compressed folder as an ordinary Hugging Face folder of its decoded weights."""

from pathlib import Path

import torch

from sw_runtime.compress.companions import copy_companions
from sw_runtime.export.output import whole_output
from sw_runtime.fit.report import REPORT
from sw_runtime.nn.checksums import CARD, CHECKSUMS
from sw_runtime.nn.folder import compressed_config
from sw_runtime.nn.golden_tokens import GOLDEN_TOKENS
from sw_runtime.pretrained import load_any_model

OF_THE_COMPRESSED = ("config.json", REPORT, CARD, CHECKSUMS, GOLDEN_TOKENS, "calibration.txt")
"""Files that are about the compressed folder, and those that are written anew."""


def export_dense(folder: Path, output: Path, dtype: torch.dtype | None = None) -> None:
    """Decode a compressed folder into an ordinary one, which transformers loads without seedloom.

    The whole model is in memory meanwhile, decoded.

    Parameters
    ----------
    folder
        The compressed folder.
    output
        The folder to write; it may not be there.
    dtype
        Of the weights; the one of the folder's own ``config.json`` when not given. They equal, bit by bit, those
        that the compressed model multiplies with when it is loaded in this dtype; float32 keeps every bit.

    Raises
    ------
    FileExistsError
        If ``output`` is there.
    FileNotFoundError, CheckpointError
        If the folder is not a complete compressed model.
    OSError
        If it cannot be written.
    """
    compressed_config(folder)
    with whole_output(output) as written:
        model = load_any_model(folder, dtype=dtype or "auto")
        model.dequantize().save_pretrained(written)
        mode = (written / "config.json").stat().st_mode
        for shard in written.glob("*.safetensors"):
            shard.chmod(mode)  # safetensors lets only the owner read
        copy_companions(folder, written, without=OF_THE_COMPRESSED)
