"""`source`: who may send, and with which keys. While a server runs on the home, its REST API does the same."""

from __future__ import annotations

import argparse
from typing import Any

from einklang.app import keys
from einklang.kernel.errors import UsageError
from einklang.kernel.time import SECOND, format_moment
from einklang.main import clock
from einklang.main.home import opened


def source(args: argparse.Namespace) -> tuple[int, Any]:
    """List sources; add one, rotate or revoke a key, say how much a key may send."""
    if args.action != "list" and not args.id:
        what = "a key" if args.action == "revoke" else "a source"
        mend = "see: einklang source list"
        raise UsageError("no_id", f"{args.action} needs the id of {what}", where="source", mend=mend)
    with opened(args.home_path, base_url=args.settings.base_url, writer=args.action != "list") as home:
        return 0, _done(args, home.book)


def _done(args: argparse.Namespace, book: Any) -> Any:
    now = clock.now()
    if args.action == "add":
        key = keys.create(
            book, args.id, args.kind, args.name or args.id, clock.new_key(""), now=now, events_per_s=args.rate
        )
        return {"source": args.id, "kind": args.kind, "key": key}
    if args.action == "rotate":
        key = keys.rotate(book, args.id, clock.new_key(""), now=now, grace=args.grace * SECOND)
        return {"source": args.id, "key": key, "older_keys_end_at": format_moment(now + args.grace * SECOND)}
    if args.action == "revoke":
        keys.revoke(book, args.id, now=now)
        return {"revoked": args.id}
    if args.action == "limit":
        keys.limit(book, args.id, args.rate)
        return {"source": args.id, "events_per_s": args.rate}
    return [_shown(one) for one in keys.sources(book)]


def _shown(one: keys.Source) -> dict[str, Any]:
    shown = [
        {
            "id": key.id,
            "ends_with": key.hint,
            "created_at": key.created_at,
            "ends_at": key.ends_at,
        }
        for key in one.keys
    ]
    return {"id": one.id, "kind": one.kind, "name": one.name, "events_per_s": one.events_per_s, "keys": shown}
