"""The Python interpreter, set once for processes that compute on one thread and write or answer on another."""

from __future__ import annotations

import gc
import sys

#: Seconds for which a thread that computes may keep the interpreter from others that wait for it. Python's 5 ms would
#: make the writer wait so long after each statement, and the web loop before each answer (p95 5 ms, with this 0.8).
_SWITCH_S = 0.0005


def settle() -> None:
    """Change threads ten times as often, and look for cycles a hundred times as seldom.

    Persons, events and rows hold no cycles, and with Python's defaults a `run` spends a fifth of its time walking them.
    """
    gc.set_threshold(200_000, 50, 1_000)
    sys.setswitchinterval(_SWITCH_S)
