"""What the tests of clients share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.homes import Home
from tests.web.homes import home as opened


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """An empty home with a write key."""
    with opened(tmp_path) as made:
        yield made


@pytest.fixture(scope="session")
def base_url() -> None:
    """None: the tests name their server. (The plugin's own fixture is of a form that pytest will remove.)"""
