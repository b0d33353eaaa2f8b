import pytest

from formats.plurals import number_of


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 lanes"), (1, "1 lane"), (2, "2 lanes"), (1000, "1,000 lanes"), (-1, "-1 lanes")]
)
def test_a_number_of_one_has_the_singular(number: int, said: str) -> None:
    assert number_of(number, "lane") == said
