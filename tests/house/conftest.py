"""The tree is read once for all rules."""

from __future__ import annotations

import pytest

from tests.house.tree import House, load


@pytest.fixture(scope="session")
def house() -> House:
    """Every written file of the repository."""
    return load()
