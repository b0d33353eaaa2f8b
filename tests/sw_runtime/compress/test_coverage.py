"""How much of a model is compressed is said; little of it only when asked for."""

import json
from pathlib import Path

import pytest

from formats.errors import CheckpointError, InputError
from sw_runtime.compress.coverage import Coverage, coverage, read_coverage
from sw_runtime.compress.folder import compress
from sw_runtime.nn.places import chosen_places
from tests.models import tiny_llama


def test_a_coverage_is_one_sentence() -> None:
    found = Coverage(60, {"Linear": 2, "Conv1D": 1}, {"embeddings": 30, "vectors": 10})
    assert found.share == 0.6
    assert str(found) == (
        "60.0 % of the model's weights are compressed (2 Linear, 1 Conv1D); "
        "stays dense: 30.0 % (embeddings); 10.0 % (vectors)"
    )


def test_every_weight_is_counted_once() -> None:
    model = tiny_llama(num_hidden_layers=1, tie_word_embeddings=True)
    body = coverage(model, chosen_places(model, "layers"))
    assert body.compressed + sum(body.dense.values()) == sum(weights.numel() for weights in model.parameters())
    assert coverage(model, chosen_places(model, None)).compressed - body.compressed == 120 * 64  # stored apart


def test_what_the_caller_left_out_is_no_reason_to_refuse() -> None:
    model = tiny_llama()
    coverage(model, chosen_places(model, r"layers\.0\.")).check()


def test_little_is_compressed_only_when_asked_for(tmp_path: Path) -> None:
    model = tiny_llama(num_hidden_layers=1, vocab_size=1000).model
    with pytest.raises(
        InputError, match=r"only 3\d\.\d % of .* \(embeddings, rows are looked up\); .*give --allow-partial"
    ):
        compress(model, tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()
    output = compress(model, tmp_path / "out", "scaled-2bit", allow_partial=True, progress=False)
    assert read_coverage(output) == coverage(model, chosen_places(model, None))


def test_a_folder_without_a_report_says_nothing_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    assert read_coverage(tmp_path) is None
    (tmp_path / "report.json").write_text('{"layers": {}}')
    assert read_coverage(tmp_path) is None
    whole = {"compressed": 3, "layers": {"Linear": 1}, "dense": {}}
    for damaged in ("x", {"compressed": 3}, whole | {"compressed": 0}, whole | {"dense": {"why": "many"}}):
        (tmp_path / "report.json").write_text(json.dumps({"coverage": damaged}))
        with pytest.raises(
            CheckpointError, match=r"report\.json is damaged \(its coverage is no count of weights\); copy the folder"
        ):
            read_coverage(tmp_path)
