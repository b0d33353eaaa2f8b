"""What a compression is asked for, and what is known of it once the model is there and nothing is encoded."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from formats.errors import InputError
from formats.fp16 import FP16
from formats.presets import mixed_formats, preset_named
from sw_runtime.compress.coverage import Coverage, coverage
from sw_runtime.compress.source import Source, check_pattern, load, skeleton
from sw_runtime.compress.trial import trial_inputs
from sw_runtime.fit.encoders import encoder_of
from sw_runtime.fit.layerwise import after_every_stage
from sw_runtime.fit.mixed_precision import SCALE_BITS, check_bits
from sw_runtime.nn.experts import with_separate_experts
from sw_runtime.nn.places import Place, chosen_places
from sw_runtime.pretrained import first_sentence, writes_alone
from sw_runtime.texts.calibration import longest_window, token_windows
from sw_runtime.texts.calibration_text import read_text
from sw_runtime.texts.self_written import SELF, check_writer


@dataclass(frozen=True)
class Request:
    """What is asked for; the fields are the arguments of ``compress``.

    Raises
    ------
    InputError
        If the format is unknown, ``bits`` are out of its reach or not to be had with it, a pattern is no regular
        expression, or ``polish`` is negative or has no text.
    """

    format: str
    calibration_text: str | Path | None
    bits: float | None
    modules: str | None
    fp16: str | None
    allow_partial: bool
    polish: int

    def __post_init__(self) -> None:
        encoder_of(self.format)  # refuses a name that is no format
        if self.bits is not None:
            _check_reach(self.bits, self.format)
        if self.bits is not None and self.calibration_text is None:
            raise InputError("bits are shared out by measured sensitivity; give a calibration text as well")
        if self.polish < 0:
            raise InputError(f"polish must be a number of steps, 0 for none, not {self.polish}")
        if self.polish and self.calibration_text is None:
            raise InputError("polish trains on the calibration text; give one as well")
        check_pattern("modules", self.modules)
        check_pattern("fp16", self.fp16)

    @property
    def writes_its_text(self) -> bool:
        """Whether the model writes the calibration text."""
        return self.calibration_text == SELF


@dataclass(frozen=True)
class Plan:
    """What will be compressed to what.

    Parameters
    ----------
    places
        Chosen layers by name, in the order of the model.
    formats
        Format of every chosen layer by name; of those that share out bits, the one to begin with.
    text
        The calibration text; None without one, or where the model writes it.
    windows
        Its tokens, int64 [windows, length]; None where there is no text, or no tokenizer yet (a GGUF file, dry).
    """

    request: Request
    source: Source
    places: dict[str, Place]
    formats: dict[str, str]
    coverage: Coverage
    text: str | None
    windows: Tensor | None

    @property
    def model(self) -> Any:
        """The model."""
        return self.source.model

    @property
    def names(self) -> list[str]:
        """Names of the chosen layers."""
        return list(self.places)

    @property
    def sharing_bits(self) -> list[str]:
        """Names of the layers whose formats are chosen by sensitivity."""
        return [name for name, format in self.formats.items() if self.request.bits is not None and format != FP16]


def plan(source: str | Path | nn.Module, tokenizer: Any | None, request: Request, dry: bool = False) -> Plan:
    """Load a model and choose its layers.

    Parameters
    ----------
    source, tokenizer
        As ``compress`` takes them.
    dry
        For an estimate alone: of a GGUF file the header is read, and whether its model runs is not tried.

    Raises
    ------
    InputError
        If ``bits`` are out of reach, too few weights can be compressed, the model does not read the calibration
        text or has no tokenizer for it, the text is too short, or the model cannot be polished.
    FileNotFoundError
        If the source or the calibration text is not there.
    CheckpointError
        If the model cannot be read, or no layer matches.
    DependencyError
        If the calibration text needs a package that is not installed.
    """
    text = None if request.calibration_text is None or request.writes_its_text else read_text(request.calibration_text)
    loaded = (skeleton if dry else load)(source, tokenizer)
    loaded = replace(loaded, model=with_separate_experts(loaded.model, request.modules))
    if request.calibration_text is not None and not loaded.converted:
        _check_reads_text(loaded)
    if request.writes_its_text:
        check_writer(loaded.model)
    if request.polish and not writes_alone(loaded.model):
        raise InputError(
            f"polish needs a causal language model, which {type(loaded.model).__name__} is not; leave it out"
        )
    places = chosen_places(loaded.model, request.modules)
    covered = coverage(loaded.model, places)
    if not request.allow_partial:
        covered.check()
    formats = {name: FP16 if _matches(request.fp16, name) else request.format for name in places}
    windows = None if text is None or loaded.converted else _windows(text, loaded, request.calibration_text)
    found = Plan(request, loaded, places, formats, covered, text, windows)
    if request.bits is not None:
        if not found.sharing_bits:
            raise InputError(
                f"fp16 {request.fp16!r} keeps every layer, so bits have none to share; leave one of them out"
            )
        shapes = [(places[name].rows, places[name].columns) for name in found.sharing_bits]
        check_bits(shapes, request.bits, mixed_formats(request.format))
    return found


def _windows(text: str, loaded: Source, name: str | Path | None) -> Tensor:
    if loaded.tokenizer is None:
        raise InputError(
            "a calibration text needs the model's tokenizer; copy its files into the model's folder, pass tokenizer=, "
            "or give no text (--calibration none)"
        )
    return token_windows(text, loaded.tokenizer, length=longest_window(loaded.model), name=str(name))


def _check_reach(bits: float, format: str) -> None:
    """Refuse bits that no layer of a model reaches; what those of one do is known when it is loaded."""
    mixed = mixed_formats(format)
    least, most = (preset_named(name).layout.bits_per_weight for name in (mixed[0], mixed[-1]))
    if not least < bits <= most + SCALE_BITS:
        raise InputError(
            f"bits must be what {mixed[0]} to {mixed[-1]} take, {least:g} to {most:g} per weight and {SCALE_BITS} more "
            f"per row for its scale, not {bits:g}"
        )


def _matches(pattern: str | None, name: str) -> bool:
    return pattern is not None and re.search(pattern, name) is not None


def _check_reads_text(source: Source) -> None:
    model = source.model
    if model.main_input_name != "input_ids" or set(trial_inputs(model)) != {"input_ids"}:
        raise InputError(
            f"{type(model).__name__} does not read text alone; it takes no calibration text (--calibration none)"
        )
    try:
        with torch.no_grad(), after_every_stage(model, source.release):
            model(**trial_inputs(model))
    except Exception as error:  # whatever a class raises that cannot run as it is configured
        raise InputError(
            f"{type(model).__name__} does not run on a text ({first_sentence(error)}); mend its config.json, or give "
            "--calibration none"
        ) from error
