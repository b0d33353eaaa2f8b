import pytest

from formats.errors import InputError
from sw_runtime.serve.limits import Limits


@pytest.mark.parametrize(
    ("positions", "prompt", "new", "expected"),
    [
        (None, None, None, (4096, 512)),
        (8192, None, None, (4096, 512)),
        (2048, None, None, (1536, 512)),
        (64, None, None, (32, 32)),
        (64, 40, 24, (40, 24)),
        (64, None, 60, (4, 60)),
    ],
)
def test_limits_fit_the_model(
    positions: int | None, prompt: int | None, new: int | None, expected: tuple[int, int]
) -> None:
    limits = Limits.within(positions, prompt, new, together=3)
    assert (limits.prompt, limits.new, limits.together) == (*expected, 3)


def test_limits_that_do_not_fit_the_model_are_refused() -> None:
    with pytest.raises(InputError, match="50 tokens of a prompt and 20 new ones do not fit the model's 64 positions"):
        Limits.within(64, 50, 20, together=1)


def test_new_tokens_are_those_asked_for_or_the_limit() -> None:
    assert Limits(40, 24, 1).new_tokens(40, 7) == 7
    assert Limits(40, 24, 1).new_tokens(1, None) == 24


@pytest.mark.parametrize(
    ("prompt", "asked", "said"),
    [
        (0, None, "the prompt is empty"),
        (41, None, "the prompt has 41 tokens, and at most 40 fit; give a shorter one"),
        (1, 25, "max_tokens is above 24, the most that this server writes; ask for fewer"),
    ],
)
def test_what_is_over_a_limit_is_refused(prompt: int, asked: int | None, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Limits(40, 24, 1).new_tokens(prompt, asked)
