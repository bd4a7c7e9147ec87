"""Einklang: open-source cross-channel customer engagement. Start reading in docs/architecture.md."""

__version__ = "0.1.0"
