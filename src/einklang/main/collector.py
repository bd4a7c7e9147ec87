"""Python's collector of cycles, set once for processes that hold many small objects."""

from __future__ import annotations

import gc


def settle() -> None:
    """Look for cycles a hundred times as seldom.

    Persons, events and rows hold none, and with Python's defaults a `run` spends a fifth of its time walking them.
    """
    gc.set_threshold(200_000, 50, 1_000)
