"""Settings: environment variables and their defaults. docs/settings.md lists them; a test compares."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from einklang.app.working import WORKING_SET_MB
from einklang.kernel.errors import UsageError
from einklang.kernel.limits import BATCH_BYTES_MAX, EVENT_BYTES_MAX


class Settings(msgspec.Struct, frozen=True):
    """What can be set from outside. One field per variable EINKLANG_<NAME>."""

    home: str = "./einklang-home"
    base_url: str = "http://127.0.0.1:8787"
    smtp_url: str = ""
    database_url: str = ""
    log_level: str = "warning"
    event_bytes_max: int = EVENT_BYTES_MAX
    batch_bytes_max: int = BATCH_BYTES_MAX
    key_events_per_s: int = 50_000
    connections_max: int = 2_000
    in_flight_bytes_max: int = 64 * 1024 * 1024
    body_seconds_max: int = 30
    working_set_mb: int = WORKING_SET_MB


def load(environ: dict[str, str] | None = None) -> Settings:
    """The settings of the environment. Raises UsageError `unknown_setting`, `bad_setting`."""
    source = dict(os.environ) if environ is None else environ
    known = {f"EINKLANG_{name.upper()}": name for name in Settings.__struct_fields__}
    numbers = {field.name for field in msgspec.structs.fields(Settings) if field.type is int}
    found: dict[str, Any] = {}
    for key, value in source.items():
        if key in known:
            found[known[key]] = _number(key, value) if known[key] in numbers else value
        elif key.startswith("EINKLANG_"):
            raise UsageError(
                "unknown_setting", f"unknown setting {key}", where="environment", mend="see docs/settings.md"
            )
    return Settings(**found)


def _number(key: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 12):
        raise UsageError("bad_setting", f"{value[:40]!r} is no whole number", where=key, mend="write digits alone")
    return int(value)


def home_of(argument: str | None, settings: Settings) -> Path:
    """The folder of the tenant: --home, else EINKLANG_HOME, else ./einklang-home."""
    return Path(argument or settings.home)
