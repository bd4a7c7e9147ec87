"""A server that keeps something of every event for ever: the positive control of a long soak (docs/reliability.md)."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

LEAKED_BYTES = 1_000
_kept: list[bytes] = []


def leak() -> None:
    """From now on each event that is folded leaves so many bytes behind."""
    from einklang.app.working import Live

    add = Live.add

    def leaking(self: Live, *args: Any) -> None:
        _kept.append(str(len(_kept)).encode().ljust(LEAKED_BYTES))
        add(self, *args)

    Live.add = leaking  # type: ignore[method-assign, assignment]  # the planted leak


def serve() -> None:
    """`einklang serve` with the leak."""
    from einklang.main.cli import main

    leak()
    sys.argv[0] = "einklang"
    raise SystemExit(main())


def soak(seconds: float, rate: int, seed: int) -> dict[str, Any]:
    """A soak of this server."""
    from einklang.main.soak import Plan, Soak

    code = "from tests.faults.leaking_server import serve; serve()"
    with tempfile.TemporaryDirectory(prefix="einklang-soak-") as folder:
        return Soak(Plan(seconds, rate, 0, seed, serve=("-c", code, "serve")), Path(folder)).run()


if __name__ == "__main__":
    json.dump(soak(*(int(word) for word in sys.argv[1:4])), sys.stdout, indent=1)
