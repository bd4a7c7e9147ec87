"""Writes a world as files that `einklang import` reads (columns: contract.md, "Import columns")."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from einklang.kernel.time import format_moment
from einklang.sim.crowd import NEVER
from einklang.sim.world import World

PEOPLE_COLUMNS = (
    "userId", "email", "phone", "firstName", "lastName", "language", "country", "city", "birthday", "customer_since",
)  # fmt: skip
PRODUCT_COLUMNS = ("product_id", "name", "category", "brand", "price", "margin", "currency")
CONSENT_COLUMNS = ("person", "channel", "address", "purpose", "status", "at", "source", "wording", "evidence")
WORDINGS = {
    "marketing": "Ja, ich möchte Angebote per E-Mail erhalten. Widerruf jederzeit möglich.",
    "track_click": "Ja, Klicks in E-Mails dürfen mir zugeordnet werden.",
    "track_open": "Ja, das Öffnen von E-Mails darf mir zugeordnet werden.",
}


@dataclass(frozen=True, slots=True)
class Written:
    """What `write` has written: number of rows by file name."""

    folder: Path
    rows: dict[str, int]


def people(world: World) -> Iterator[dict[str, str]]:
    """Those who are customers at the start. Everybody else is known by the `identify` call of the day of joining."""
    for person in range(world.persons):
        if world.crowd.existing[person]:
            yield {"userId": world.crowd.user_id(person)} | world.crowd.traits(person)


def products(world: World) -> Iterator[dict[str, Any]]:
    """The 200 products; `margin` is money, what a piece leaves over."""
    yield from world.goods.rows


def consents(world: World) -> Iterator[dict[str, str]]:
    """Declarations in time order: given (marketing, and perhaps tracking of clicks and opens), withdrawn by some."""
    crowd = world.crowd
    events: list[tuple[int, int, str, str]] = []
    for person in range(world.persons):
        given, gone = int(crowd.permits[person]), int(crowd.withdraws[person])
        if given >= min(NEVER, world.end):
            continue
        events.append((given, person, "marketing", "given"))
        events += [(given, person, "track_click", "given")] if crowd.tracks[person] else []
        events += [(given, person, "track_open", "given")] if crowd.shows[person] else []
        events += [(gone, person, "marketing", "withdrawn")] if gone < world.end else []
    for at, person, purpose, status in sorted(events):
        source = "preference-centre" if status == "withdrawn" else ("account" if crowd.existing[person] else "sign-up")
        yield {
            "person": f"userId:{crowd.user_id(person)}",
            "channel": "email",
            "address": crowd.email(person),
            "purpose": purpose,
            "status": status,
            "at": format_moment(at),
            "source": source,
            "wording": "" if status == "withdrawn" else WORDINGS[purpose],
            "evidence": f"form:{source}:{crowd.user_id(person)}",
        }


def write(world: World, folder: Path, *, since: int | None = None, until: int | None = None) -> Written:
    """Writes events.jsonl (of (since, until], µs), people.csv, products.csv and consents.csv; the folder is made."""
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    with (folder / "events.jsonl").open("wb") as out:
        for line in world.jsonl(since, until):
            out.write(line)
            count += 1
    rows = {"events.jsonl": count}
    for name, columns, source in (
        ("people.csv", PEOPLE_COLUMNS, people(world)),
        ("products.csv", PRODUCT_COLUMNS, products(world)),
        ("consents.csv", CONSENT_COLUMNS, consents(world)),
    ):
        rows[name] = _write_csv(folder / name, columns, source)
    return Written(folder, rows)


def _write_csv(path: Path, columns: tuple[str, ...], rows: Iterator[dict[str, Any]]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, columns, restval="")
        writer.writeheader()
        for row in rows:
            writer.writerow(row)
            count += 1
    return count
