"""A fresh home for each test of web."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.homes import Home
from tests.web.homes import home as opened


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """An empty home with a write key and a server key."""
    with opened(tmp_path) as made:
        yield made
