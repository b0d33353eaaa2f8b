"""Layers encoded in the order they run, on what the encoded ones before them give; the model left as it was."""

import logging
import re
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from formats.errors import InputError
from formats.matrices import EncodedMatrix
from formats.presets import PRESETS
from formats.storage import unpack_rows
from golden_models.seedlm.codec import decode
from sw_runtime.compress.encode import encode_calibrated, encode_data_free
from sw_runtime.compress.partial import PartialResults
from sw_runtime.fit.candidates import EncodedLayer, GroupEncoder
from sw_runtime.fit.covariance import InputStatistics, input_statistics
from sw_runtime.fit.report import LayerReport
from sw_runtime.fit.workers import Threads

WINDOWS = torch.arange(64).view(8, 8) % 5


class Tiny(nn.Module):
    """A head tied to the embedding, and a layer that never runs."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(5, 8)
        self.blocks = nn.ModuleList([nn.Linear(8, 8), nn.Linear(8, 8)])
        self.head, self.unused = nn.Linear(8, 5, bias=False), nn.Linear(8, 3)
        self.head.weight = self.embedding.weight

    def hidden(self, input_ids: Tensor) -> Tensor:
        hidden: Tensor = self.embedding(input_ids)
        for block in self.blocks:
            hidden = hidden + torch.tanh(block(hidden))
        return hidden

    def forward(self, input_ids: Tensor, use_cache: bool) -> Tensor:
        logits: Tensor = self.head(self.hidden(input_ids))
        return logits


NAMES = [name for name, module in Tiny().named_modules() if isinstance(module, nn.Linear)]
THREE_BITS = dict.fromkeys(NAMES, "scaled-3bit")


def decoded(partial: PartialResults, name: str, columns: int = 8) -> Tensor:
    tensors, record = partial.load(name)
    block_format = PRESETS[record["format"]]
    words = unpack_rows(tensors["weight"], block_format, columns)
    return decode(EncodedMatrix(block_format, words, tensors["weight_scale"].float(), columns))


def encoded(folder: Path, formats: Mapping[str, str] = THREE_BITS, threads: int = 1) -> PartialResults:
    partial = PartialResults(folder, {})
    encode_calibrated(Tiny(), WINDOWS, formats, partial, Threads(threads))
    return partial


def test_every_layer_is_fitted_to_what_the_encoded_ones_give_it(tmp_path: Path) -> None:
    partial, model = encoded(tmp_path), Tiny()
    with torch.no_grad():
        for block, name in zip(model.blocks, ("blocks.0", "blocks.1"), strict=True):
            block.load_state_dict({"weight": decoded(partial, name), "bias": block.bias})
    (head,) = GroupEncoder(input_statistics(model.hidden(WINDOWS).detach())).encode(
        [Tiny().head.weight.detach()], "scaled-3bit"
    )
    assert isinstance(head.matrix, EncodedMatrix)
    assert torch.equal(decoded(partial, "head"), decode(head.matrix))
    assert partial.load("head")[1] == head.report.as_json()


def test_a_layer_that_does_not_run_is_encoded_by_its_weights_alone_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record = encoded(tmp_path).load("unused")[1]
    assert record == LayerReport("scaled-3bit", "plain", row_error=record["row_error"]).as_json()
    assert "the text does not reach unused: encoded by the weights alone" in caplog.messages


def test_without_a_text_all_are(tmp_path: Path) -> None:
    partial = PartialResults(tmp_path, {})
    encode_data_free(Tiny(), THREE_BITS, partial, Threads(1))
    assert {partial.load(name)[1]["method"] for name in NAMES} == {"plain"}


def test_every_layer_has_the_format_asked_for(tmp_path: Path) -> None:
    formats = dict(zip(NAMES, ("scaled-4bit", "scaled-3bit", "paper-4bit", "scaled-4bit"), strict=True))
    partial = encoded(tmp_path, formats)
    assert {name: partial.load(name)[1]["format"] for name in NAMES} == formats


def test_what_is_chosen_for_a_layer_is_logged_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="seedloom.fit")
    encoded(tmp_path / "sound", {"blocks.0": "scaled-3bit"})
    monkeypatch.setattr(EncodedLayer, "is_sound", property(lambda layer: layer.report.format != "scaled-3bit"))
    encoded(tmp_path / "spoilt", {"blocks.0": "scaled-3bit"})
    sound, spoilt = (record.getMessage() for record in caplog.records)
    error = r"output error 0\.\d{4} on held-out text"
    assert re.fullmatch(rf"blocks\.0: scaled-3bit, method feedback, {error}", sound)
    assert re.fullmatch(
        rf"blocks\.0: scaled-4bit, method feedback, {error}, because scaled-3bit would spoil the layer's output", spoilt
    )


def test_threads_do_not_change_the_result(tmp_path: Path) -> None:
    one, two = encoded(tmp_path / "one", threads=1), encoded(tmp_path / "two", threads=2)
    for name in NAMES:
        assert torch.equal(one.load(name)[0]["weight"], two.load(name)[0]["weight"])


def test_a_run_goes_on_where_another_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, stopped = encoded(tmp_path / "whole"), PartialResults(tmp_path / "stopped", {})
    encode = GroupEncoder.encode
    calls: list[int] = []

    def count(self: GroupEncoder, weights: list[Tensor], *arguments: object) -> list[EncodedLayer]:
        calls.append(len(weights))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return encode(self, weights, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(GroupEncoder, "encode", count)
    model = Tiny()
    with pytest.raises(KeyboardInterrupt):
        encode_calibrated(model, WINDOWS, THREE_BITS, stopped, Threads(1))
    assert [stopped.has(name) for name in NAMES] == [True, False, False, False]
    encode_calibrated(model, WINDOWS, THREE_BITS, stopped, Threads(1))
    assert len(calls) == 2 + 3
    for name in NAMES:
        assert torch.equal(stopped.load(name)[0]["weight"], whole.load(name)[0]["weight"])


def test_the_model_is_left_as_it_was(tmp_path: Path) -> None:
    model = Tiny()
    encode_calibrated(model, WINDOWS, THREE_BITS, PartialResults(tmp_path, {}), Threads(1))
    assert model.head.weight is model.embedding.weight
    for name, tensor in Tiny().state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor)


def test_a_layer_holds_encoded_weights_no_longer_than_it_runs(tmp_path: Path) -> None:
    model, dense = Tiny(), Tiny().state_dict()
    changed: list[list[str]] = []

    def note() -> None:
        state = model.state_dict()
        changed.append([name for name, tensor in dense.items() if not torch.equal(state[name], tensor)])

    encode_calibrated(model, WINDOWS, THREE_BITS, PartialResults(tmp_path, {}), Threads(1), release=note)
    assert len(changed) > len(NAMES)
    assert not any(changed)


def test_a_layer_may_stay_in_fp16_and_later_ones_see_it_rounded(tmp_path: Path) -> None:
    partial = encoded(tmp_path, THREE_BITS | dict.fromkeys(("blocks.0", "blocks.1"), "fp16"))
    tensors, record = partial.load("blocks.0")
    assert (record["format"], record["method"]) == ("fp16", "rounded")
    assert torch.equal(tensors["weight"].view(torch.float16), Tiny().blocks[0].weight.detach().half())
    model = Tiny()
    with torch.no_grad():
        for block in model.blocks:
            block.load_state_dict({"weight": block.weight.half(), "bias": block.bias})
    (head,) = GroupEncoder(input_statistics(model.hidden(WINDOWS).detach())).encode(
        [Tiny().head.weight.detach()], "scaled-3bit"
    )
    assert partial.load("head")[1] == head.report.as_json()


class Mixture(nn.ModuleList):
    """Three experts; the first takes the first token alone, the second all others, the third none."""

    def __init__(self) -> None:
        super().__init__([nn.ModuleDict({"up": nn.Linear(8, 8)}) for _ in range(3)])

    def forward(self, hidden: Tensor) -> Tensor:
        tokens = hidden.flatten(0, 1)
        outputs = torch.cat([self[0].get_submodule("up")(tokens[:1]), self[1].get_submodule("up")(tokens[1:])])
        return outputs.view(hidden.shape)


def mixture() -> tuple[Tiny, list[str]]:
    model = Tiny()
    torch.manual_seed(1)
    model.blocks = nn.ModuleList([Mixture(), nn.Linear(8, 8)])
    return model, [f"blocks.0.{expert}.up" for expert in range(3)]


def test_experts_that_share_an_input_are_encoded_one_at_a_time_on_statistics_formed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, names = mixture()
    partial, searched, formed = PartialResults(tmp_path, {}), list[int](), list[object]()
    encode, begin = GroupEncoder.encode, GroupEncoder.__init__

    def count(self: GroupEncoder, weights: list[Tensor], *arguments: object) -> list[EncodedLayer]:
        searched.append(len(weights))
        if len(searched) == 2:
            raise KeyboardInterrupt
        return encode(self, weights, *arguments)  # type: ignore[arg-type]

    def form(self: GroupEncoder, statistics: InputStatistics | None, *others: object) -> None:
        formed.append(statistics)
        begin(self, statistics, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(GroupEncoder, "encode", count)
    monkeypatch.setattr(GroupEncoder, "__init__", form)
    formats = dict.fromkeys(names, "scaled-3bit")
    with pytest.raises(KeyboardInterrupt):
        encode_calibrated(model, WINDOWS, formats, partial, Threads(1))
    assert [partial.has(name) for name in names] == [True, False, False]
    encode_calibrated(model, WINDOWS, formats, partial, Threads(1))
    assert searched == [1] * 4
    assert len(formed) == 2
    assert all(partial.load(name)[1]["all_experts"] for name in names)


def test_an_expert_holds_encoded_weights_only_while_it_is_called(tmp_path: Path) -> None:
    model, names = mixture()
    partial = PartialResults(tmp_path, {})
    formats = dict.fromkeys([*names, "blocks.1"], "scaled-3bit")
    dense = model.state_dict()
    held: list[list[str]] = []

    def note(*_: object) -> None:
        state = model.state_dict()
        held.append([name for name in dense if not torch.equal(state[name], dense[name])])

    encode_calibrated(model, WINDOWS, formats, partial, Threads(1))
    model.blocks[0][0]["up"].register_forward_hook(note)  # the second run of its layer is the encoded one
    other = PartialResults(tmp_path / "other", {})
    encode_calibrated(model, WINDOWS, formats, other, Threads(1))
    assert held == [[], [f"{names[0]}.weight"]]
    assert torch.equal(other.load("blocks.1")[0]["weight"], partial.load("blocks.1")[0]["weight"])


def test_a_layer_that_no_format_suits_is_named_with_the_remedy(tmp_path: Path) -> None:
    model = Tiny()
    with torch.no_grad():
        model.blocks[1].weight[0, 0] = 1e4
    message = r"^blocks\.1: weight \[0, 0\] is 10000\.0; .*; leave it out, by the regular expression of modules$"
    with pytest.raises(InputError, match=message):
        encode_data_free(model, {"blocks.1": "scaled-3bit"}, PartialResults(tmp_path, {}), Threads(1))


def test_a_layer_that_may_be_refused_comes_first(tmp_path: Path) -> None:
    model, partial = Tiny(), PartialResults(tmp_path, {})
    with torch.no_grad():
        model.blocks[1].weight[0, 0] = 1e4
    with pytest.raises(InputError, match=r"^blocks\.1: "):
        encode_data_free(model, {"blocks.0": "scaled-3bit", "blocks.1": "scaled-3bit"}, partial, Threads(1))
    assert not partial.has("blocks.0")


def test_groups_that_are_not_begun_are_left_when_one_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = list[int]()

    def stop(self: GroupEncoder, weights: list[Tensor], *others: object) -> None:
        begun.append(len(weights))
        time.sleep(0.05)
        raise KeyboardInterrupt

    monkeypatch.setattr(GroupEncoder, "encode", stop)
    model = Tiny()
    model.blocks = nn.ModuleList([nn.Sequential(*(nn.Linear(8, 8) for _ in range(9)))])
    names = [f"blocks.0.{place}" for place in range(9)]
    with pytest.raises(KeyboardInterrupt):
        encode_calibrated(model, WINDOWS, dict.fromkeys(names, "scaled-3bit"), PartialResults(tmp_path, {}), Threads(1))
    assert len(begun) < len(names)
