"""Models, configurations and tokenizers out of Hugging Face folders; what is wrong with a folder is said in one line.

transformers and safetensors report a folder that cannot be read by many kinds of errors, often without
its name. Those known to come from a user's files become ``CheckpointError``; any other is passed on.
transformers also fills at random what the files lack, and only warns; here it is an error.
"""

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig, PreTrainedModel

from formats.arguments import check_types
from formats.errors import CheckpointError, SeedloomError
from sw_runtime.json_files import read_object
from sw_runtime.nn.shards import COPY, name_tensors, read_headers, shard_files

BAD_VALUES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    StrictDataclassError,
    TypeError,
    ValueError,
)
"""What classes of transformers raise when a file gives them a value that they cannot work with."""

FORMER_BUFFERS = re.compile(r"(^|\.)(masked_bias|position_ids|rotary_emb\.inv_freq|version)$")
"""Constants that older releases of transformers stored beside the weights, and newer ones compute."""


def load_config(folder: Path) -> Any:
    """The configuration of a model's folder.

    Raises
    ------
    InputError
        If ``folder`` is no path.
    FileNotFoundError
        If there is no config.json.
    CheckpointError
        If config.json cannot be read, or names a kind of model that transformers does not know.
    """
    check_types(folder=(folder, Path))
    path, remedy = folder / "config.json", f"{COPY}, or use a transformers release that knows the model"
    content = read_object(path, COPY, infinity=True)
    match content.get("architectures"), content.get("quantization_config"):
        case None | [*_], None | {"quant_method": str()}:
            pass
        case _:
            raise CheckpointError(
                f"{path} cannot be read (architectures are a list, quantization_config has a quant_method); {COPY}"
            )
    try:
        config = AutoConfig.from_pretrained(folder)
    except SeedloomError:
        raise
    except BAD_VALUES as error:
        raise CheckpointError(f"{path} cannot be read ({first_sentence(error)}); {remedy}") from error
    match config.dtype:
        case None | torch.dtype(is_floating_point=True):
            return config
    raise CheckpointError(f"{path} cannot be read (dtype is {config.dtype}, no floating-point type); {COPY}")


def model_class(folder: Path, config: Any) -> type[PreTrainedModel]:
    """The class of transformers that a folder's configuration says the weights are of.

    Raises
    ------
    CheckpointError
        If it names none that transformers has.
    """
    match config.architectures:
        case [str(architecture), *_] if isinstance(found := getattr(transformers, architecture, None), type):
            if issubclass(found, PreTrainedModel) and getattr(found, "config_class", None) is not None:
                return found
    raise CheckpointError(
        f"{folder / 'config.json'} names the architecture {config.architectures}, which transformers does not have; "
        f"{COPY}, or use a release that has it"
    )


def is_language_model(config: Any) -> bool:
    """Whether transformers has a causal language model of this configuration."""
    return type(config) in AutoModelForCausalLM._model_mapping


def writes_alone(model: Any) -> bool:
    """Whether a model goes on with a text: a body without a head does not, nor a decoder that waits for its encoder."""
    return is_language_model(model.config) and model.can_generate() and not model.config.is_encoder_decoder


def build_skeleton(folder: Path, build: Callable[[], Any]) -> Any:
    """A folder's model without weights, on the meta device, as ``build`` makes it of the configuration.

    Raises
    ------
    CheckpointError
        If no model can be made of what config.json says.
    """
    try:
        with torch.device("meta"):
            return build()
    except SeedloomError:
        raise
    except BAD_VALUES as error:
        path = folder / "config.json"
        raise CheckpointError(f"no model can be built as {path} says ({first_sentence(error)}); {COPY}") from error


def load_model(folder: Path, **options: Any) -> Any:
    """The language model of a folder, every tensor of it from the folder's files.

    Parameters
    ----------
    options
        Passed on to ``AutoModelForCausalLM.from_pretrained``.

    Raises
    ------
    FileNotFoundError
        If there are no weights.
    CheckpointError
        If config.json or the weights are damaged, do not fit each other, or are no language model's: a tensor
        is missing, left over or of another shape. Tied tensors, and those that transformers lets models
        do without, are not missing.
    """
    config = load_config(folder)
    if not is_language_model(config):
        raise CheckpointError(
            f"{folder / 'config.json'} describes a {config.model_type} model, which does not predict tokens; "
            "give the folder of a causal language model"
        )
    masked = [name for name in config.architectures or () if name.endswith("ForMaskedLM")]
    if masked:
        raise CheckpointError(
            f"{folder / 'config.json'} describes a {masked[0]}, which fills gaps and does not go on with a text; "
            "give the folder of a causal language model"
        )
    return _load(AutoModelForCausalLM, lambda: AutoModelForCausalLM.from_config(config), folder, options)


def load_any_model(folder: Path, **options: Any) -> Any:
    """The model of a folder, of the class that its config.json names; a causal language model where it names none.

    Parameters
    ----------
    options
        Passed on to ``from_pretrained``.

    Raises
    ------
    CheckpointError
        As ``load_model``, or if the class is unknown.
    """
    config = load_config(folder)
    if not config.architectures:
        return load_model(folder, **options)
    named = model_class(folder, config)
    return _load(named, lambda: named(config), folder, options)


def _load(loader: Any, build: Callable[[], nn.Module], folder: Path, options: dict[str, Any]) -> Any:
    """A model whose every tensor is in the folder's files, and every tensor there in the model."""
    build_skeleton(folder, build)
    if (folder / "generation_config.json").exists():
        _check_generation_settings(folder)
    read_headers(shard_files(folder, pickles=True), pickles=True)
    with _LoadReport() as report:
        try:
            model, loaded = loader.from_pretrained(
                folder, output_loading_info=True, ignore_mismatched_sizes=True, **options
            )
        except RuntimeError as error:
            if not report.unconverted:
                raise
            names = name_tensors(report.unconverted)
            raise CheckpointError(
                f"{names} cannot be made of the tensors in {folder}: one is missing or of another shape; {COPY}"
            ) from error
    check_loaded(folder, model, **loaded)
    return model


def _check_generation_settings(folder: Path) -> None:
    """Refuse a ``generation_config.json`` that no text can be made with."""
    path = folder / "generation_config.json"
    content = read_object(path, COPY)
    try:
        GenerationConfig.from_pretrained(folder)
    except BAD_VALUES as error:
        raise CheckpointError(f"{path} cannot be read ({first_sentence(error)}); {COPY}") from error
    for name in ("bos_token_id", "eos_token_id", "pad_token_id"):
        match content.get(name):
            case None | int() | [int(), *_]:
                continue
        raise CheckpointError(f"{path} cannot be read ({name} is {content[name]!r}, no token); {COPY}")


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a model's folder.

    Raises
    ------
    InputError
        If ``folder`` is no path.
    FileNotFoundError
        If there is no such folder: its name is never looked up elsewhere.
    CheckpointError
        If its files cannot be read.
    """
    check_types(folder=(folder, Path))
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is not a folder; name a model's folder")
    try:
        return AutoTokenizer.from_pretrained(folder)
    except Exception as error:  # tokenizers, written in Rust, raises no kind of its own
        raise CheckpointError(f"the tokenizer in {folder} cannot be read ({first_sentence(error)}); {COPY}") from error


class _LoadReport:
    """transformers' table of tensors that do not fit, kept from being printed: the error says it in one line.

    The table is a warning; it is read also where a caller has turned transformers' warnings off.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._logger = logging.getLogger("transformers.modeling_utils")
        self._level, self._shown = self._logger.level, self._logger.getEffectiveLevel()

    def __enter__(self) -> "_LoadReport":
        self._logger.setLevel(min(self._shown, logging.WARNING - 1))  # at WARNING it compares plans for many GPUs
        self._logger.addFilter(self._keep)
        return self

    def __exit__(self, *_: object) -> None:
        self._logger.removeFilter(self._keep)
        self._logger.setLevel(self._level)

    def _keep(self, record: logging.LogRecord) -> bool:
        report = "LOAD REPORT" in record.getMessage()
        self.lines += record.getMessage().splitlines() if report else []
        return not report and record.levelno >= self._shown

    @property
    def unconverted(self) -> list[str]:
        """Tensors that transformers makes of several in the files, and could not."""
        return [line.split()[0] for line in self.lines if "|" in line and "CONVERSION" in line]


def check_loaded(
    folder: Path,
    model: nn.Module,
    missing_keys: set[str],
    unexpected_keys: set[str],
    mismatched_keys: set[tuple[str, tuple[int, ...], tuple[int, ...]]],
    **_: object,
) -> None:
    """Refuse a model that transformers completed with random weights, or did not read whole.

    Parameters
    ----------
    folder
        What the message calls the model.
    missing_keys, unexpected_keys, mismatched_keys
        What ``from_pretrained`` answers with ``output_loading_info``.

    Raises
    ------
    CheckpointError
        Naming the first tensors.
    """
    if missing_keys:
        raise CheckpointError(f"{name_tensors(missing_keys)} is missing from the files of {folder}; {COPY}")
    buffers = dict(model.named_buffers())
    left_over = {name for name in unexpected_keys if name not in buffers and not FORMER_BUFFERS.search(name)}
    if left_over:
        raise CheckpointError(
            f"{name_tensors(left_over)} in {folder} belongs to no layer that its config.json describes; {COPY}"
        )
    if mismatched_keys:
        name, found, wanted = min(mismatched_keys)
        names = name_tensors([key for key, _, _ in mismatched_keys])
        raise CheckpointError(
            f"{names} in {folder} has another shape than its config.json says ({name} is {list(found)}, "
            f"not {list(wanted)}); {COPY}"
        )


def first_sentence(error: Exception) -> str:
    """What an error says before it gives advice for other situations; Python's None is the null of a JSON file."""
    text = re.sub(r":\s*\n\s*", ": ", str(error).strip())  # a field, and on the next line what is wrong with it
    sentence = text.split(". ")[0].split("\n")[0].rstrip(".") or type(error).__name__
    return sentence.replace("NoneType (value: None)", "null")
