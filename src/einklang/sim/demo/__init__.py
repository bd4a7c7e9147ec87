"""The definitions of the demo retailer (YAML beside this file) and where they lie: data, no code of the demo."""

from __future__ import annotations

from pathlib import Path


def definitions() -> Path:
    """The folder with the YAML files, ready for `einklang apply`."""
    return Path(__file__).parent
