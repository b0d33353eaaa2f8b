"""A small vision-language decoder on scenes of digits, with registers: which digit follows which?"""

import math
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor
from tqdm import tqdm

from golden_models.decoder import Decoder, DecoderLayer
from golden_models.victor import Keep, Prompt, VictorParameters, assemble, outside_images, prefill
from papers.digit_scenes import NAMES
from papers.victor_scenes import PLACES, POINTS, Grids

WIDTH, FFN, LAYERS, HEADS = 64, 128, 6, 4
VISUAL = PLACES
"""Visual tokens of a scene: a digit each."""

ASKED = 2
"""Questions on a scene when a model learns to do with registers, one behind the other; it is judged by one alone."""

BATCH, LEARNING_RATE = 64, 2e-3


@dataclass(frozen=True)
class VisionLanguageModel:
    """Projector, registers and decoder.

    Parameters
    ----------
    projector
        [D, 64]: a digit's points become a visual token.
    patch_positions
        [N, D], added to visual tokens.
    registers
        [M, D].
    decoder
        Its vocabulary is ten questions, "which digit follows the digit d?", its head's the ten digits.
    """

    projector: Tensor
    patch_positions: Tensor
    registers: Tensor
    decoder: Decoder

    def prompt(self, images: Tensor, questions: Tensor) -> Prompt:
        """Images float32 [B, 1, 24, 24] and questions int64 [B, L] behind them."""
        patches = torch.nn.functional.unfold(images, POINTS, stride=POINTS).transpose(1, 2)
        visual = patches @ self.projector.T + self.patch_positions
        text = self.decoder.embed(questions)
        return assemble([text[:, :0], text], [visual], self.registers)

    def answers(self, prompt: Prompt, drop_layer: int, questions: int, keep: Keep | None = None) -> Tensor:
        """Logits of the digits at the last rows, the questions: [B, questions, 10]."""
        found = prefill(self.decoder, prompt, drop_layer, keep or outside_images(prompt))
        logits: Tensor = self.decoder.logits(found.hidden_states[..., -questions:, :])
        return logits

    def tensors(self) -> list[Tensor]:
        """Everything that is learned."""
        own = [self.projector, self.patch_positions, self.registers]
        decoder = [self.decoder.embedding, self.decoder.norm, self.decoder.head]
        return [*own, *decoder, *(getattr(layer, f.name) for layer in self.decoder.layers for f in fields(layer))]

    def with_registers(self, count: int) -> "VisionLanguageModel":
        """A copy, to be trained on its own, with so many new registers."""
        generator = torch.Generator().manual_seed(count)
        registers = 0.5 * torch.randn(count, WIDTH, generator=generator)
        decoder = replace(
            self.decoder,
            embedding=_leaf(self.decoder.embedding),
            norm=_leaf(self.decoder.norm),
            head=_leaf(self.decoder.head),
            layers=tuple(
                DecoderLayer(**{f.name: _leaf(getattr(layer, f.name)) for f in fields(layer)})
                for layer in self.decoder.layers
            ),
        )
        return VisionLanguageModel(_leaf(self.projector), _leaf(self.patch_positions), _leaf(registers), decoder)


def _leaf(values: Tensor) -> Tensor:
    return values.detach().clone().requires_grad_()


def new_model(layers: int = LAYERS) -> VisionLanguageModel:
    """Untrained, without registers, always the same."""
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator) / math.sqrt(shape[-1])

    def layer() -> DecoderLayer:
        return DecoderLayer(
            attention_norm=torch.ones(WIDTH),
            query=drawn(WIDTH, WIDTH),
            key=drawn(WIDTH, WIDTH),
            value=drawn(WIDTH, WIDTH),
            output=drawn(WIDTH, WIDTH),
            mlp_norm=torch.ones(WIDTH),
            gate=drawn(FFN, WIDTH),
            up=drawn(FFN, WIDTH),
            down=drawn(WIDTH, FFN),
        )

    decoder = Decoder(
        embedding=torch.randn(len(NAMES), WIDTH, generator=generator),
        layers=tuple(layer() for _ in range(layers)),
        norm=torch.ones(WIDTH),
        head=drawn(len(NAMES), WIDTH),
        heads=HEADS,
        kv_heads=HEADS,
        eps=1e-5,
        rotary_base=1e4,
    )
    untrained = VisionLanguageModel(drawn(WIDTH, POINTS**2), drawn(VISUAL, WIDTH), torch.zeros(0, WIDTH), decoder)
    return untrained.with_registers(0)


def train(
    model: VisionLanguageModel, parameters: VictorParameters, grids: Grids, steps: int, asked: int, seed: int = 1
) -> float:
    """Train a model to answer questions on each scene, so many of its nine; returns the last loss, nats an answer."""
    optimiser = torch.optim.AdamW(model.tensors(), LEARNING_RATE, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=steps)
    generator = torch.Generator().manual_seed(seed)
    name = f"M = {parameters.registers}, k = {parameters.drop_layer}"
    progress, loss = tqdm(range(steps), desc=name, unit="step"), torch.zeros(())
    for _ in progress:
        batch = torch.randint(len(grids.images), (BATCH,), generator=generator)
        places = torch.rand(BATCH, PLACES, generator=generator).argsort(dim=1)[:, :asked]
        questions, answers = grids.pairs(places, batch)
        logits = model.answers(model.prompt(grids.images[batch], questions), parameters.drop_layer, asked)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), answers.flatten())
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.tensors(), 1.0)
        optimiser.step()
        schedule.step()
        progress.set_postfix_str(f"loss {loss.item():.3f}")
    return loss.item()


def one_question(grids: Grids) -> tuple[Tensor, Tensor]:
    """A question on each scene, of each place in turn, and its answer: int64 [n, 1] each."""
    scenes = torch.arange(len(grids.images))
    return grids.pairs(scenes[:, None] % PLACES, scenes)


@torch.inference_mode()
def right_answers(model: VisionLanguageModel, drop_layer: int, grids: Grids, keep: Keep | None = None) -> Tensor:
    """Whether one question on each scene is answered right: bool [n]."""
    questions, answers = one_question(grids)
    logits = model.answers(model.prompt(grids.images, questions), drop_layer, 1, keep)
    return (logits.argmax(dim=-1) == answers)[:, 0]
