"""A small stand-in for the server: the built console and believable answers of the REST API. Deterministic.

It knows the interface and nothing else: no rule of the domain lives here. Browser tests of components use it, so that
they need no home, no engine and no time. `python -m tests.browser.mock_api [PORT]` serves it for development (any name,
password "secret").
"""

from __future__ import annotations

import json
import mimetypes
import sys
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from tests.browser import mock_audience as audience
from tests.browser import mock_data as data
from tests.browser import mock_journeys as plans
from tests.browser import mock_records as records
from tests.browser.mock_drafts import Drafts
from tests.waits import WAIT_S

CONSOLE = Path(__file__).parents[2] / "src" / "einklang" / "web" / "console"
CSP = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'self'; form-action 'self'; object-src 'none'"
)
Answer = tuple[int, Any]


def problem(status: int, code: str, detail: str, mend: str, where: str = "") -> Answer:
    """A problem document of RFC 9457 with Einklang's own members."""
    title = HTTPStatus(status).phrase
    body = {
        "type": f"https://einklang.example/errors/{code}",
        "title": title,
        "status": status,
        "code": code,
        "detail": detail,
        "where": where,
        "mend": mend,
    }
    return status, body


#: Fields that hold what somebody outside wrote.
WRITTEN = frozenset({
    "label", "name", "title", "detail", "message", "mend", "where", "body", "why", "source", "samples", "value",
    "evidence", "identifiers", "touchpoint", "type", "role", "traits", "properties", "fields", "category", "brand",
    "texts", "branches", "reason_text", "wording", "country", "company", "step", "key", "actor", "form",
})  # fmt: skip


def spoiled(body: Any, payloads: Iterator[str], inside: bool = False) -> Any:
    """The same answer with a payload behind every text that somebody outside wrote."""
    if isinstance(body, dict):
        return {name: spoiled(one, payloads, inside or name in WRITTEN) for name, one in body.items()}
    if isinstance(body, list):
        return [spoiled(one, payloads, inside) for one in body]
    return f"{body} {next(payloads)}" if inside and isinstance(body, str) else body


#: The lists about data, and what names a row of each.
RECORDS: dict[str, tuple[list[dict[str, Any]], str]] = {
    "sources": (records.SOURCES, "id"),
    "arrivals": (records.ARRIVALS, "source"),
    "destinations": (records.DESTINATIONS, "id"),
    "exports": (audience.EXPORTS, "file"),
    "refusals": (records.REFUSALS, "n"),
    "catalog": (records.CATALOG, "name"),
    "dead-letters": (records.LETTERS, "position"),
    "reviews": (records.REVIEWS, "id"),
    "products": (records.PRODUCTS, "product_id"),
}


class MockApi(ThreadingHTTPServer):
    """The server and what a test may turn: `empty` answers like a new home, `broken` is a path prefix that fails."""

    daemon_threads = True

    def __init__(self, port: int = 0, stream: bool = True) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.empty = False
        self.broken = ""
        self.report: dict[str, Any] = {}
        self.language = "en"
        self.stream = stream
        self.closing = threading.Event()
        self.extra: list[dict[str, Any]] = []
        self.posted: list[tuple[str, Any]] = []
        self.evil: Iterator[str] | None = None
        self.drafts = Drafts()
        self.arrived = threading.Condition()
        self.listening = 0

    @property
    def url(self) -> str:
        """The base address without a trailing slash."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def push(self, entry: dict[str, Any]) -> None:
        """Hands one entry to everybody who listens to the stream, once somebody does."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: self.listening > 0, timeout=WAIT_S)
            self.extra.append(entry)
            self.arrived.notify_all()

    def reset(self) -> None:
        """Back to the state of a full home in English."""
        self.empty, self.broken, self.report, self.language = False, "", {}, "en"
        self.listening = 0
        self.posted = []
        self.evil = None
        self.drafts = Drafts()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that hangs up is no fault; anything else is told."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        """Ends the streams and the server."""
        self.closing.set()
        with self.arrived:
            self.arrived.notify_all()
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: MockApi
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two packets: the second must not wait for word of the first

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: a test reads its own assertions."""

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path.startswith("/api/"):
            self.api(url.path, {name: values[0] for name, values in parse_qs(url.query).items()})
        else:
            self.file(url.path)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))) or b"{}")
        if self.server.broken and self.path.startswith(self.server.broken):
            self.answer(problem(500, "book_unreadable", "The book could not be read.", "Run einklang doctor."))
        elif self.path != "/api/session":
            self.server.posted.append((self.path, body))
            self.answer(self.written(urlsplit(self.path), body))
        elif body.get("password") != "secret":
            self.answer(problem(401, "bad_sign_in", "Name and password do not belong together.", "Check both."))
        else:
            session = {"name": body["name"], "role": "admin", "language": self.server.language}
            self.answer(
                (200, session), {"Set-Cookie": f"einklang_session={body['name']}; Path=/; HttpOnly; SameSite=Strict"}
            )

    def do_PATCH(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))) or b"{}")
        self.server.posted.append((self.path, body))
        self.answer((200, records.SOURCES[0] | body))

    def do_DELETE(self) -> None:
        if self.path.startswith("/api/keys/"):
            self.server.posted.append((self.path, None))
            self.answer((204, None))
            return
        self.answer((204, None), {"Set-Cookie": "einklang_session=; Path=/; Max-Age=0"})

    def written(self, url: SplitResult, body: dict[str, Any]) -> Answer:
        """The answer to a change: believable, nothing is kept."""
        seen_only = "preview=true" in url.query
        match url.path.removeprefix("/api/").split("/"):
            case ["sources"]:
                source = {"id": body["id"], "name": body["name"], "kind": body["kind"], "events_per_s": None}
                return 201, {"source": source | {"keys": []}, "key": "wk_shown-once"}
            case ["sources", name, "keys"]:
                source = next(one for one in records.SOURCES if one["id"] == name)
                return 201, {"source": source, "key": "wk_shown-once-again"}
            case ["destinations", name, action]:
                replayed = int(action == "replay")
                return 200, {"id": name, "action": "replayed" if replayed else action, "replayed": replayed}
            case ["segments", name, "list" | "freeze" | "empty" as what]:
                done = audience.listed(body["list"] if what == "freeze" else name, body)
                gone = {"listed": 0, "unlisted": 812, "rejected": 0, "refused": []} if what == "empty" else {}
                return 200, done | gone
            case ["segments", name, "exports"]:
                return 200, audience.exported(name, body)
            case ["expressions"]:
                return 200, audience.expression(body)
            case ["estimates"]:
                return 200, audience.estimate(body)
            case ["segments", name]:
                changed = {"kind": "segment", "id": name, "version": 2, "change": "changed"}
                return 200, {"changed": [changed], "hints": []}
            case ["drafts", "find"]:
                found = self.server.drafts.find(body)
                mend = "ask for a new code: they hold for half an hour"
                return (200, found) if found else problem(404, "unknown_code", "no draft has this code", mend)
            case ["drafts"]:
                saved = self.server.drafts.save(body)
                return (
                    problem(409, saved, "somebody else did", "load again") if isinstance(saved, str) else (200, saved)
                )
            case ["dead-letters", "replay"]:
                return 200, {"replayed": 1, "kept": {} if body.get("positions") else {"id_conflict": 1}}
            case ["persons", _, "stages"]:
                return 200, {"message_id": "note-1"}
            case ["persons", _, "merge" | "split" as kind]:
                if body.get("other") == "p_8mq0c1":
                    return problem(409, "merge_refused", "the rules do not allow it", "split off what is too many")
                return 200, records.preview(kind, seen_only)
            case ["reviews", _]:
                return 200, records.preview("merge" if body["decision"] == "merge" else "split", seen_only)
            case _:
                return problem(404, "not_found", "No such address.", "See /api/openapi.json.")

    def answer(self, answer: Answer, headers: dict[str, str] | None = None) -> None:
        status, body = answer
        if self.server.evil is not None and status == 200:
            body = spoiled(body, self.server.evil)
        raw = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/problem+json" if status >= 400 else "application/json")
        self.send_header("Content-Length", str(len(raw)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def file(self, path: str) -> None:
        """A built file, or index.html for every address of the console itself."""
        wanted = (CONSOLE / path.lstrip("/")).resolve()
        if not (wanted.is_file() and wanted.is_relative_to(CONSOLE.resolve())):
            if path.startswith("/assets/"):
                self.answer(problem(404, "not_found", "No such file.", "Build the console again."))
                return
            wanted = CONSOLE / "index.html"
        raw = wanted.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", mimetypes.guess_type(wanted.name)[0] or "application/octet-stream")
        self.send_header("Content-Length", str(len(raw)))
        self.send_header("Content-Security-Policy", CSP)
        if path.startswith("/assets/"):  # as the real server: their names change with their content
            self.send_header("Cache-Control", "public, max-age=31536000, immutable")
        self.end_headers()
        self.wfile.write(raw)

    def api(self, path: str, query: dict[str, str]) -> None:
        cookie = self.headers.get("Cookie", "")
        if "einklang_session=" not in cookie:
            self.answer(problem(401, "no_session", "You are not signed in.", "Sign in."))
        elif self.server.broken and path.startswith(self.server.broken):
            self.answer(
                problem(500, "book_unreadable", "The book could not be read.", "Run einklang doctor.", "HOME/book.db")
            )
        elif path == "/api/session":
            name = cookie.split("einklang_session=")[1].split(";")[0]
            self.answer((200, {"name": name, "role": "admin", "language": self.server.language}))
        elif path == "/api/stream":
            self.events()
        else:
            self.answer(self.read(path, query))

    def events(self) -> None:
        """The event stream: what `push` hands over, as long as somebody listens."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self.end_headers()
        with self.server.arrived:
            told = len(self.server.extra)
            self.server.listening += 1
            self.server.arrived.notify_all()
        try:
            self.wfile.write(f"event: status\ndata: {json.dumps(data.status(self.server.empty))}\n\n".encode())
            self.wfile.flush()
            while self.server.stream and not self.server.closing.is_set():
                with self.server.arrived:
                    self.server.arrived.wait(timeout=0.5)
                fresh, told = self.server.extra[told:], len(self.server.extra)
                for entry in fresh:
                    self.wfile.write(f"data: {json.dumps(entry)}\n\n".encode())
                self.wfile.write(b": beat\n\n")
                self.wfile.flush()
        except OSError:
            return

    def read(self, path: str, query: dict[str, str]) -> Answer:
        """The answer to one GET, from the sample data."""
        parts = [unquote(part) for part in path.removeprefix("/api/").split("/")]
        empty = self.server.empty
        match parts:
            case ["status"]:
                return 200, data.status(empty)
            case ["events"]:
                return 200, {"items": [] if empty else data.events(query), "next": None}
            case ["persons"]:
                return 200, {"items": [] if empty else data.persons(query.get("q", "")), "next": None}
            case [kind, *rest] if kind in RECORDS:
                return self.record(kind, rest, query)
            case ["groups", "company"]:
                return 200, {"items": [] if empty else [records.GROUP], "next": None}
            case ["groups", "company", "k-7"]:
                return 200, records.GROUP | {"size": 2, "members": records.MEMBERS}
            case ["groups", "company", "k-7", "members"]:
                return 200, {"items": records.MEMBERS, "next": None}
            case ["segments"]:
                return 200, {"items": [] if empty else plans.SEGMENTS, "next": None}
            case ["journeys"]:
                return 200, {"items": [] if empty else plans.JOURNEYS, "next": None}
            case ["persons", who, *rest]:
                return self.person(who, rest, query)
            case ["choices"]:
                return 200, audience.CHOICES
            case ["stages"]:
                return 200, {"items": [] if empty else audience.STAGE_COUNTS, "next": None}
            case ["stages", _, "changes"]:
                return 200, audience.STAGE_CHANGES
            case ["stages", _, "why"]:
                return 200, audience.WHY_STAGE
            case ["overlap"]:
                return 200, audience.overlap(query["segments"].split(","))
            case ["segments", _, "health" | "trend" | "why" as what]:
                return 200, audience.MORE[what]
            case ["segments", name, *rest]:
                found = next((one for one in plans.SEGMENTS if one["id"] == name), None)
                if found is None:
                    return problem(
                        404, "unknown_segment", f"There is no segment {name}.", "See the list of segments.", name
                    )
                return 200, {"items": data.persons(""), "next": None} if rest else found | plans.SEGMENT_MORE
            case ["journeys", name, "report"]:
                return (
                    (200, plans.report(name) | self.server.report)
                    if name in plans.REPORTS
                    else problem(
                        404, "no_report", f"The journey {name} has no goal.", "Add goal: to its definition.", name
                    )
                )
            case ["journeys", name]:
                known = any(one["id"] == name for one in plans.JOURNEYS)
                return (
                    (200, plans.journey(name))
                    if known
                    else problem(
                        404, "unknown_journey", f"There is no journey {name}.", "See the list of journeys.", name
                    )
                )
            case _:
                return problem(404, "not_found", "No such address.", "See /api/openapi.json.")

    def record(self, kind: str, rest: list[str], query: dict[str, str]) -> Answer:
        """The lists about data, and one of them."""
        rows, key = RECORDS[kind]
        if rest[1:] == ["deliveries"]:
            return 200, {"items": records.DELIVERIES, "next": None}
        if rest:
            found = next((one for one in rows if str(one[key]) == rest[0]), None)
            if found is None:
                return problem(404, "not_found", f"There is no {rest[0]}.", "See the list.", rest[0])
            if kind == "products":
                return 200, records.product(found)
            return 200, found | ({"cut": False} if kind == "dead-letters" else {})
        wanted = {
            name: value for name, value in query.items() if name in ("code", "origin") and value not in ("", "sent")
        }
        q = query.get("q", "").lower()
        items = [one for one in rows if all(one[n] == v for n, v in wanted.items()) and q in json.dumps(one).lower()]
        counts = {"counts": {one["code"]: 1 for one in rows if not self.server.empty}} if kind == "dead-letters" else {}
        return 200, {"items": [] if self.server.empty else items, "next": None} | counts

    def person(self, who: str, rest: list[str], query: dict[str, str]) -> Answer:
        """One person, the timeline, or why (not)."""
        found = data.person(who)
        if found is None:
            return problem(
                404,
                "unknown_person",
                f"Nobody is known as {who}.",
                "Search on the page of persons, or give kind:value such as email:a@b.example.",
                who,
            )
        match rest:
            case []:
                return 200, found
            case ["timeline"]:
                return 200, data.timeline(query.get("kind", "all"), query.get("cursor", ""))
            case ["groups"]:
                return 200, {"items": [records.BELONGS] if found["known"] else [], "next": None}
            case ["stages"]:
                return 200, {"items": audience.STAGES if found["known"] else [], "next": None}
            case ["drafts"]:
                items = self.server.drafts.open_ones() if found["known"] and not self.server.empty else []
                return 200, {"items": items, "next": None}
            case ["identity"]:
                return 200, records.graph(found)
            case ["objects"]:
                return 200, {"items": records.OBJECTS if found["known"] else [], "next": None}
            case ["objects", kind]:
                status = query.get("status", "")
                rows = [one for one in records.ITEMS[kind] if status in ("", one["state"])]
                return 200, {"items": rows, "next": None}
            case ["why"]:
                return 200, data.why(found["person_id"], query.get("journey", ""))
            case _:
                return problem(404, "not_found", "No such address.", "See /api/openapi.json.")


def main() -> None:
    """Serves until Ctrl-C and lets an event arrive every second."""
    api = MockApi(int(sys.argv[1]) if len(sys.argv) > 1 else 8788)
    threading.Thread(target=api.serve_forever, daemon=True).start()
    print(f"{api.url} (any name, password: secret)")
    pace = threading.Event()
    for number in range(1, 1_000_000):
        pace.wait(1.0)
        api.push(data.fresh(number))


if __name__ == "__main__":
    main()
