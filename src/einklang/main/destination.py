"""`destination`: where members go, how each is, what staff does about it; a running server has the same over REST."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from typing import Any

from einklang.app import activation_health as health
from einklang.app.apply import in_force
from einklang.kernel.errors import Conflict, UsageError
from einklang.main import clock
from einklang.main.activator import webhooks_of
from einklang.main.channels import webhooks_over
from einklang.main.destinations import Destinations
from einklang.main.home import Home, opened
from einklang.main.settings import Settings, actor

#: What only looks needs no writer, and goes beside a running server.
_LOOKS = ("list", "deliveries")


def destination(args: argparse.Namespace) -> tuple[int, Any]:
    """List destinations or what one has not got; serve one now; stop, resume, tell dead changes again."""
    if args.action != "list" and not args.id:
        mend = "see: einklang destination list"
        raise UsageError("no_id", f"{args.action} needs the id of a destination", where="destination", mend=mend)
    found = args.settings
    opening = opened(
        args.home_path,
        base_url=found.base_url,
        database_url=found.database_url,
        writer=args.action not in _LOOKS,
        working_set_mb=found.working_set_mb,
    )
    with opening as home:
        return 0, _done(args, home, found)


def _done(args: argparse.Namespace, home: Home, settings: Settings) -> Any:
    now, definitions = max(home.reached(), clock.now()), in_force(home.book)
    if args.action == "list":
        return health.list_destinations(home.book, definitions, now)
    if args.action == "deliveries":
        return health.list_deliveries(home.book, definitions, args.id, args.status, limit=200).items
    if args.action != "run":
        done = health.act(home.book, definitions, args.id, args.action, actor=actor(), now=now, seq=args.seq)
        home.engine()  # what was done is folded before the next command looks
        return done
    known = health.known_by(definitions, args.id)
    shown = {one.id: one for one in health.list_destinations(home.book, definitions, now)}[args.id]
    if shown.state in (health.PAUSED, "gone"):
        mend = f"einklang destination resume {args.id}"
        raise Conflict("held", f"{args.id} is stopped: {shown.state}", where="destination", mend=mend)

    def moment() -> int:
        return max(home.reached(), clock.now())

    hooked = known.type == health.WEBHOOK
    sent = told(home, settings, args.id, moment) if hooked else Destinations(home, moment).one(args.id)
    return {"id": args.id, "sent": sent}


def told(home: Home, settings: Settings, name: str, now: Callable[[], int]) -> int:
    """Tell one webhook all that is due; how many changes it took."""
    carrier = webhooks_over(settings)
    webhooks = webhooks_of(home, carrier, now)

    async def work() -> int:
        taken = 0
        try:
            webhooks.due()  # one that was never served begins
            while name in webhooks.due()[0]:
                taken += await webhooks.serve(name)
        finally:
            await carrier.close()
        return taken

    return asyncio.run(work())
