"""Models, configurations and tokenizers out of Hugging Face folders; what is wrong with a folder is said in one line.

transformers and safetensors report a folder that cannot be read by many kinds of errors, often without
its name. Those known to come from a user's files become ``CheckpointError``; any other is passed on.
"""

from pathlib import Path
from typing import Any

import transformers
from safetensors import SafetensorError, safe_open
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from formats.errors import CheckpointError, SeedloomError

COPY = "copy the model's folder again"


def load_config(folder: Path) -> Any:
    """The configuration of a model's folder.

    Raises
    ------
    CheckpointError
        If config.json cannot be read, or names a kind of model that transformers does not know.
    """
    try:
        return AutoConfig.from_pretrained(folder)
    except SeedloomError:
        raise
    except (OSError, TypeError, ValueError) as error:
        remedy = f"{COPY}, or use a transformers release that knows the model"
        raise CheckpointError(
            f"{folder / 'config.json'} cannot be read ({_first_sentence(error)}); {remedy}"
        ) from error


def load_model(folder: Path, **options: Any) -> Any:
    """The language model of a folder.

    Parameters
    ----------
    options
        Passed on to ``AutoModelForCausalLM.from_pretrained``.

    Raises
    ------
    CheckpointError
        If config.json or the weights are damaged, do not fit each other, or are no language model's.
    """
    config = load_config(folder)
    if not is_language_model(config):
        raise CheckpointError(
            f"{folder / 'config.json'} describes a {config.model_type} model, which does not predict tokens; "
            "give the folder of a causal language model"
        )
    return _load(AutoModelForCausalLM, folder, options)


def load_any_model(folder: Path, **options: Any) -> Any:
    """The model of a folder, of the class that its config.json names; a causal language model where it names none.

    Parameters
    ----------
    options
        Passed on to ``from_pretrained``.

    Raises
    ------
    CheckpointError
        If config.json or the weights are damaged, do not fit each other, or the class is unknown.
    """
    config = load_config(folder)
    (architecture, *_) = config.architectures or [None]
    if architecture is None:
        return load_model(folder, **options)
    model_class = getattr(transformers, architecture, None)
    if model_class is None:
        raise CheckpointError(
            f"{folder / 'config.json'} names the class {architecture}, which transformers does not have; "
            "use a release that has it"
        )
    return _load(model_class, folder, options)


def is_language_model(config: Any) -> bool:
    """Whether transformers has a causal language model of this configuration."""
    return type(config) in AutoModelForCausalLM._model_mapping


def _load(model_class: Any, folder: Path, options: dict[str, Any]) -> Any:
    try:
        return model_class.from_pretrained(folder, **options)
    except SafetensorError as error:
        raise CheckpointError(f"{_damaged_file(folder)} is damaged ({error}); {COPY}") from error
    except RuntimeError as error:
        if "ignore_mismatched_sizes" not in str(error):
            raise
        raise CheckpointError(f"tensors in {folder} have other shapes than its config.json says; {COPY}") from error


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a model's folder.

    Raises
    ------
    CheckpointError
        If its files cannot be read.
    """
    try:
        return AutoTokenizer.from_pretrained(folder)
    except (OSError, TypeError, ValueError) as error:
        raise CheckpointError(f"the tokenizer in {folder} cannot be read ({_first_sentence(error)}); {COPY}") from error


def _damaged_file(folder: Path) -> Path:
    """The first safetensors file that cannot be opened; the folder if all can."""
    for file in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(file, framework="pt"):
                pass
        except SafetensorError:
            return file
    return folder


def _first_sentence(error: Exception) -> str:
    """What an error says before it gives advice for other situations."""
    return str(error).strip().split(". ")[0].split("\n")[0].rstrip(".")
