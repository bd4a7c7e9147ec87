"""`dead-letters`: what was put aside, and taking it in again after the mend.

While a server runs on the home, its REST API does the same.
"""

from __future__ import annotations

import argparse
from typing import Any

import msgspec

from einklang.app import dead
from einklang.kernel.errors import UsageError
from einklang.main.home import opened

_PAGE = 200


def dead_letters(args: argparse.Namespace) -> tuple[int, Any]:
    """List the letters, or replay those at the positions, of the code, or all."""
    if args.action == "replay" and not (args.positions or args.code or args.all):
        mend = "name positions, --code CODE, or --all; see: einklang dead-letters list"
        raise UsageError("nothing_named", "replay needs to know which", where="dead-letters", mend=mend)
    with opened(args.home_path, base_url=args.settings.base_url, writer=args.action == "replay") as home:
        if args.action == "list":
            return 0, _listed(home.book, args.code or "", whole=args.json)
        found = dead.replay(home.book, positions=args.positions, code=args.code or "", as_new=args.as_new)
        return (1 if found.kept else 0), msgspec.to_builtins(found)


def _listed(book: Any, code: str, *, whole: bool) -> Any:
    rows: list[Any] = []
    page = dead.letters(book, code=code, cursor="", limit=_PAGE, whole=whole)
    while True:
        rows += [msgspec.to_builtins(letter) for letter in page.items]
        if page.next is None:
            break
        page = dead.letters(book, code=code, cursor=page.next, limit=_PAGE, whole=whole)
    if whole:
        return {"letters": rows, "counts": page.counts}
    shown = ("position", "at", "code", "name", "source", "detail", "replayable")
    return [{name: row[name] for name in shown} for row in rows]
