"""A fresh unit for every test."""

import pytest

from tests.golden_models.router.host import Host


@pytest.fixture
def host() -> Host:
    return Host()
