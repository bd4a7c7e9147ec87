"""Settings: environment variables and their defaults. docs/settings.md lists them; a test compares."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from einklang.kernel.errors import UsageError


class Settings(msgspec.Struct, frozen=True):
    """What can be set from outside. One field per variable EINKLANG_<NAME>."""

    home: str = "./einklang-home"
    base_url: str = "http://127.0.0.1:8787"
    smtp_url: str = ""
    database_url: str = ""
    log_level: str = "warning"


def load(environ: dict[str, str] | None = None) -> Settings:
    """The settings of the environment. Raises UsageError `unknown_setting`."""
    source = dict(os.environ) if environ is None else environ
    known = {f"EINKLANG_{name.upper()}": name for name in Settings.__struct_fields__}
    found = {}
    for key, value in source.items():
        if key in known:
            found[known[key]] = value
        elif key.startswith("EINKLANG_"):
            raise UsageError(
                "unknown_setting", f"unknown setting {key}", where="environment", mend="see docs/settings.md"
            )
    return Settings(**found)


def home_of(argument: str | None, settings: Settings) -> Path:
    """The folder of the tenant: --home, else EINKLANG_HOME, else ./einklang-home."""
    return Path(argument or settings.home)
