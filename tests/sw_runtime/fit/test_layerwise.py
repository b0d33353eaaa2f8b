"""A model's run that stops at every layer: what is measured there, and what later layers see."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn

from sw_runtime.fit import layerwise
from sw_runtime.fit.covariance import covariance, input_statistics
from sw_runtime.fit.layerwise import SharedInput, Stage, after_every_stage, stages, visit_stages

WINDOWS = torch.arange(32).view(4, 8) % 5


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.out, self.unused = (nn.Linear(6, 6) for _ in range(4))

    def forward(self, hidden: Tensor) -> Tensor:
        out: Tensor = self.out(torch.tanh(self.query(hidden) + self.key(hidden)))
        return hidden + out


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(5, 6)
        self.blocks = nn.ModuleList([Block(), Block()])
        self.head = nn.Linear(6, 5)

    def forward(self, input_ids: Tensor, use_cache: bool) -> Tensor:
        hidden = self.embedding(input_ids)
        for block in self.blocks:
            hidden = block(hidden)
        logits: Tensor = self.head(hidden)
        return logits


def linear(model: nn.Module) -> list[str]:
    return [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]


def visited(model: nn.Module, names: list[str], change: Callable[[Stage], None]) -> list[list[SharedInput]]:
    groups: list[list[SharedInput]] = []

    def visit(stage: Stage, measure: Callable[[], list[SharedInput]]) -> None:
        groups.append(measure())
        change(stage)

    visit_stages(model, WINDOWS, names, visit)
    return groups


def nothing(stage: Stage) -> None:
    pass


def test_stages_are_the_elements_of_lists_and_lone_layers() -> None:
    model = Tiny()
    found = stages(model, ["blocks.0.query", "blocks.0.out", "blocks.1.key", "head"])
    assert [stage.module for stage in found] == [model.blocks[0], model.blocks[1], model.head]
    assert [stage.names for stage in found] == [["blocks.0.query", "blocks.0.out"], ["blocks.1.key"], ["head"]]


def test_a_list_within_a_list_is_part_of_the_outer_stage() -> None:
    model = nn.Module()
    model.layers = nn.ModuleList([nn.ModuleDict({"experts": nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])})])
    assert [stage.names for stage in stages(model, linear(model))] == [["layers.0.experts.0", "layers.0.experts.1"]]


def test_layers_of_one_input_are_together_and_those_that_do_not_run_are_left_out() -> None:
    model = Tiny()
    groups = visited(model, linear(model), nothing)
    assert [[group.names for group in stage] for stage in groups] == [
        [["blocks.0.query", "blocks.0.key"], ["blocks.0.out"]],
        [["blocks.1.query", "blocks.1.key"], ["blocks.1.out"]],
        [["head"]],
    ]


def test_inputs_are_those_of_the_whole_run() -> None:
    model = Tiny()
    groups = visited(model, linear(model), nothing)
    with torch.no_grad():
        hidden = model.blocks[1](model.blocks[0](model.embedding(WINDOWS)))
    assert torch.equal(groups[2][0].statistics.calibration.plain, input_statistics(hidden).calibration.plain)
    assert torch.equal(groups[2][0].statistics.held_out.capped, input_statistics(hidden).held_out.capped)


class Mixture(nn.ModuleList):
    """The first expert takes all tokens but the last, the second that one, the third none."""

    def __init__(self) -> None:
        super().__init__([nn.ModuleDict({"up": nn.Linear(6, 6)}) for _ in range(3)])

    def forward(self, hidden: Tensor) -> Tensor:
        tokens = hidden.flatten(0, 1)
        outputs = torch.cat([self[0].get_submodule("up")(tokens[:-1]), self[1].get_submodule("up")(tokens[-1:])])
        return outputs.view(hidden.shape)


def test_an_expert_that_sees_few_tokens_is_fitted_to_those_of_all(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(layerwise, "LEAST_TOKENS", 31)
    model = Tiny()
    model.blocks = nn.ModuleList([Mixture()])
    model.head = nn.Identity()
    ((first, others),) = visited(model, linear(model), nothing)
    assert (first.names, others.names) == (["blocks.0.0.up"], ["blocks.0.1.up", "blocks.0.2.up"])
    assert (first.statistics.all_experts, others.statistics.all_experts) == (False, True)
    hidden = model.embedding(WINDOWS).detach().flatten(0, 1)
    own, fitting = input_statistics(hidden[:-1]), [*range(24), 31]
    assert torch.equal(first.statistics.calibration.plain, own.calibration.plain)
    for found, tokens in (
        (others.statistics.calibration, hidden[fitting[:24]]),
        (others.statistics.held_out, hidden[[31, *range(24, 31)]]),
    ):
        torch.testing.assert_close(found.plain, covariance(tokens).plain)
    assert "blocks.0: 2 of 3 experts saw fewer than 31 tokens; their up is fitted to the tokens of all" in caplog.text


def test_experts_none_of_which_runs_are_left_out() -> None:
    model = Tiny()
    model.blocks[0].add_module("experts", nn.ModuleList([nn.ModuleDict({"up": nn.Linear(6, 6)})]))
    (groups, _, _) = visited(model, linear(model), nothing)
    assert "blocks.0.experts.0.up" not in [name for group in groups for name in group.names]


def test_later_stages_see_changed_weights() -> None:
    model = Tiny()

    def silence(stage: Stage) -> None:
        stage.module.load_state_dict({key: 0 * tensor for key, tensor in stage.module.state_dict().items()})

    dense = visited(Tiny(), linear(model), nothing)
    changed = visited(model, linear(model), silence)
    assert torch.equal(dense[0][0].statistics.calibration.plain, changed[0][0].statistics.calibration.plain)
    assert not torch.equal(dense[1][0].statistics.calibration.plain, changed[1][0].statistics.calibration.plain)


def test_the_run_ends_with_the_last_stage() -> None:
    model = Tiny()
    calls: list[object] = []
    model.head.register_forward_hook(lambda *_: calls.append(1))
    visited(model, ["blocks.0.out"], nothing)
    visited(model, linear(model), nothing)
    assert not calls


@pytest.mark.parametrize("fails", [False, True])
def test_the_model_runs_as_before_afterwards(fails: bool) -> None:
    model = Tiny()
    expected = model(WINDOWS, False)

    def change(stage: Stage) -> None:
        if fails:
            raise KeyboardInterrupt

    if fails:
        with pytest.raises(KeyboardInterrupt):
            visited(model, linear(model), change)
    else:
        visited(model, linear(model), change)
    assert all("forward" not in vars(module) for module in model.modules())
    assert torch.equal(model(WINDOWS, False), expected)


def test_a_stage_runs_inside_what_it_is_given_every_time_and_is_visited_once() -> None:
    model = Tiny()
    model.blocks = nn.ModuleList([model.blocks[0]] * 2)
    names, told = ["blocks.0.query", "head"], list[str]()

    @contextmanager
    def running(stage: Stage) -> Iterator[None]:
        told.append(f"into {stage.names[0]}")
        yield
        told.append("out")

    visit_stages(model, WINDOWS, names, lambda stage, _: told.append(f"at {stage.names[0]}"), running)
    runs = ["into blocks.0.query", "out"]
    assert told == ["at blocks.0.query", *runs, *runs, "at head"]
    assert "forward" not in vars(model.blocks[0])


def test_every_stage_is_told_when_it_has_run() -> None:
    model, calls = Tiny(), list[int]()
    with after_every_stage(model, lambda: calls.append(1)):
        model(WINDOWS, use_cache=False)
    model(WINDOWS, use_cache=False)
    assert len(calls) == len([model.embedding, *model.blocks, model.head])
