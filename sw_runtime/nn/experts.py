"""Mixtures of experts that transformers keeps in one tensor, taken apart: every matrix of every expert is a layer.

transformers multiplies such a tensor in several ways and writes each for all classes, by a few attributes that a class
declares (``transformers.integrations.moe``). The same attributes say here what an expert computes.
"""

import re
from collections.abc import Callable, Iterable
from copy import copy
from typing import Any

import torch
from torch import Tensor, nn

TOLERANCE = 1e-3
"""Largest difference of the outputs of experts fused and apart, relative to the largest output."""


class Expert(nn.Module):
    """One expert: ``gate_up`` (where it has no gate, ``up``) and ``down``, the names of its layers.

    Parameters
    ----------
    layers
        Its layers, by these names.
    """

    def __init__(self, layers: dict[str, nn.Linear]) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)


class SeparateExperts(nn.ModuleList):
    """A mixture of experts with a layer for every matrix, which share the fused tensors' memory.

    Parameters
    ----------
    fused
        What it stands for; one of ``is_fused``.
    """

    def __init__(self, fused: Any) -> None:
        super().__init__([_expert(fused, index) for index in range(fused.num_experts)])
        shell = copy(fused)  # its rules, without the tensors
        shell._parameters = {}
        self._rules = (shell,)  # not a module of this one: transformers would look for the tensors to begin them

    def forward(self, hidden_states: Tensor, top_k_index: Tensor, top_k_weights: Tensor) -> Tensor:
        """Outputs of the experts that were chosen, weighed and added up: only those are computed.

        Parameters
        ----------
        hidden_states
            [tokens, width], any float dtype.
        top_k_index, top_k_weights
            Experts of each token and what they weigh, [tokens, chosen].
        """
        (rules,) = self._rules
        activate: Callable[[Tensor], Tensor] = rules._apply_gate if rules.has_gate else rules.act_fn
        outputs = torch.zeros_like(hidden_states)
        for index in sorted(set(top_k_index.flatten().tolist())):
            tokens, choice = torch.where(top_k_index == index)
            into, out_of = self[index].children()
            found = out_of(activate(into(hidden_states[tokens]))) * top_k_weights[tokens, choice, None]
            outputs.index_add_(0, tokens, found.to(outputs.dtype))
        return outputs


def is_fused(module: Any) -> bool:
    """Whether a module is a mixture of experts in one tensor of a layout that is known here.

    What else it may hold, as a norm after each expert, is not known: such a mixture stays as it is.
    """
    if not hasattr(type(module).forward, "__wrapped__") or not hasattr(module, "is_transposed"):
        return False
    suffixes = ("", "_bias") if module.has_bias else ("",)
    known = {f"{tensor}{suffix}" for tensor in _tensors(module).values() for suffix in suffixes}
    return {name for name, _ in module.named_parameters()} == known


def fused_experts(model: nn.Module) -> dict[str, nn.Module]:
    """Mixtures of experts of known layouts, by name."""
    return {name: module for name, module in model.named_modules() if is_fused(module)}


def taken_apart(module: nn.Module) -> SeparateExperts | None:
    """A mixture of experts taken apart; None of another module, and of one that answers otherwise when apart."""
    if not is_fused(module):
        return None
    separate = SeparateExperts(module)
    return separate if _answer_alike(module, separate) else None


def fused_again(separate: SeparateExperts, fused: Any) -> nn.Module:
    """A mixture of experts in one tensor again.

    Parameters
    ----------
    separate
        The mixture taken apart, its layers linear.
    fused
        What it was made of, its tensors without values; it is filled and returned.
    """
    for name, tensor in _tensors(fused).items():
        layers = [getattr(expert, name) for expert in separate]
        weights = torch.stack([layer.weight.detach() for layer in layers])
        weights = weights.transpose(1, 2).contiguous() if fused.is_transposed else weights
        setattr(fused, tensor, nn.Parameter(weights))
        if fused.has_bias:
            setattr(fused, f"{tensor}_bias", nn.Parameter(torch.stack([layer.bias.detach() for layer in layers])))
    filled: nn.Module = fused.train(separate.training)
    return filled


def mixture_of(name: str) -> tuple[str, str] | None:
    """The mixture's name and the matrix's, of the name of an expert's layer; None of another name."""
    found = re.fullmatch(r"(.+)\.\d+\.(gate_up|up|down)", name)
    return None if found is None else (found[1], found[2])


def by_mixture(names: Iterable[str]) -> dict[tuple[str, str], list[str]]:
    """Names of experts' layers, by their mixture and which matrix of an expert they are; other names left out."""
    found: dict[tuple[str, str], list[str]] = {}
    for name in names:
        if mixture := mixture_of(name):
            found.setdefault(mixture, []).append(name)
    return found


def with_separate_experts(model: Any, pattern: str | None) -> Any:
    """The model with mixtures of experts taken apart in which a regular expression is found in a layer's name.

    The model itself is left as it is: the other one shares its tensors and all modules that hold no experts.
    A mixture that answers otherwise when it is taken apart stays fused.
    """
    chosen: dict[int, nn.Module] = {
        id(module): separate
        for name, module in fused_experts(model).items()
        if (separate := taken_apart(module))
        and any(re.search(pattern or "", f"{name}.{layer}") for layer in _layer_names(module))
    }
    return _replaced(model, chosen)


def _replaced(module: nn.Module, others: dict[int, nn.Module]) -> nn.Module:
    """A module with others instead of some in it; itself where there are none. ``others`` gains what is made."""
    if id(module) not in others:
        children = {name: child and _replaced(child, others) for name, child in module._modules.items()}
        if any(children[name] is not child for name, child in module._modules.items()):
            others[id(module)] = copy(module)
            others[id(module)]._modules = children
        else:
            others[id(module)] = module
    return others[id(module)]


def _tensors(fused: Any) -> dict[str, str]:
    """Names of the fused tensors, by those of an expert's layers, in the order in which they multiply."""
    return (
        {"gate_up": "gate_up_proj", "down": "down_proj"} if fused.has_gate else {"up": "up_proj", "down": "down_proj"}
    )


def _layer_names(fused: Any) -> list[str]:
    return [f"{index}.{layer}" for index in range(fused.num_experts) for layer in _tensors(fused)]


def _expert(fused: Any, index: int) -> Expert:
    return Expert({layer: _layer(fused, tensor, index) for layer, tensor in _tensors(fused).items()})


def _layer(fused: Any, tensor: str, index: int) -> nn.Linear:
    weights = getattr(fused, tensor).detach()[index]
    weights = weights.T if fused.is_transposed else weights
    rows, columns = weights.shape
    layer = nn.Linear(columns, rows, fused.has_bias, device="meta")
    layer.weight = nn.Parameter(weights, requires_grad=False)
    if fused.has_bias:
        layer.bias = nn.Parameter(getattr(fused, f"{tensor}_bias").detach()[index], requires_grad=False)
    return layer


def _answer_alike(fused: nn.Module, separate: SeparateExperts) -> bool:
    """Whether a few tokens get the same outputs; each of them chooses two experts, the first and the last among all."""
    weight = next(separate.parameters())
    if weight.is_meta:  # a skeleton: the folder was checked when it was made
        return True
    hidden = torch.linspace(-1, 1, 2 * weight.shape[1], dtype=weight.dtype).view(2, -1)
    chosen = torch.tensor([[0, len(separate) - 1], [len(separate) // 2, 0]])
    try:
        with torch.no_grad():
            expected, found = (
                module(hidden, chosen, torch.full((2, 2), 0.5, dtype=weight.dtype)) for module in (fused, separate)
            )
    except Exception:  # whatever another class makes of these; it then stays as it is
        return False
    limit = max(TOLERANCE, 8 * torch.finfo(weight.dtype).eps) * expected.abs().max()
    return bool((found - expected).abs().max() <= limit)
