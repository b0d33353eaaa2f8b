"""A small decoder, trained here and then fine-tuned to one width, or as DynaMoE does, experts and routers together."""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from golden_models.decoder import Decoder, DecoderLayer
from golden_models.dynamoe import (
    DifficultyRouter,
    DynaMoEParameters,
    choose,
    expert_widths,
    importance,
    labels,
    likeness,
    loss,
    reorder,
    router_loss,
)
from papers.dynamoe_nested import Nested, mlp_inputs
from papers.window_training import Loss, train_on_windows


@dataclass(frozen=True)
class TrainingSizes:
    """The decoder and its training.

    Parameters
    ----------
    dim, hidden, layers, heads, kv_heads, vocabulary
        Of the decoder; the embedding is the head too.
    batch, length
        Windows of a step, and tokens of each.
    steps, learning_rate
        Of training the dense decoder.
    tuning_steps, tuning_rate
        Of every fine-tuning: of the nested experts, and of each fixed width.
    ordering
        Windows by which neurons are put in order.
    """

    dim: int = 256
    hidden: int = 1024
    layers: int = 5
    heads: int = 4
    kv_heads: int = 2
    vocabulary: int = 512
    batch: int = 8
    length: int = 64
    steps: int = 2000
    learning_rate: float = 3e-3
    tuning_steps: int = 300
    tuning_rate: float = 1e-3
    ordering: int = 32


def small_tokenizer(text: str, vocabulary: int) -> Tokenizer:
    """A byte-level BPE tokenizer made for a text; it reads every other text too."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    alphabet = sorted(ByteLevel.alphabet())
    tokenizer.train_from_iterator(
        [text], BpeTrainer(vocab_size=vocabulary, initial_alphabet=alphabet, show_progress=False)
    )
    return tokenizer


def small_decoder(sizes: TrainingSizes) -> Any:
    """A Llama, always from the same start."""
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=sizes.vocabulary,
            hidden_size=sizes.dim,
            intermediate_size=sizes.hidden,
            num_hidden_layers=sizes.layers,
            num_attention_heads=sizes.heads,
            num_key_value_heads=sizes.kv_heads,
            tie_word_embeddings=True,
        )
    )


def next_token_loss(model: Any, windows: Tensor) -> Tensor:
    """Mean nats per token: int64 [windows, length + 1] → scalar."""
    logits = model(windows[:, :-1]).logits
    return nn.functional.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten())


def train(
    model: Any,
    tokens: Tensor,
    sizes: TrainingSizes,
    steps: int,
    rate: float,
    label: str,
    loss_of: Loss = next_token_loss,
) -> None:
    """AdamW, one cycle of learning rate; as many steps always see the same windows of the tokens, int64 [n]."""
    train_on_windows(model, loss_of, tokens, sizes.batch, sizes.length, steps, rate, seed=steps, label=label)


class NestedMLP(nn.Module):
    """An MLP whose first neurons are its smaller experts, with the router that learns beside it.

    Parameters
    ----------
    layer
        Its weights, the most important neuron first; copied.
    parameters
        Hyper-parameters.
    """

    def __init__(self, layer: DecoderLayer, parameters: DynaMoEParameters) -> None:
        super().__init__()
        self.gate_proj, self.up_proj, self.down_proj = (_linear(w) for w in (layer.gate, layer.up, layer.down))
        self.router = DifficultyRouter(layer.gate.shape[1], parameters)
        self.hyper_parameters = parameters
        self.theta = parameters.theta_run
        self.router_loss = torch.zeros(())

    def forward(self, x: Tensor) -> Tensor:
        """Each token through the expert that its router chooses: [..., D] → [..., D].

        Every expert is computed, as its label needs them; together they cost no more than the widest one.
        """
        rows = x.flatten(0, -2)
        neurons = nn.functional.silu(self.gate_proj(rows)) * self.up_proj(rows)
        widths = expert_widths(neurons.shape[1], self.hyper_parameters.experts)
        parts = [
            neurons[:, start:end] @ self.down_proj.weight[:, start:end].T
            for start, end in zip([0, *widths[:-1]], widths, strict=True)
        ]
        outputs = torch.stack(parts).cumsum(dim=0)
        logits = self.router(rows)
        with torch.no_grad():
            label = labels(likeness(outputs, self.hyper_parameters.likeness), self.hyper_parameters.theta_label)
            chosen, _ = choose(logits, self.theta)
        self.router_loss = router_loss(logits, label)
        return outputs[chosen, torch.arange(len(rows))].view_as(x)


def _linear(weight: Tensor) -> nn.Linear:
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    linear.load_state_dict({"weight": weight})
    return linear


def ordered_layers(model: Any, tokens: Tensor, sizes: TrainingSizes, experts: int) -> list[DecoderLayer]:
    """The layers of a dense model, each MLP's most important neuron first: by the beginning of tokens, int64 [n]."""
    decoder = Decoder.from_transformers(model)
    windows = tokens[: sizes.ordering * sizes.length].view(-1, sizes.length)
    inputs = mlp_inputs(decoder, windows, experts)
    return [reorder(layer, importance(x, layer)) for layer, x in zip(decoder.layers, inputs, strict=True)]


def tuned_to_width(model: Any, layers: list[DecoderLayer], width: int, tokens: Tensor, sizes: TrainingSizes) -> Decoder:
    """A dense model cut to its first neurons, so many in each layer, and fine-tuned so."""
    model = deepcopy(model)
    for module, layer in zip(model.model.layers, layers, strict=True):
        module.mlp.gate_proj, module.mlp.up_proj = _linear(layer.gate[:width]), _linear(layer.up[:width])
        module.mlp.down_proj = _linear(layer.down[:, :width])
    train(model, tokens, sizes, sizes.tuning_steps, sizes.tuning_rate, f"{width} neurons")
    return Decoder.from_transformers(model)


def tuned_as_experts(
    model: Any,
    layers: list[DecoderLayer],
    parameters: DynaMoEParameters,
    thetas: tuple[float, ...],
    tokens: Tensor,
    sizes: TrainingSizes,
) -> Nested:
    """A dense model as nested experts, fine-tuned with their routers: α · language loss + β · routers' loss.

    The sources do not say which experts the tokens of this fine-tuning take. Here their routers choose, at a θ that is
    drawn anew for every step, so that one fine-tuning serves every θ.
    """
    model, drawn = deepcopy(model), torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    for module, layer in zip(model.model.layers, layers, strict=True):
        module.mlp = NestedMLP(layer, parameters)
    mlps = [module.mlp for module in model.model.layers]

    def both_losses(model: Any, windows: Tensor) -> Tensor:
        theta = thetas[int(torch.randint(len(thetas), (), generator=drawn))]
        for mlp in mlps:
            mlp.theta = theta
        language = next_token_loss(model, windows)
        return loss(language, [mlp.router_loss for mlp in mlps], parameters)

    train(model, tokens, sizes, sizes.tuning_steps, sizes.tuning_rate, "nested experts", both_losses)
    return Nested(Decoder.from_transformers(model), [mlp.router.eval() for mlp in mlps])
