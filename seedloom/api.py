"""What the commands do, as functions: load, generate, inspect and verify. ``seedloom`` itself names them all."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import seedloom
from formats.arguments import check_text, check_types
from formats.errors import CheckpointError, InputError
from seedloom.methods import MAXIMUM_DRAFTS, OPTIONS, Choice, MeasuredText
from sw_runtime.device.protocol import Counters, Device
from sw_runtime.device.rounding import check_result_bits
from sw_runtime.methods.continuation import continue_text, take_tokens
from sw_runtime.methods.generation_settings import check_settings, most_tokens
from sw_runtime.nn import folder as compressed
from sw_runtime.nn.attach import stay_packed
from sw_runtime.pretrained import load_model, load_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

HOST = "host"
"""Instead of a device's name: the compressed layers are decoded, and multiply where the rest of the model does."""

PACKED_HOST = "host:compressed"
"""The same, but the layers stay compressed in memory, and multiply from their stored bytes."""

HOSTS = {"decoded": HOST, "compressed": PACKED_HOST}
"""What ``load`` calls them."""

DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
"""What a model computes in; torch's 8-bit numbers are for storage."""


@dataclass(frozen=True)
class Generated:
    """A text that a model wrote.

    Parameters
    ----------
    text
        The new text, without the prompt.
    tokens
        Its tokens.
    seconds
        Of writing it, the prompt's included.
    counters
        What the device did meanwhile; zeros on the host.
    figures
        Of a paper's method, by name.
    """

    text: str
    tokens: list[int]
    seconds: float
    counters: Counters
    figures: dict[str, float] = field(default_factory=dict)


def load(
    folder: str | Path, host: str = "decoded", dtype: torch.dtype = torch.float32
) -> "tuple[PreTrainedModel, PreTrainedTokenizerBase]":
    """The model of a compressed folder on the host, and its tokenizer.

    Parameters
    ----------
    folder
        The compressed folder.
    host
        ``"decoded"``: a layer's weights are decoded at its first call, and kept. ``"compressed"``: they stay packed in
        memory, and a kernel multiplies from the packed words: C on the CPU, Triton where the model is moved to a GPU;
        trellis formats and FP16. Both kernels need a C compiler.
    dtype
        Of hidden states, embeddings and decoded weights.

    Raises
    ------
    FileNotFoundError, CheckpointError
        If the folder is not a complete compressed model.
    InputError
        If it has no tokenizer, or layers that the host multiplies only decoded are to stay packed.
    DependencyError
        If there is no C compiler for layers that stay packed.
    """
    check_types(folder=(folder, str | Path), host=(host, str))
    if host not in HOSTS:
        raise InputError(f"host must be one of {', '.join(HOSTS)}, not {host!r}")
    if dtype not in DTYPES:
        raise InputError(f"dtype must be one of {', '.join(map(str, DTYPES))}, not {dtype!r}")
    folder = Path(folder)
    compressed.compressed_config(folder)
    try:
        tokenizer = load_tokenizer(folder)
    except CheckpointError as error:
        raise InputError(
            f"{folder} has no tokenizer that can be read; copy the original model's tokenizer files into it"
        ) from error
    model = load_model(folder, dtype=dtype)
    if host == "compressed":
        stay_packed(model)
    return model, tokenizer


def check_device(name: str) -> None:
    """Refuse what is no device's name, nor the host's, before anything is loaded.

    Raises
    ------
    InputError
        With the names there are.
    """
    if name not in HOSTS.values():
        seedloom.find_device(name, tuple(HOSTS.values()))


@contextmanager
def placed(
    model: Any, device: str, choice: Choice | None = None, result_bits: int | None = None
) -> Iterator[Device | None]:
    """A model attached to a device that is opened for it, and closed at the end; None for the host.

    Parameters
    ----------
    model
        Of a compressed folder.
    device
        Name of the device, ``HOST`` or ``PACKED_HOST``.
    choice
        The method whose units the device needs.
    result_bits
        The device's option of this name; as the device has it where not given.

    Raises
    ------
    InputError
        If there is no such device, the host is to run a method that needs a router, or the device hands over no
        results of so many bits.
    """
    choice = choice or Choice()
    if device in HOSTS.values():
        if result_bits is not None:
            raise InputError(f"result_bits is a device's option; choose a device instead of {device!r}")
        if choice.method is not None:
            raise InputError(f"{choice.method.option} needs a device's router; choose a device instead of {device!r}")
        if device == PACKED_HOST:
            stay_packed(model)
        yield None
        return
    with closing(seedloom.open_device(device, **choice.units(model), result_bits=result_bits)) as opened:
        seedloom.attach(model, opened)
        yield opened


def generate(
    folder: str | Path,
    prompt: str,
    tokens: int | None = None,
    greedy: bool = False,
    device: str = "emulated",
    argmax_on_device: bool = False,
    prune: str | None = None,
    exit_early: str | None = None,
    speculate: int | None = None,
    streamer: Callable[[Any], Any] | None = None,
    result_bits: int | None = None,
) -> Generated:
    """Continue a text, as the model's generation_config.json says, with all compressed layers on a device.

    Parameters
    ----------
    folder
        Compressed folder; it is not verified first.
    prompt
        Text to continue.
    tokens
        New tokens at most; as generation_config.json says where not given, else 32.
    greedy
        Take the likeliest token, also where generation_config.json asks to draw.
    device
        Name of the device that multiplies, or ``"host"``, or ``"host:compressed"``.
    argmax_on_device, prune, exit_early, speculate
        The options of ``seedloom generate``, at most one of them.
    streamer
        Tokenizer → a transformers streamer that takes the tokens as they are made.
    result_bits
        Of a result as the device hands it over: 64, exact, or 24, rounded, which a slow link carries sooner; as the
        device has it where not given.

    Raises
    ------
    InputError, CheckpointError
        If the folder, the prompt or an option will not do.
    """
    check_request(folder, prompt, tokens, greedy)
    check_types(argmax_on_device=(argmax_on_device, bool), speculate=(speculate, int | None))
    if speculate is not None and not 1 <= speculate <= MAXIMUM_DRAFTS:
        raise InputError(f"speculate must be from 1 to {MAXIMUM_DRAFTS}, not {speculate}")
    check_device(device)
    if result_bits is not None:
        check_result_bits(result_bits)
    choice = Choice.of(dict(zip(OPTIONS, (argmax_on_device, prune, exit_early, speculate), strict=True)))
    folder = Path(folder)
    model, tokenizer = load(folder)
    # before a device is opened and filled
    check_settings(model.generation_config, choice.method.option if choice.method else None, greedy)
    length = prompt_length(tokenizer, prompt)
    positions = getattr(model.config, "max_position_embeddings", None)
    most = most_tokens(model.generation_config, tokens, length, positions)
    tokens_of = choice.method.prepare(folder, model, choice.number) if choice.method else None
    figures: dict[str, float] = {}
    with placed(model, device, choice, result_bits) as opened:
        stream = streamer(tokenizer) if streamer else None
        before, start = replace(opened.counters) if opened else Counters(), time.perf_counter()
        if tokens_of is None or opened is None:
            ids = continue_text(model, tokenizer, prompt, most, stream, greedy)
        else:
            prompt_ids = tokenizer(prompt, return_tensors="pt")["input_ids"][0]
            text = tokens_of(opened, prompt_ids)
            ids = take_tokens(text, model, prompt_ids, most, stream)
            figures = text.figures() if isinstance(text, MeasuredText) else {}
        seconds = time.perf_counter() - start
        spent = opened.counters - before if opened else Counters()
    return Generated(tokenizer.decode(ids), ids, seconds, spent, figures)


def check_request(folder: object, prompt: str, tokens: int | None, greedy: object) -> None:
    """Refuse what no text can be written for, before anything is loaded."""
    check_types(folder=(folder, str | Path), prompt=(prompt, str), tokens=(tokens, int | None), greedy=(greedy, bool))
    check_text(prompt=prompt)
    if tokens is not None and tokens < 1:
        raise InputError(f"tokens must be 1 or more, not {tokens}")


def prompt_length(tokenizer: Any, prompt: str) -> int:
    """Tokens of a prompt; one that leaves the model nothing to start from is refused."""
    length = len(tokenizer(prompt)["input_ids"])
    if not length:
        raise InputError("the prompt is empty, and this model's tokenizer begins no text by itself; give a word")
    return length


def inspect(folder: str | Path) -> compressed.Contents:
    """Layers, formats and sizes of a compressed folder, from its headers.

    Raises
    ------
    FileNotFoundError, CheckpointError
        If the folder is not a complete compressed model.
    """
    check_types(folder=(folder, str | Path))
    return compressed.describe(Path(folder))


def verify(folder: str | Path, run: bool = False) -> compressed.Contents:
    """Check that a compressed folder is complete, every stored word valid, and everything as it was written.

    Parameters
    ----------
    folder
        Compressed folder.
    run
        Also run the model on the host, and compare its first tokens with those kept.

    Raises
    ------
    FileNotFoundError, CheckpointError
        Naming tensor and file of the first fault.
    """
    check_types(folder=(folder, str | Path), run=(run, bool))
    return compressed.verify(Path(folder), run)
