"""The promises of contract.md and language.md from outside: commands and lake files, against sums done by hand.

Nothing here looks into the product: what is expected comes from plain Python over the events that went in."""

from __future__ import annotations

import email
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.policy import default
from email.utils import parsedate_to_datetime
from pathlib import Path
from statistics import mean
from typing import Any

import polars as pl
import pytest

from einklang.main.cli import main

pytestmark = pytest.mark.slow

Row = dict[str, Any]
START = datetime(2026, 1, 5, tzinfo=UTC)
POLICY = "{kind: policy, id: default, timezone: Europe/Berlin"
CONSENTS = "person,channel,address,purpose,status,at,source,wording,evidence\n"


def moment(at: datetime) -> str:
    """A moment as one writes it, with all its microseconds."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def track(name: str, at: datetime | str, user: str | None, device: str | None = None, **properties: Any) -> Row:
    """A Segment track call; the message id follows from what it says."""
    when = at if isinstance(at, str) else moment(at)
    row = {"type": "track", "event": name, "timestamp": when, "userId": user, "anonymousId": device}
    return {**row, "messageId": f"{user}-{device}-{name}-{when}", "properties": properties}


def identify(user: str, **traits: Any) -> Row:
    """A Segment identify call from before everything else."""
    return {
        "type": "identify",
        "messageId": f"i-{user}",
        "userId": user,
        "timestamp": "2025-12-01T00:00:00Z",
        "traits": {"email": f"{user}@x.example", "language": "en", **traits},
    }


def consent(user: str, purpose: str = "marketing", status: str = "given", at: str = "2025-12-01T00:00:00Z") -> str:
    """A line of a consent file."""
    return f"userId:{user},email,{user}@x.example,{purpose},{status},{at},form,w1,e1\n"


class Company:
    """A home, driven by commands alone."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A new home with a fixed salt."""
        self.folder, self.home, self.capsys, self.files = folder, folder / "home", capsys, 0
        folder.mkdir(exist_ok=True)
        assert set(self.ask("init", "--salt", "ab" * 16)) >= {"home", "write_key", "server_key"}

    def ask(self, *words: str) -> Any:
        """The one JSON document that a command prints."""
        self.capsys.readouterr()
        assert main([*words, "--home", str(self.home), "--json"]) == 0, self.capsys.readouterr().err
        return json.loads(self.capsys.readouterr().out)

    def file(self, ending: str, text: str) -> str:
        """A new file with this text."""
        self.files += 1
        path = self.folder / f"{self.files}.{ending}"
        path.write_text(text, encoding="utf-8")
        return str(path)

    def apply(self, text: str) -> None:
        """Definitions."""
        self.ask("apply", self.file("yaml", text))

    def events(self, rows: list[Row]) -> None:
        """Events by JSON Lines; every row is taken."""
        done = self.ask("import", "events", self.file("jsonl", "".join(json.dumps(row) + "\n" for row in rows)))
        assert (done["accepted"], done["rejected"]) == (len(rows), 0)

    def consents(self, lines: list[str]) -> None:
        """Consents by CSV; every row is taken."""
        done = self.ask("import", "consents", self.file("csv", CONSENTS + "".join(lines)))
        assert (done["accepted"], done["rejected"]) == (len(lines), 0)

    def person(self, user: str) -> str:
        """The id of a person."""
        return str(self.ask("person", "show", f"userId:{user}")["person_id"])

    def mails(self) -> list[tuple[str, str, datetime]]:
        """Address, subject and date of each mail in the outbox, by date."""
        found = []
        for path in (self.home / "outbox" / "email").glob("*.eml"):
            mail = email.message_from_bytes(path.read_bytes(), policy=default)
            found.append((mail["To"].addresses[0].addr_spec, str(mail["Subject"]), parsedate_to_datetime(mail["Date"])))
        return sorted(found, key=lambda mail: (mail[2], mail[0]))

    def lake(self, table: str) -> list[Row]:
        """A table of the lake, read without Einklang."""
        return pl.read_delta(str(self.home / "lake" / table)).to_dicts()


@pytest.fixture
def company(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Company:
    """An empty home."""
    return Company(tmp_path, capsys)


#: Orders of each person in hours after START, chosen so that windows of 1 to 14 days end on one another's bounds.
ORDERS = {f"u{n}": sorted({(n * 7 + k * k * 24) % 480 for k in range(n % 5)}) for n in range(12)}
DAY = timedelta(days=1)


def orders(user: str, until: datetime, window: timedelta | None = None) -> list[datetime]:
    """The orders of a person in the half-open window that ends at `until`, itself included."""
    since = datetime.min.replace(tzinfo=UTC) if window is None else until - window
    return [at for hours in ORDERS[user] if since < (at := START + timedelta(hours=hours)) <= until]


#: (id, expression, the same by hand)
SEGMENTS: list[tuple[str, str, Callable[[str, datetime], bool]]] = [
    ("in-3d", 'events("Order").within("3d").exists()', lambda u, t: bool(orders(u, t, 3 * DAY))),
    ("two-in-14d", 'events("Order").within("14d").count() >= 2', lambda u, t: len(orders(u, t, 14 * DAY)) >= 2),
    ("none", '!events("Order").exists()', lambda u, t: not orders(u, t)),
    (
        "old",
        'events("Order").last(event.at) <= now - duration("2d")',
        lambda u, t: bool(orders(u, t)) and orders(u, t)[-1] <= t - 2 * DAY,
    ),
    ("before-5d", 'events("Order").until(now - duration("5d")).exists()', lambda u, t: bool(orders(u, t - 5 * DAY))),
    ("tenths", 'events("Order").sum(x) == 0.3', lambda u, t: len(orders(u, t)) == 3),
    (
        "both",
        'segment("in-3d") && !segment("two-in-14d")',
        lambda u, t: bool(orders(u, t, 3 * DAY)) and len(orders(u, t, 14 * DAY)) < 2,
    ),
]


def test_segments_at_instants_on_their_bounds(company: Company) -> None:
    """Members at a moment, also exactly on a bound and just before it; at the end they are those who live."""
    company.apply("---\n".join(f"kind: segment\nid: {name}\nwhere: '{where}'\n" for name, where, _ in SEGMENTS))
    company.events([identify(user) for user in ORDERS])
    company.events([track("Order", at, user, x=0.1) for user in ORDERS for at in orders(user, START + 30 * DAY)])
    end = START + 21 * DAY
    company.ask("run", "--until", moment(end))
    ids = {company.person(user): user for user in ORDERS}
    tick = timedelta(microseconds=1)
    bounds = [orders(f"u{n}", end)[0] + days * DAY for n, days in ((3, 3), (4, 14), (6, 2), (8, 5), (9, 0))]
    for name, _, holds in SEGMENTS:
        for at in (None, end, *bounds, *(bound - tick for bound in bounds[:3])):
            asked = company.ask("segment", "members", name, *(("--at", moment(at)) if at else ()))
            members = sorted(ids[person] for person in asked["members"])
            assert members == sorted(user for user in ORDERS if holds(user, at or end)), (name, at)
    assert company.ask("segment", "count", "none")["count"] == sum(not orders(user, end) for user in ORDERS)
    assert company.ask("verify")["ok"] is True


def test_events_of_a_shared_device(company: Company) -> None:
    """Anonymous events belong to who was signed in, those before the first sign-in to the first one; null is absent."""
    day = [moment(START + n * DAY) for n in range(8)]
    company.events(
        [
            *(track("View", day[n], None, "tablet") for n in (0, 2, 4, 6)),
            *(track("Login", day[n], user, "tablet") for n, user in ((1, "ann"), (3, "ben"), (5, "ann"))),
            track("View", day[7], "cleo", None),
        ]
    )
    company.ask("run", "--until", moment(START + 9 * DAY))
    living = {row["person_id"]: row["living_id"] for row in company.lake("persons")}
    seen = [row for row in company.lake("events") if row["name"] == "View"]
    found = [living[row["person_id"]] for row in sorted(seen, key=lambda row: row["at"])]
    assert found == [company.person(user) for user in ("ann", "ann", "ben", "ann", "cleo")]
    assert [row["at"] for row in sorted(seen, key=lambda row: row["at"])] == [START + n * DAY for n in (0, 2, 4, 6, 7)]
    entries = sorted(company.lake("events"), key=lambda row: row["seq"])
    assert [row["clock"] for row in entries] == sorted(row["clock"] for row in entries)
    assert len({row["position"] for row in entries}) == len(entries)


WAITS = """
kind: journey
id: waits
entry: {event: Go}
steps:
  - {id: calendar, wait: 1d}
  - {id: a, set: {mark: a}}
  - {id: exact, wait: 24h}
  - {id: b, set: {mark: b}}
  - {id: nine, wait: {for: 1h, at: "09:00"}}
  - {id: c, set: {mark: c}}
  - {id: tuesday, wait: {for: 1d, at: ["08:00", "18:00"], days: [TUE, THU]}}
  - {id: d, set: {mark: d}}
  - {id: month, wait: 1mo}
  - {id: e, set: {mark: e}}
---
kind: journey
id: reply
entry: {event: Ask}
steps:
  - {id: q, until: 'events("Reply").since(entry).exists()', at_most: 2h, then: answered, else: silent}
  - {id: answered, set: {mark: answered}, then: end}
  - {id: silent, set: {mark: silent}}
"""


def test_waits_over_a_change_of_the_clock(company: Company) -> None:
    """A day is a day of the calendar, 24 hours are 24 hours; an event at the very end of an `until` is in time."""
    company.apply(POLICY + "}\n---" + WAITS)
    replies = {"in-time": "12:00:00Z", "late": "12:00:00.000001Z", "at-entry": "10:00:00Z"}
    company.events([track("Go", "2026-03-28T10:00:00Z", "gus")])
    for user, reply in replies.items():
        company.events([track("Ask", "2026-03-01T10:00:00Z", user), track("Reply", f"2026-03-01T{reply}", user)])
    company.ask("run", "--until", "2026-06-01T00:00:00Z")
    people = {company.person(user): user for user in ("gus", *replies)}
    marks: dict[str, list[tuple[str, str]]] = {}
    for row in sorted(company.lake("events"), key=lambda row: row["seq"]):
        if row["type"] == "identify":
            marks.setdefault(people[row["person_id"]], []).append(
                (json.loads(row["properties"])["mark"], row["at"].strftime("%m-%dT%H:%M"))
            )
    assert marks["gus"] == [
        *(("a", "03-29T09:00"), ("b", "03-30T09:00"), ("c", "03-31T07:00"), ("d", "04-02T06:00"), ("e", "05-02T06:00"))
    ]
    assert {user: marks[user][0][0] for user in replies} == {
        "in-time": "answered",
        "late": "silent",
        "at-entry": "silent",
    }


DOOR = """, patience: 2d, caps: [{at_most: 2, per: 7d}], quiet: [{channels: email, from: "20:00", to: "08:00"}]}
---
kind: journey
id: door
entry: {event: Go, key: k, reenter: always}
steps:
  - {id: a, contact: hello, channels: email}
---
kind: message
id: hello
purpose: marketing
class: marketing
email: {subject: {de: Hallo, en: Hello}, text: {de: Guten Tag, en: Good day}}
"""


def test_the_door_holds_and_denies(company: Company) -> None:
    """Sliding caps, quiet hours to their end, patience, consent and its withdrawal, and the language of the person."""
    company.apply(POLICY + DOOR)
    company.events([identify(user) for user in ("cap", "night", "noel", "gone")] + [identify("hans", language="de")])
    company.consents([consent(user) for user in ("cap", "night", "gone", "hans")])
    company.consents([consent("gone", status="withdrawn", at="2026-01-06T12:00:00Z")])
    entries = {
        "cap": ["05T10:00:00", "06T10:00:00", "07T10:00:00", "10T10:00:00", "12T09:59:59"],
        "night": ["05T18:59:59.999999", "05T19:00:00", "20T07:00:00", "28T06:59:59"],
        "gone": ["06T11:59:59", "06T12:00:00"],
        "noel": ["05T22:00:00"],
        "hans": ["05T12:00:00"],
    }
    goes = [(user, f"2026-01-{at}Z") for user, times in entries.items() for at in times]
    company.events([track("Go", at, user, k=at) for user, at in goes])
    company.ask("run", "--until", "2026-02-10T00:00:00Z")
    sent = [(to.split("@")[0], subject, at.strftime("%dT%H:%M:%S")) for to, subject, at in company.mails()]
    assert sent == [
        ("cap", "Hello", "05T10:00:00"),
        ("hans", "Hallo", "05T12:00:00"),
        ("night", "Hello", "05T18:59:59"),
        ("night", "Hello", "06T07:00:00"),
        ("cap", "Hello", "06T10:00:00"),
        ("gone", "Hello", "06T11:59:59"),
        ("cap", "Hello", "12T10:00:00"),
        ("cap", "Hello", "13T10:00:00"),
        ("night", "Hello", "20T07:00:00"),
        ("night", "Hello", "28T07:00:00"),
    ]
    denied = [(row["reason"], row["clock"]) for row in company.ask("why", "userId:noel")["verdicts"]]
    assert denied == [("no_consent", "2026-01-05T22:00:00Z")]


MEASURED = """, holdout: 0.1, caps: [{at_most: 1, per: 3d}]}
---
kind: journey
id: win
entry: {event: Go, key: k, reenter: always}
goal: {event: Order Completed, within: 7d, value: revenue}
control: 0.3
exit: {bought: 'events("Order Completed").since(entry).exists()'}
steps:
  - {id: a, contact: win, channels: email, else: end}
  - {id: pause, wait: 1d}
---
kind: message
id: win
purpose: marketing
class: marketing
email: {subject: Hello, text: "See https://shop.example/x?a=1"}
"""
BUYERS = [f"b{n}" for n in range(90)]
GOES = [(user, START + timedelta(hours=n * 5 % 120), n % 3) for n, user in enumerate(BUYERS + BUYERS[::2])]
BOUGHT = [(user, START + timedelta(hours=n * 11 % 380, minutes=30), 10 + n % 7) for n, user in enumerate(BUYERS[::3])]


def measured(folder: Path, capsys: pytest.CaptureFixture[str], *, backwards: bool) -> Company:
    """A home that measured a journey; the files come in one order or the other."""
    company = Company(folder, capsys)
    company.apply(POLICY + MEASURED)
    files = [
        [identify(user) for user in BUYERS],
        [track("Go", at, user, k=key) for user, at, key in GOES],
        [track("Order Completed", at, user, revenue=revenue) for user, at, revenue in BOUGHT],
    ]
    for rows in reversed(files) if backwards else files:
        company.events(rows)
    lines = [consent(user) for n, user in enumerate(BUYERS) if n % 8]
    company.consents(lines + [consent(user, "track_click") for n, user in enumerate(BUYERS) if n % 8 == 1])
    company.ask("run", "--until", moment(START + 20 * DAY))
    return company


def test_report_follows_from_the_lake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """n, buyers, revenue and estimate from assignments and orders; equal if files come backwards."""
    company, other = (measured(tmp_path / f"{n}", capsys, backwards=bool(n)) for n in (0, 1))
    user_of = {company.person(user): user for user in BUYERS}
    first: dict[str, Row] = {}
    for row in sorted(company.lake("assignments"), key=lambda row: row["decided_at"]):
        if row["would_contact"] and row["scope"] == "journey:win":
            first.setdefault(row["person_id"], row)
    spent: dict[str, list[int]] = {"treated": [], "control": []}
    for person, row in first.items():
        window = (row["decided_at"], row["decided_at"] + 7 * DAY)
        paid = [revenue for user, at, revenue in BOUGHT if user == user_of[person] and window[0] < at <= window[1]]
        spent[row["arm"]].append(sum(paid))
    report = company.ask("report", "win")
    for arm, sums in spent.items():
        found = report["arms"][arm]
        assert (found["n"], found["buyers"], found["revenue"]) == (len(sums), sum(s > 0 for s in sums), sum(sums)), arm
    assert report["effect"]["estimate"] == pytest.approx(mean(spent["treated"]) - mean(spent["control"]))
    assert report["verdict"] == "no_statement_yet"
    counts = company.ask("journey", "counts", "win")
    assert counts["entered"] == counts["in_progress"] + counts["done"] + counts["exited"]
    sent = [row for row in company.lake("messages") if row["status"] == "sent"]
    assert counts["contacted"] == len({row["run"] for row in sent})
    outbox = company.home / "outbox" / "email"
    assert sorted(path.stem for path in outbox.iterdir()) == sorted(row["key"] for row in sent)
    control = {row["person_id"] for row in company.lake("assignments") if row["arm"] == "control"}
    assert control
    assert not control & {row["person_id"] for row in sent}
    for name in outbox.iterdir():
        assert (other.home / "outbox" / "email" / name.name).read_bytes() == name.read_bytes()
    assert other.ask("report", "win") == report
    assert other.ask("journey", "counts", "win") == counts


def test_links_and_headers_of_a_mail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One-click unsubscription in every marketing mail; a link is rewritten only with consent to tracking."""
    company = measured(tmp_path / "links", capsys, backwards=False)
    tracked = {f"{user}@x.example" for n, user in enumerate(BUYERS) if n % 8 == 1}
    seen = set()
    for path in (company.home / "outbox" / "email").iterdir():
        mail = email.message_from_bytes(path.read_bytes(), policy=default)
        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert "/u/" in mail["List-Unsubscribe"]
        part = mail.get_body(("plain",))
        assert part is not None
        text, address = str(part.get_content()), mail["To"].addresses[0].addr_spec
        assert ("/c/" in text) == (address in tracked)
        assert ("https://shop.example/x?a=1" in text) == (address not in tracked)
        seen.add(address in tracked)
    assert seen == {True, False}
