"""Settings: environment variables and their defaults. docs/settings.md lists them; a test compares."""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import Any

import msgspec

from einklang.app.working import WORKING_SET_MB
from einklang.kernel.errors import UsageError
from einklang.kernel.limits import BATCH_BYTES_MAX, EVENT_BYTES_MAX

#: Where a server listens unless told otherwise.
PORT = 8787


class Settings(msgspec.Struct, frozen=True):
    """What can be set from outside. One field per variable EINKLANG_<NAME>."""

    home: str = "./einklang-home"
    base_url: str = f"http://127.0.0.1:{PORT}"
    smtp_url: str = ""
    webhook_secrets: str = ""
    webhook_networks: str = ""
    database_url: str = ""
    log_level: str = "warning"
    event_bytes_max: int = EVENT_BYTES_MAX
    batch_bytes_max: int = BATCH_BYTES_MAX
    key_events_per_s: int = 50_000
    connections_max: int = 2_000
    in_flight_bytes_max: int = 64 * 1024 * 1024
    body_seconds_max: int = 30
    working_set_mb: int = WORKING_SET_MB


def actor() -> str:
    """Who works at the command line, for the log."""
    return f"command line:{getpass.getuser()}"


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


def reachable(found: Settings, host: str, port: int) -> Settings:
    """The same settings; where nobody said under which address customers reach the server, it is where it listens."""
    if found.base_url != Settings().base_url or port in (0, PORT):
        return found
    shown = "127.0.0.1" if host in ("0.0.0.0", "::", "") else f"[{host}]" if ":" in host else host
    return msgspec.structs.replace(found, base_url=f"http://{shown}:{port}")


def _number(key: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 12):
        raise UsageError("bad_setting", f"{value[:40]!r} is no whole number", where=key, mend="write digits alone")
    return int(value)


def home_of(argument: str | None, settings: Settings) -> Path:
    """The folder of the tenant: --home, else EINKLANG_HOME, else ./einklang-home."""
    return Path(argument or settings.home)
