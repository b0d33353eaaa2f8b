"""One run of a model over text that stops at every layer, so that its weights may be changed before it goes on.

Later layers then see what the changed ones give them.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sw_runtime.fit.covariance import InputStatistics, input_statistics, parted
from sw_runtime.nn.experts import by_mixture

LEAST_TOKENS = 256
"""An expert that sees fewer tokens of a text is fitted to those of all experts of its mixture."""

logger = logging.getLogger("seedloom.fit")


@dataclass(frozen=True)
class Stage:
    """A part of a model that runs at once: a decoder layer, or a linear layer outside of them.

    Parameters
    ----------
    module
        What is called.
    names
        The chosen linear layers in it, by their names in the model.
    """

    module: nn.Module
    names: list[str]


@dataclass(frozen=True)
class SharedInput:
    """Linear layers that multiply one input: query, key and value; gate and up.

    Parameters
    ----------
    names
        The layers.
    tokens
        The input, [tokens, columns].
    all_experts
        Whether it is what all experts of a mixture saw, as the layers' own saw too few tokens.
    """

    names: list[str]
    tokens: Tensor
    all_experts: bool = False

    @property
    def statistics(self) -> InputStatistics:
        """Of the input; formed at every reading, as they may be larger than the input itself."""
        return input_statistics(self.tokens, self.all_experts)


Visit = Callable[[Stage, Callable[[], list[SharedInput]]], None]
"""Called at a stage before its weights are used, with what measures the stage's inputs."""

Running = Callable[[Stage], AbstractContextManager[object]]
"""What a stage runs in: entered before and left after, every time that the model calls it."""


class _EndOfRunError(Exception):
    """Raised in the last stage: what the model would compute after it is not needed."""


def stages(model: nn.Module, names: list[str]) -> list[Stage]:
    """Parts of a model that hold the chosen layers: elements of its outermost lists of modules, or lone layers."""
    elements = [f"{name}." for name, module in model.named_modules() if isinstance(module, nn.ModuleList)]
    found: dict[str, list[str]] = {}
    for name in names:
        lists = [prefix for prefix in elements if name.startswith(prefix)]
        prefix = min(lists, key=len, default=name)
        element = prefix + name.removeprefix(prefix).split(".")[0]
        found.setdefault(element, []).append(name)
    return [Stage(model.get_submodule(element), inner) for element, inner in found.items()]


def visit_stages(
    model: nn.Module, windows: Tensor, names: list[str], visit: Visit, running: Running = nullcontext
) -> None:
    """Run a model once over token windows and call ``visit`` at every stage as the run comes to it.

    Parameters
    ----------
    model
        A transformers model, on the CPU.
    windows
        Token ids, int64 [windows, length], all in one batch.
    names
        The chosen linear layers.
    visit
        Called once a stage. May change the weights of the stage's layers; the run then goes on with those.
    running
        May give the stage's layers other weights for as long as the stage runs.
    """
    parts = stages(model, names)
    waiting = {id(stage) for stage in parts}

    def stop_at(stage: Stage) -> None:
        original = stage.module.forward

        def forward(*arguments: Any, **keywords: Any) -> Any:
            del vars(stage.module)["forward"]
            if id(stage) in waiting:
                visit(stage, lambda: _measure(model, stage, arguments, keywords))
                waiting.remove(id(stage))
                if not waiting:
                    raise _EndOfRunError
            with running(stage):
                outputs = original(*arguments, **keywords)
            vars(stage.module)["forward"] = forward  # some models run a layer again
            return outputs

        vars(stage.module)["forward"] = forward

    for stage in parts:
        stop_at(stage)
    try:
        with torch.no_grad():  # not inference_mode, whose tensors other threads may not write to
            model(input_ids=windows, use_cache=False)
    except _EndOfRunError:
        pass
    finally:
        for stage in parts:
            vars(stage.module).pop("forward", None)


def every_stage(model: nn.Module) -> list[nn.Module]:
    """All parts of a model that run at once, whether a layer in them is chosen or not."""
    leaves = [name for name, module in model.named_modules() if next(module.children(), None) is None]
    return [stage.module for stage in stages(model, leaves)]


@contextmanager
def after_every_stage(model: nn.Module, action: Callable[[], object]) -> Iterator[None]:
    """Call ``action`` whenever a part of the model has run."""
    hooks = [stage.register_forward_hook(lambda *_: action()) for stage in every_stage(model)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _measure(model: nn.Module, stage: Stage, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> list[SharedInput]:
    """Run one stage and group its linear layers by the input tensors they were called with."""
    if model.get_submodule(stage.names[0]) is stage.module:  # its output may be large, and nobody asked for it
        return [SharedInput(stage.names, _tokens([arguments[0]]))]
    with _captured_inputs({name: model.get_submodule(name) for name in stage.names}) as inputs:
        stage.module(*arguments, **keywords)
    shared = _share_among_experts(inputs, stage.names)
    groups: dict[tuple[int, ...], list[str]] = {}
    for name, tensors in inputs.items():
        groups.setdefault(tuple(map(id, tensors)), []).append(name)
    return [SharedInput(group, _tokens(inputs[group[0]]), group[0] in shared) for group in groups.values()]


def _share_among_experts(inputs: dict[str, list[Tensor]], names: list[str]) -> set[str]:
    """Give experts that saw fewer than ``LEAST_TOKENS`` what all experts of their mixture saw; the names of those."""
    shared: set[str] = set()
    for (mixture, matrix), experts in by_mixture(names).items():
        seen = {name: _tokens(inputs[name]) for name in experts if name in inputs}
        few = [name for name in experts if name not in seen or len(seen[name]) < LEAST_TOKENS]
        if few and seen:
            fitting, held_out = zip(*map(parted, seen.values()), strict=True)  # held out stays held out
            together = [*fitting, *held_out]
            inputs |= dict.fromkeys(few, together)
            shared.update(few)
            found = f"{len(few)} of {len(experts)} experts saw fewer than {LEAST_TOKENS} tokens"
            logger.warning("%s: %s; their %s is fitted to the tokens of all experts", mixture, found, matrix)
    return shared


def _tokens(inputs: list[Tensor]) -> Tensor:
    rows = [tensor.flatten(0, -2) for tensor in inputs]
    return rows[0] if len(rows) == 1 else torch.cat(rows)


@contextmanager
def _captured_inputs(layers: dict[str, nn.Module]) -> Iterator[dict[str, list[Tensor]]]:
    """Inputs of layers, by name, in the order of their calls; layers that do not run are left out."""
    inputs: dict[str, list[Tensor]] = {}
    hooks = []
    for name, layer in layers.items():

        def keep(module: nn.Module, arguments: tuple[Tensor, ...], name: str = name) -> None:
            inputs.setdefault(name, []).append(arguments[0])

        hooks.append(layer.register_forward_pre_hook(keep))
    try:
        yield inputs
    finally:
        for hook in hooks:
            hook.remove()
