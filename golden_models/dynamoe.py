"""DynaMoE (arXiv 2502.12325): the MLPs of a dense decoder as nested experts, chosen a token by its difficulty.

Expert e of E is the first ``H·(e + 1) / E`` hidden neurons, the most important ones first, so each contains those
before it and the last is the dense MLP. A small router predicts which is enough. Only the paper's abstract and others'
accounts of it were at hand: what they leave open is said where it is decided.

There is no code of the authors'. Recollected: four experts, routers of two matrices 256 wide, neurons ordered by
their activations, cosine likeness with its threshold, and the router's loss.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from formats.errors import InputError
from formats.matrices import EncodedMatrix
from formats.router.numbers import SQ7_16, encode, logit, threshold
from golden_models.decoder import Decoder, DecoderLayer
from golden_models.layers import causal_mask, rms_norm, swiglu
from golden_models.router.selection import first


@dataclass(frozen=True)
class DynaMoEParameters:
    """Hyper-parameters.

    Parameters
    ----------
    experts
        E.
    theta_label
        Likeness to the dense output, below 1, above which an expert is enough for a token: θ when labels are made.
    theta_run
        Probability, by the router, of being enough above which an expert is taken: θ at run time. The sources name one
        θ and not where it acts, so both are here.
    likeness
        ``"cosine"``, or ``"projection"``: ⟨y_e, y⟩ / |y|².
    router_width
        U, neurons of the router.
    router_activation
        Between its two matrices: ``"linear"``, as none is stated, or ``"silu"``.
    language_weight, router_weight
        α and β of the loss.

    Raises
    ------
    InputError
        If a number is out of its range, or a word is not among those above.
    """

    experts: int = 4
    theta_label: float = 0.9
    theta_run: float = 0.5
    likeness: Literal["cosine", "projection"] = "cosine"
    router_width: int = 256
    router_activation: Literal["linear", "silu"] = "linear"
    language_weight: float = 1.0
    router_weight: float = 1.0

    def __post_init__(self) -> None:
        if self.experts < 1 or self.router_width < 1:
            raise InputError(f"experts and router_width must be at least 1, not {self.experts} and {self.router_width}")
        if self.theta_label >= 1:
            raise InputError(f"theta_label must be below 1, not {self.theta_label}: no output is more than like itself")
        if not 0 <= self.theta_run <= 1:
            raise InputError(f"theta_run is a probability, 0 to 1, not {self.theta_run}")
        if self.likeness not in ("cosine", "projection"):
            raise InputError(f"likeness must be 'cosine' or 'projection', not {self.likeness!r}")
        if self.router_activation not in ("linear", "silu"):
            raise InputError(f"router_activation must be 'linear' or 'silu', not {self.router_activation!r}")


def expert_widths(hidden: int, experts: int) -> list[int]:
    """Neurons of each expert, ``⌊H·(e + 1) / E⌋``."""
    return [hidden * (expert + 1) // experts for expert in range(experts)]


def importance(x: Tensor, layer: DecoderLayer) -> Tensor:
    """Sum of each neuron's magnitude over tokens: the MLP's inputs [T, D] → [H]."""
    return (nn.functional.silu(x @ layer.gate.T) * (x @ layer.up.T)).abs().sum(dim=0)


def reorder(layer: DecoderLayer, neuron_importance: Tensor) -> DecoderLayer:
    """The same MLP, its most important neuron first, the first among equals: [H].

    Rows of gate and up and columns of down move together, so that outputs change by the order of summation alone.
    """
    order = neuron_importance.argsort(descending=True, stable=True)
    return replace(layer, gate=layer.gate[order], up=layer.up[order], down=layer.down[:, order])


def expert_output(x: Tensor, layer: DecoderLayer, width: int) -> Tensor:
    """Output of the first neurons of an MLP: [T, D] → [T, D]."""
    return swiglu(x, layer.gate[:width], layer.up[:width], layer.down[:, :width])


def likeness(outputs: Tensor, kind: Literal["cosine", "projection"] = "cosine") -> Tensor:
    """How like the last expert's output each expert's is: [E, T, D] → [T, E]."""
    full = outputs[-1]
    products = (outputs * full).sum(dim=-1)
    lengths = outputs.norm(dim=-1) if kind == "cosine" else full.norm(dim=-1)
    ratios: Tensor = products / (lengths * full.norm(dim=-1))
    return ratios.T


def labels(likenesses: Tensor, theta_label: float) -> Tensor:
    """The smallest expert that is enough for each token: [T, E] → int64 [T]. The last always is."""
    enough = likenesses > theta_label
    enough[:, -1] = True
    return enough.int().argmax(dim=1)


class DifficultyRouter(nn.Module):
    """Two matrices, from a token to a logit an expert.

    Parameters
    ----------
    dim
        D.
    parameters
        Hyper-parameters.
    """

    def __init__(self, dim: int, parameters: DynaMoEParameters) -> None:
        super().__init__()
        self.down = nn.Linear(dim, parameters.router_width, bias=False)
        self.up = nn.Linear(parameters.router_width, parameters.experts, bias=False)
        self.activation = nn.SiLU() if parameters.router_activation == "silu" else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """z: the MLP's inputs [T, D] → [T, E]."""
        logits: Tensor = self.up(self.activation(self.down(x)))
        return logits


def router_loss(logits: Tensor, label: Tensor) -> Tensor:
    """Mean binary cross-entropy of "expert e is enough", true from the label on: [T, E], int64 [T] → scalar.

    The sources name the loss but not its targets. These make a sigmoid the probability that an expert is enough,
    which is what theta_run is compared with.
    """
    enough = torch.arange(logits.shape[1]) >= label[:, None]
    return nn.functional.binary_cross_entropy_with_logits(logits, enough.to(logits.dtype))


def loss(language: Tensor, routers: Sequence[Tensor], parameters: DynaMoEParameters) -> Tensor:
    """α · loss of the language model + β · mean loss of the layers' routers."""
    return parameters.language_weight * language + parameters.router_weight * torch.stack(list(routers)).mean()


def choose(logits: Tensor, theta_run: float) -> tuple[Tensor, Tensor]:
    """The smallest expert whose sigmoid is above θ, else the one of the largest logit: [T, E] → int64 [T], bool [T].

    Logits become integers (sQ7.16) and θ a logit, so that hardware needs no sigmoid and chooses the same. The second
    result says where no expert passed. Among equal logits the first expert is taken.
    """
    keys = encode(SQ7_16.quantise(logits), SQ7_16.key_format)
    return first(keys, threshold(logit(theta_run), ">", SQ7_16))


def routed(x: Tensor, layer: DecoderLayer, chosen: Tensor, experts: int) -> Tensor:
    """Each token through its expert: [T, D], int64 [T] → [T, D]."""
    outputs = torch.empty_like(x)
    for expert, width in enumerate(expert_widths(layer.gate.shape[0], experts)):
        outputs[chosen == expert] = expert_output(x[chosen == expert], layer, width)
    return outputs


Choice = Callable[[int, Tensor], Tensor]
"""The experts of tokens: number of the layer and the MLP's inputs [T, D] → int64 [T]."""


def by_routers(routers: Sequence[DifficultyRouter], theta_run: float) -> Choice:
    """What the routers, one per layer, choose."""
    return lambda layer, x: choose(routers[layer](x), theta_run)[0]


def nested_logits(decoder: Decoder, choice: Choice, experts: int, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """A decoder whose layers were reordered, each token through the expert chosen for it.

    Parameters
    ----------
    choice
        Chooses them.
    experts
        E.
    tokens
        int64 [T].

    Returns
    -------
    Logits [T, vocabulary], and the chosen experts int64 [layers, T].
    """
    positions = torch.arange(len(tokens))
    mask = causal_mask(positions, positions)
    hidden_states, chosen = decoder.embed(tokens), []
    for number, layer in enumerate(decoder.layers):
        seen = decoder.keys_values(layer, hidden_states, positions)
        hidden_states, _ = decoder.attend(layer, hidden_states, positions, seen, mask)
        x = rms_norm(hidden_states, layer.mlp_norm, decoder.eps)
        chosen.append(choice(number, x))
        hidden_states = hidden_states + routed(x, layer, chosen[-1], experts)
    return decoder.logits(hidden_states), torch.stack(chosen)


def router_parameters(layers: int, dim: int, width: int, experts: int, biases: bool = False) -> int:
    """Weights of all routers."""
    return layers * (dim * width + width * experts + (width + experts if biases else 0))


def active_parameters(total: int, layers: int, dim: int, hidden: int, width: float) -> float:
    """Of a model's parameters, those that a token meets when its experts are so many neurons wide in the mean."""
    return total - layers * 3 * dim * (hidden - width)


def prefix(matrix: EncodedMatrix, rows: int, columns: int) -> EncodedMatrix:
    """The first rows and columns of a matrix of seeds: what an expert is on the engine.

    A row prefix is a shorter pass. A column prefix must end where a block does, as a block is one word.

    Raises
    ------
    InputError
        If the matrix has no such prefix.
    """
    block = matrix.block_format.block_size
    if not (1 <= rows <= matrix.rows and 1 <= columns <= matrix.columns):
        raise InputError(f"a matrix {matrix.rows} x {matrix.columns} has no prefix {rows} x {columns}")
    if columns % block and columns != matrix.columns:
        raise InputError(f"{columns} columns end inside a block of {block}; choose experts whose widths are multiples")
    scales = matrix.scales if len(matrix.scales) == 1 else matrix.scales[:rows]
    return replace(matrix, words=matrix.words[:rows, : -(-columns // block)], scales=scales, columns=columns)
