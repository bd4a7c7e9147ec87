"""Identity as the engine writes it into the Book: the tables against the naive truth, in any order and any batches."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from einklang.app.apply import Body
from einklang.event import EngineCall, Event, body_of
from einklang.kernel.ids import lane_of
from einklang.kernel.limits import IDENTIFIERS_PER_KIND_MAX
from einklang.store.book import SqliteBook
from tests.app.worlds import HOUR, SALT, START, home, run
from tests.identity.identity_logs import VALUES, shuffled
from tests.identity.identity_oracle import truth


def call_of(happened: Event) -> EngineCall:
    """The event as an importer would write it."""
    said = dict(happened.identifiers)
    return EngineCall(
        type=happened.type,
        event="Something Done" if happened.type == "track" else None,
        userId=said.get("userId"),
        anonymousId=said.get("anonymousId"),
        previousId=said.get("previousId"),
        identifiers={kind: said[kind] for kind in ("email", "phone") if kind in said},
        at=START + happened.at * HOUR,
        messageId=happened.message_id,
    )


def received(book: SqliteBook, happened: Event) -> None:
    """Append one event as it came: from whom, and when."""
    at = START + happened.received_at * HOUR
    book.append([Body(1, at, happened.source, "import", body_of([call_of(happened)]))])


def owners(book: SqliteBook) -> dict[tuple[str, str], str]:
    """Table `identifier`, for the values of the random logs."""
    values = {**VALUES, "userId": list("uvwab"), "anonymousId": list("abcduvw")}
    found = {}
    for kind in values:
        for value in values[kind]:
            for person, *_ in book.read("identifier_get", kind, value):
                found[kind, value] = person
    return found


@given(shuffled(), st.integers(1, 5), st.sampled_from([1, 3, 100]))
@settings(max_examples=40, deadline=None)
def test_the_tables_hold_the_truth(both: tuple[list[Event], list[Event]], part: int, batch: int) -> None:
    """Owners of identifiers, the person of each event in the history, and aliases that lead to the living."""
    events, order = both
    with home() as book:
        for first in range(0, len(order), part):
            for happened in order[first : first + part]:
                received(book, happened)
            run(book, (batch,))
        expected = truth(events, bytes.fromhex(SALT), IDENTIFIERS_PER_KIND_MAX, 10)
        assert owners(book) == expected.persons
        living = set(expected.persons.values()) | set(expected.attribution.values())
        histories = {person: book.read("history_of", lane_of(person), person) for person in living}
        attributed = {row[7]: person for person, rows in histories.items() for row in rows if not row[4]}
        assert attributed == expected.attribution
        for person in living:
            assert not book.read("alias_get", person), "a living person is no alias"
            for (alias,) in book.read("aliases_of", person):
                assert alias not in living
