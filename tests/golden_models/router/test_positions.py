"""Fixed-point positions of parallel documents."""

import pytest

from golden_models.router.positions import equilibrium_positions


def test_documents_of_different_lengths_end_where_the_query_starts() -> None:
    documents, query = equilibrium_positions(20, [100, 150, 200])
    assert query == 166158966
    assert [int(positions[1] - positions[0]) for positions in documents] == [1451874, 967916, 725937]
    assert [len(positions) for positions in documents] == [100, 150, 200]
    assert all(int(positions[0]) == 20 << 20 for positions in documents)
    assert all(int(positions[-1]) < query for positions in documents)


def test_one_document_has_whole_positions() -> None:
    (document,), query = equilibrium_positions(3, [5])
    assert document.tolist() == [position << 20 for position in range(3, 8)]
    assert query == 8 << 20


@pytest.mark.parametrize("documents", [[], [3, 0]])
def test_documents_must_have_tokens(documents: list[int]) -> None:
    with pytest.raises(ValueError, match="documents must be one or more lengths of at least 1"):
        equilibrium_positions(3, documents)


def test_positions_beyond_12_bits_are_refused() -> None:
    with pytest.raises(ValueError, match=r"position 4100\.0 is beyond 4095, the last of UQ12\.20"):
        equilibrium_positions(100, [4000])
