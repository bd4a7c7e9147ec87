"""What the screens ask about the home and its persons. Reads only; every list is paged by a cursor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

import msgspec

from einklang.app import answers
from einklang.app.answers import Page, shown
from einklang.app.find import person_id
from einklang.app.ports import Reader, Row
from einklang.app.products import as_of
from einklang.app.working import from_json
from einklang.consent import split_key
from einklang.fact.person import Permission, Person, Run
from einklang.kernel import time
from einklang.kernel.errors import InputError, NotFound
from einklang.kernel.ids import lane_of

LIMIT_MAX = 200
SEARCH_CHARS_MAX = 200
_PERSON = msgspec.json.Decoder(Person, float_hook=Decimal)
_RUN = msgspec.json.Decoder(Run, float_hook=Decimal)
_NEWEST = 2**62


class Many(Reader, Protocol):
    """A reader that also runs one statement for many rows at once."""

    def read_many(self, name: str, rows: Iterable[Sequence[Any]]) -> list[Row]: ...


@dataclass(frozen=True, slots=True)
class Figures:
    """What metrics tell: counters, events stored and not folded, age of the oldest waiting body, outbox by status; of
    destinations: changes of webhooks by status, and which failed the last time or are held.
    """

    counters: dict[str, int]
    pending: int
    tail_age_s: float
    outbox: list[tuple[str, int]]
    deliveries: list[tuple[str, str, int]]
    destinations: list[tuple[str, bool]]


def figures(reader: Reader, now: int) -> Figures:
    """The figures of this moment."""
    counters: dict[str, int] = dict(reader.read("counters"))
    waiting, oldest = reader.read("tail_waiting")[0]
    age = max(0, now - oldest) / time.SECOND if oldest is not None else 0.0
    outbox = [(status, count) for status, count in reader.read("outbox_counts")]
    deliveries = [(name, status, count) for name, status, count, *_ in reader.read("delivery_counts")]
    stands = [(name, bool(error or held)) for name, error, held in reader.read("destination_faults")]
    return Figures(counters, _pending(counters, waiting), age, outbox, deliveries, stands)


def _pending(counters: dict[str, int], waiting: int) -> int:
    """Not yet expanded, and expanded but not yet folded."""
    return int(waiting) + max(0, counters.get("in_log", 0) - counters.get("projected", 0))


@dataclass(frozen=True, slots=True)
class About:
    """What the home's status says beside the counts."""

    version: str
    home: str
    company: str
    mode: str


def status(reader: Reader, about: About, *, now: int, zone: str) -> answers.Status:
    """The counts of the home. zone: of the policy, in which `today` begins."""
    counters: dict[str, int] = dict(reader.read("counters"))
    waiting = reader.read("tail_waiting")[0][0]
    touched = reader.read("last_touch") or reader.read("last_seen")
    kinds = [row[0] for row in reader.read("definition_positions")]
    today = time.start_of_day(time.day_of(now, zone), zone)
    return answers.Status(
        version=about.version,
        home=about.home,
        company=about.company,
        now=time.format_moment(now),
        mode=about.mode,
        persons=reader.read("person_count")[0][0],
        events=counters.get("in_log", 0),
        pending=_pending(counters, waiting),
        dead_letters=counters.get("dead_letters", 0),
        duplicates=counters.get("duplicates", 0),
        messages_today=reader.read("messages_since", today)[0][0],
        last_event_at=shown(touched[0][0]) if touched else None,
        segments=kinds.count("segment"),
        journeys=kinds.count("journey"),
    )


# --- cursors ---


def limit_of(limit: int) -> int:
    """A limit within bounds. Raises InputError `bad_limit`."""
    if not 1 <= limit <= LIMIT_MAX:
        raise InputError("bad_limit", f"{limit} is no length of a page", where="limit", mend=f"use 1 to {LIMIT_MAX}")
    return limit


def bad_cursor(cursor: str) -> InputError:
    """What a cursor that is not one of ours raises."""
    return InputError(
        "bad_cursor", f"not a cursor: {cursor[:40]!r}", where="cursor", mend="use `next` of the page before"
    )


def numbers_of(cursor: str, count: int, separator: str = ".") -> list[int]:
    """The whole numbers of a cursor. Raises InputError `bad_cursor`."""
    parts = cursor.split(separator)
    if len(parts) != count or not all(
        part.removeprefix("-").isdecimal() and part.isascii() and len(part) <= 20 and abs(int(part)) < 2**63
        for part in parts
    ):
        raise bad_cursor(cursor)
    return [int(part) for part in parts]


def pattern_of(text: str) -> str:
    """The LIKE pattern (lower case, escaped by !) of texts that hold this; any sign stands for what is not ASCII."""
    return "%" + "".join("!" + s if s in "!%_" else s if s.isascii() else "_" for s in text.lower()) + "%"


# --- persons ---


def persons(reader: Reader, q: str, cursor: str, limit: int) -> Page[answers.PersonItem]:
    """Persons, the last seen first; q: part of a name or identifier. Raises InputError."""
    limit_of(limit)
    if len(q) > SEARCH_CHARS_MAX:
        raise InputError("too_long", f"{len(q)} characters", where="q", mend=f"search for at most {SEARCH_CHARS_MAX}")
    seen, person = _NEWEST, ""
    if cursor:
        head, _, person = cursor.partition("_")
        (seen,) = numbers_of(head, 1)
    wanted = q.strip()
    if wanted:
        like = pattern_of(wanted)
        rows = reader.read("persons_matching", seen, seen, person, like, like, limit + 1)
    else:
        rows = reader.read("persons_newest", seen, seen, person, limit + 1)
    following = f"{rows[limit - 1][2]}_{rows[limit - 1][0]}" if len(rows) > limit else None
    items = [item_of(row) for row in rows[:limit]]
    return Page([item for item in items if _holds(item, wanted)], following)


def _holds(item: answers.PersonItem, wanted: str) -> bool:
    """Whether the text is in there, beyond ASCII too."""
    low = wanted.casefold()
    return wanted.isascii() or any(
        low in text.casefold() for text in (item.label, *(one.value for one in item.identifiers))
    )


def item_of(row: Row) -> answers.PersonItem:
    """A person in a list, from (person, label, last_seen_at, state)."""
    person_, label, last_seen_at, state = row
    person = _PERSON.decode(state)
    return answers.PersonItem(
        person_id=person_,
        label=label,
        known=is_known(person),
        identifiers=[answers.Identifier(kind, value, shown(first_at)) for kind, value, first_at in person.identifiers],
        country=country_of(person),
        last_seen_at=shown(last_seen_at),
        segments=sorted(name for name, found in person.memberships.items() if found.member),
    )


def items_of(reader: Many, ids: Iterable[str]) -> list[answers.PersonItem]:
    """Persons in a list, in the order of the ids."""
    return [item_of(row) for row in reader.read_many("person_row", [(lane_of(id_), id_) for id_ in ids])]


def is_known(person: Person) -> bool:
    """Whether there is more than devices."""
    return any(kind != "anonymousId" for kind, _, _ in person.identifiers)


def country_of(person: Person) -> str | None:
    """Trait `country`, else that of the address."""
    found = person.traits.get("country")
    value = found.value if found is not None else None
    if value is None and "address" in person.traits:
        address = person.traits["address"].value
        value = address.get("country") if isinstance(address, dict) else None
    return value if isinstance(value, str) else None


def load(reader: Reader, text: str) -> tuple[Row, Person]:
    """The row and state of a living person by id or kind:value. Raises NotFound `unknown_person`."""
    living = person_id(reader, text)
    rows = reader.read("person_row", lane_of(living), living)
    if not rows:
        mend = "look the person up by kind:value, such as email:a@b.example"
        raise NotFound("unknown_person", f"nobody is known as {text[:80]!r}", where="id", mend=mend)
    return rows[0], _PERSON.decode(rows[0][3])


def person(reader: Reader, text: str) -> answers.Person:
    """All that is known of a person. Raises NotFound `unknown_person`."""
    row, found = load(reader, text)
    lane = lane_of(found.id)
    since = reader.read("segments_of", lane, found.id)
    return answers.Person(
        person_id=found.id,
        label=row[1],
        known=is_known(found),
        identifiers=[answers.Identifier(kind, value, shown(first_at)) for kind, value, first_at in found.identifiers],
        traits={
            name: answers.TraitValue(trait.value, shown(trait.at))
            for name, trait in sorted(found.traits.items())
            if trait.value is not None
        },
        consents=_consents(reader.read("ledger_of", lane, found.id), found.permissions),
        segments=[answers.SegmentSince(segment, time.format_moment(at)) for segment, at in since],
        stages=[
            answers.StageAt(name, stand.stage, time.format_moment(stand.since))
            for name, stand in sorted(found.stages.items())
            if stand.stage is not None
        ],
        journeys=[_run(body) for (body,) in reversed(reader.read("runs_of", lane, found.id))],
        created_at=shown(found.created_at),
        last_seen_at=shown(found.last_seen_at),
        aliases=[alias for (alias,) in reader.read("aliases_of", found.id)],
    )


def _consents(ledger: list[Row], permissions: dict[str, Permission]) -> list[answers.Consent]:
    """The person's permissions, each with the row of the ledger that it comes from."""
    proofs = {(row[1], row[2], row[4], row[5]): row for row in ledger}
    found = []
    for key, word in sorted(permissions.items()):
        channel, purpose, address, _ = split_key(key)
        row = proofs.get((word.seq, channel, purpose, word.status))
        source, wording, evidence = (row[7], row[8], row[10]) if row else ("", "", "")
        at, ends = shown(word.at) or "", shown(word.until or None) or ""
        found.append(answers.Consent(channel, address, purpose, word.status, at, source, wording, evidence, ends))
    return found


def _run(body: bytes) -> answers.PersonRun:
    run = _RUN.decode(body)
    return answers.PersonRun(
        journey=run.journey,
        version=run.version,
        run=run.id,
        status=run.status,
        step=run.step or None,
        arm=run.arm,
        key=run.key or None,
        entered_at=time.format_moment(run.entry.clock),
        ended_at=shown(run.ended_at),
        goal=run.goal_at is not None,
    )


# --- products ---

#: Rows that are looked through at once for what is searched.
_PRODUCTS_AT_ONCE = 1_000


def products(reader: Reader, cursor: str, limit: int, q: str = "", *, now: int) -> Page[answers.Product]:
    """The catalog `products` in order of its key, with the prices of now. q: part of the key, name, category or brand,
    whatever its case.
    """
    limit_of(limit)
    found: list[answers.Product] = []
    low = q.casefold()
    while rows := reader.read("catalog_page", "products", cursor, max(limit + 1, _PRODUCTS_AT_ONCE if q else 0)):
        for key, body in rows:
            one = _product(key, as_of(from_json(body), now))
            if any(low in (text or "").casefold() for text in (key, one.name, one.category, one.brand)):
                found.append(one)
            if len(found) > limit:
                return Page(found[:limit], found[limit - 1].product_id)
        cursor = rows[-1][0]
    return Page(found)


def _product(key: str, row: Mapping[str, Any]) -> answers.Product:
    name, category, brand = (
        value if isinstance(value := row.get(field), str) else None for field in ("name", "category", "brand")
    )
    price = row.get("price")
    money = price if isinstance(price, int | Decimal) and not isinstance(price, bool) else None
    return answers.Product(key, name, category, brand, money, dict(row))
