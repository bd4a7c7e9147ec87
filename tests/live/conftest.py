"""Serving sets up the log of the process; each test leaves it as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """Undo what `serve` set up."""
    yield
    structlog.reset_defaults()
