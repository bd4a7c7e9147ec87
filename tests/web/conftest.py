"""A fresh home for each test of web."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from einklang.app import staff
from tests.web.homes import Home
from tests.web.homes import home as opened


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """An empty home with a write key and a server key."""
    with opened(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """One home for all tests of a module that change nothing."""
    with opened(tmp_path_factory.mktemp("shared")) as made:
        yield made


@pytest.fixture(autouse=True)
def quick_hashing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords are hashed with the least effort: what it costs on purpose is looked at in test_staff."""
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(staff, "_HASHER", quick)
    monkeypatch.setattr(staff, "_NOBODY", quick.hash("nobody at all", salt=bytes(16)))
