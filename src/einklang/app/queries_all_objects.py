"""What the screens ask about the business objects of everybody: by the index, worked out from the histories.

A page reads the index in order of (id, person) and folds the objects of those persons alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from einklang.app.answers import Page, shown
from einklang.app.ports import Reader
from einklang.app.queries import SEARCH_CHARS_MAX, Many, bad_cursor, limit_of, load, numbers_of
from einklang.app.queries_objects import ObjectItem, as_item, known_kind, objects_of, owners_of
from einklang.app.working import from_json
from einklang.kernel.errors import InputError, NotFound
from einklang.kernel.ids import lane_of
from einklang.profile import PERSON, Kind, Object

_LAST = "\U0010ffff"
_SPLIT = "|"
#: Pages of the index that one answer reads: where few objects of groups are in the state, the answer may be short.
_ROUNDS_MAX = 5
Row = tuple[str, str]


class Holder(msgspec.Struct):
    """A person to whom an object belongs."""

    person_id: str
    label: str


class HeldObject(msgspec.Struct):
    """An object with those to whom it belongs; group: the type and id of the group that owns it."""

    object: ObjectItem
    persons: list[Holder]
    group: str | None


class Found(msgspec.Struct):
    """A business object that a search found: where its page is."""

    kind: str
    id: str
    person_id: str
    label: str


class Waiting(msgspec.Struct):
    """An event that names nobody, and waits for the owner of the object of which it speaks."""

    seq: int
    kind: str
    id: str
    name: str
    at: str | None
    source: str


class _Folded:
    """The objects of owners, folded once an answer."""

    def __init__(self, reader: Reader, kind: Kind, now: int) -> None:
        self.reader, self.kind, self.now = reader, kind, now
        self._people: dict[str, tuple[str, list[str]]] = {}
        self._objects: dict[str, dict[str, Object]] = {}

    def owner(self, person: str) -> tuple[str, list[str]]:
        """The group that owns what this person has, "" for the person alone; and the persons whose events make it."""
        if person not in self._people:
            found = load(self.reader, person)[1]
            one = found.groups.get(self.kind.owner) if self.kind.owner != PERSON else None
            group = f"{self.kind.owner} {one.id}" if one is not None and one.id else ""
            self._people[person] = group, owners_of(self.reader, self.kind, found)
        return self._people[person]

    def get(self, key: str, person: str) -> Object | None:
        """The object as this person has it now."""
        group, people = self.owner(person)
        owner = group or person
        if owner not in self._objects:
            found = objects_of(self.reader, self.kind, people, self.now)
            self._objects[owner] = {one.id: one for one in found}
        return self._objects[owner].get(key)

    def first(self, key: str, person: str) -> list[str]:
        """The persons of the index who have this very object, if this one is the first of them; else none."""
        group, people = self.owner(person)
        if not group:
            return [person]
        rows = self.reader.read("object_owners", self.kind.id, key)
        same = sorted({str(row[0]) for row in rows} & set(people) | {person})
        return same if same[0] == person else []


def objects(
    reader: Many, known: Mapping[str, Kind], name: str, *, state: str, q: str, cursor: str, limit: int, now: int
) -> Page[HeldObject]:
    """The objects of a kind of everybody, by id; q: how the id begins. Raises NotFound `unknown_object`, InputError."""
    limit_of(limit)
    kind = known_kind(known, name)
    if len(q) > SEARCH_CHARS_MAX:
        raise InputError("too_long", f"{len(q)} characters", where="q", mend=f"search for at most {SEARCH_CHARS_MAX}")
    after = _place(cursor)
    ask = _asked(reader, kind, q.strip(), state)
    folded, found = _Folded(reader, kind, now), list[tuple[Row, HeldObject]]()
    following: Row | None = after
    for _ in range(_ROUNDS_MAX):
        rows = ask(following or ("", ""), limit + 1)
        found += [(row, held) for row in rows[:limit] for held in _held(reader, folded, row, state)]
        following = rows[limit - 1] if len(rows) > limit else None
        if following is None or len(found) >= limit:
            break
    if len(found) > limit:
        following = found[limit - 1][0]
    return Page([held for _, held in found[:limit]], None if following is None else _SPLIT.join(following))


def of_group(
    reader: Many, known: Mapping[str, Kind], group: tuple[str, str], name: str, *, cursor: str, limit: int, now: int
) -> Page[HeldObject]:
    """The objects of all members of a group (type, id), by id. Raises NotFound `unknown_object`, InputError."""
    limit_of(limit)
    kind = known_kind(known, name)
    key, person = _place(cursor)
    rows = reader.read("objects_of_party", kind.id, key, key, person, *group, limit + 1)
    folded = _Folded(reader, kind, now)
    items = [held for row in rows[:limit] for held in _held(reader, folded, (str(row[0]), str(row[1])), "")]
    return Page(items, _SPLIT.join(map(str, rows[limit - 1])) if len(rows) > limit else None)


def one(reader: Many, known: Mapping[str, Kind], name: str, key: str, *, now: int) -> Page[HeldObject]:
    """The object of an id, of each person who has one. Raises NotFound `unknown_object`."""
    kind = known_kind(known, name)
    folded = _Folded(reader, kind, now)
    rows = sorted((key, str(row[0])) for row in reader.read("object_owners", kind.id, key))
    found = [held for row in rows for held in _held(reader, folded, row, "")]
    if not found:
        what = f"no {kind.id} {key[:60]!r}"
        raise NotFound("unknown_object", what, where="id", mend=f"see GET /api/objects/{kind.id}")
    return Page(found)


def search(reader: Many, known: Mapping[str, Kind], q: str, limit: int) -> Page[Found]:
    """Objects of any kind whose id begins with a text. Raises InputError."""
    limit_of(limit)
    wanted = q.strip()
    if not wanted or len(wanted) > SEARCH_CHARS_MAX:
        what = f"{len(wanted)} characters"
        raise InputError("bad_search", what, where="q", mend=f"search for 1 to {SEARCH_CHARS_MAX} characters")
    rows: list[tuple[str, str, str]] = []
    for name in known:
        page = reader.read("objects_page", name, wanted, wanted + _LAST, "", "", limit)
        rows += [(name, str(key), str(person)) for key, person in page]
    labels = _labels(reader, [person for _, _, person in rows[:limit]])
    return Page([Found(kind, key, person, labels.get(person, person)) for kind, key, person in rows[:limit]])


def waiting(reader: Reader, cursor: str, limit: int) -> Page[Waiting]:
    """What waits for an owner, the oldest first; an event that speaks of two objects is there twice."""
    limit_of(limit)
    after = numbers_of(cursor, 1)[0] if cursor else 0
    rows = reader.read("object_waiting_page", after, limit + 1)
    shown_rows = rows[:limit]
    while len(rows) > limit and len(shown_rows) > 1 and shown_rows[-1][0] == rows[limit][0]:
        shown_rows.pop()  # all of one event on one page
    items = []
    for seq, kind, key, body in shown_rows:
        event = from_json(body)
        items.append(Waiting(seq, kind, key, event["name"], shown(event["at"]), event["source"]))
    return Page(items, str(shown_rows[-1][0]) if len(rows) > len(shown_rows) else None)


def _place(cursor: str) -> Row:
    key, mark, person = cursor.rpartition(_SPLIT)
    if cursor and not mark:
        raise bad_cursor(cursor)
    return key, person


def _asked(reader: Reader, kind: Kind, q: str, state: str) -> Callable[[Row, int], list[Row]]:
    """(after, limit) -> rows of the index, in the state if the index knows it."""

    def page(after: Row, limit: int) -> list[Row]:
        rest = (max(q, after[0]), q + _LAST, *after, limit)
        if not state or kind.owner != PERSON:
            rows = reader.read("objects_page", kind.id, *rest)
        else:
            rows = reader.read("objects_page_in", kind.id, state, *rest)
        return [(str(key), str(person)) for key, person in rows]

    return page


def _held(reader: Many, folded: _Folded, row: Row, state: str) -> list[HeldObject]:
    """The object of a row of the index, unless it is in another state or shown with another person."""
    key, person = row
    known = folded.get(key, person)
    people = folded.first(key, person) if known is not None and (not state or known.state == state) else []
    if known is None or not people:
        return []
    labels = _labels(reader, people)
    holders = [Holder(one, labels.get(one, one)) for one in people]
    return [HeldObject(as_item(folded.kind, known, folded.now), holders, folded.owner(person)[0] or None)]


def _labels(reader: Many, people: list[str]) -> dict[str, str]:
    return dict(reader.read_many("person_label", [(lane_of(person), person) for person in sorted(set(people))]))
