"""The two tests that every set of switched mutants has."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from formats.errors import DeviceError
from tests.hw.switched_mutants import Mutant


class MutantTests:
    """A subclass, named ``Test…``, says which mutants, how they are compiled, and what must find them."""

    MUTANTS: ClassVar[Sequence[Mutant]]

    @staticmethod
    def build(folder: Path) -> Path:
        """Compile a unit that contains every mutant, with files in ``folder``; returns the library."""
        raise NotImplementedError

    @staticmethod
    def check(library: Path, number: int) -> None:
        """Hold the unit with mutant ``number`` (0: without a fault) to what is right.

        Raises
        ------
        AssertionError, DeviceError
            If it is found.
        """
        raise NotImplementedError

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One case per mutant."""
        if "number" in metafunc.fixturenames:
            metafunc.parametrize("number", range(1, len(self.MUTANTS) + 1), ids=map(str, self.MUTANTS))

    @pytest.fixture(scope="class")
    @classmethod
    def library(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """One build for all tests of the class."""
        return cls.build(tmp_path_factory.mktemp("mutants"))

    def test_the_build_without_a_fault_passes(self, library: Path) -> None:
        self.check(library, 0)

    def test_a_fault_is_found(self, library: Path, number: int) -> None:
        with pytest.raises((AssertionError, DeviceError)):
            self.check(library, number)
