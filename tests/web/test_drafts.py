"""Drafts: durable when answered, readable at once by their owner and by an agent, who goes on; nobody else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from einklang.app import drafts
from einklang.kernel.errors import EinklangError, Unavailable
from einklang.kernel.time import DAY, MINUTE, SECOND
from tests.web.homes import NOW, PASSWORD, SALT, SERVER_KEY, WRITE_KEY, Home, call
from tests.web.test_late_and_future import assert_rebuilds

AUTH = (WRITE_KEY, "")
FIELDS = {"name": "Ada", "amount": 1200, "rate": 3.5, "kids": [{"age": 7}]}


def save(home: Home, **said: Any) -> httpx.Response:
    """Save a draft as a page does."""
    said = {"form": "loan", "anonymousId": "d-1", "fields": FIELDS} | said
    if "draft" in said:
        del said["form"]
    headers = {"Content-Type": "text/plain"}
    return home.call("POST", "/v1/draft", content=json.dumps({"writeKey": WRITE_KEY, **said}), headers=headers)


def mine(home: Home, token: str) -> httpx.Response:
    """Read a draft as its owner."""
    return home.call("GET", "/v1/draft", headers={"Authorization": f"Bearer {token}"})


def agent(home: Home, path: str, said: Any) -> httpx.Response:
    """A request of an agent."""
    return home.call("POST", path, json=said, headers={"Authorization": f"Bearer {SERVER_KEY}"})


@pytest.mark.parametrize("ticked", [False, True])
def test_what_is_saved_is_there_at_once(home: Home, ticked: bool) -> None:
    """Folded or still in the tail: the owner's token shows fields, version and form; numbers are exact."""
    saved = save(home).json()
    assert (saved["success"], saved["version"], saved["status"]) == (True, 1, "open")
    again = save(home, draft=saved["draft"], fields={**FIELDS, "name": "Ada L."}, version=1).json()
    if ticked:
        home.tick()
    answer = mine(home, saved["draft"])
    shown = answer.json()
    assert (shown["form"], shown["version"], shown["by"]) == ("loan", 2, "owner")
    assert shown["fields"] == {**FIELDS, "name": "Ada L."}
    assert '"rate":3.5' in answer.text
    assert again["version"] == 2
    assert answer.headers["access-control-allow-origin"] == "*"


def test_nothing_is_saved_before_it_is_durable(home: Home) -> None:
    """If the disk does not take it, the answer is 503 and no draft is there."""

    class Failing:
        def transact(self, work: Any) -> Any:
            raise Unavailable("disk_full", "no", mend="later")

        def __getattr__(self, name: str) -> Any:
            return getattr(home.book, name)

    home.services.book = Failing()
    assert save(home).status_code == 503
    assert home.tail() == 0


def test_a_draft_is_an_event_of_its_owner(home: Home, tmp_path: Path) -> None:
    """In the log, in the timeline, after a rebuild; it follows the owner through a sign-in."""
    token = save(home).json()["draft"]
    home.tick(after=SECOND)
    home.track(call("identify", userId="u-1", anonymousId="d-1", traits={"email": "ada@shop.example"}))
    home.tick(after=SECOND)
    save(home, draft=token, userId="u-1", fields={"name": "Ada"})
    home.tick(after=SECOND)
    person = home.get("/api/persons/userId:u-1").json()["person_id"]
    names = [one["name"] for one in home.get(f"/api/persons/{person}/timeline").json()["items"]]
    assert names.count("Draft Saved") == 2
    (item,) = home.get("/api/persons/userId:u-1/drafts").json()["items"]
    assert (item["draft"]["version"], item["draft"]["person"], item["draft"]["touchpoint"]) == (2, person, "web")
    assert mine(home, token).json()["fields"] == {"name": "Ada"}
    assert_rebuilds(home, tmp_path)


def test_an_agent_goes_on_by_a_code(home: Home) -> None:
    """The code that the customer tells leads to the one draft; what the agent saves is what the customer sees."""
    saved = save(home, code=True).json()
    assert len(saved["code"]) == 9
    home.tick(after=SECOND)
    for told in (saved["code"], saved["code"].lower().replace("-", " ")):
        found = agent(home, "/api/drafts/find", {"code": told}).json()
        assert (found["draft"]["form"], found["draft"]["fields"]["name"]) == ("loan", "Ada")
    said = {"ref": found["ref"], "fields": {**FIELDS, "amount": 900}, "version": 1}
    done = agent(home, "/api/drafts", said).json()
    assert (done["draft"]["version"], done["draft"]["by"]) == (2, "agent")
    seen = mine(home, saved["draft"]).json()
    assert (seen["fields"]["amount"], seen["by"], seen["version"]) == (900, "agent", 2)
    home.tick(after=SECOND)
    (row,) = [row for row in home.book.read("all_entry", 0, 100) if row[6] == "Draft Saved" and row[4] == 1]
    assert json.loads(row[13])["actor"] == "source:server"
    assert mine(home, saved["draft"]).json()["fields"]["amount"] == 900


def test_an_agent_looks_again_at_what_was_shown(home: Home) -> None:
    """The reference shows the draft as it is now, also when its code is over; no other token does."""
    saved = save(home, code=True).json()
    ref = agent(home, "/api/drafts/find", {"code": saved["code"]}).json()["ref"]
    save(home, draft=saved["draft"], fields={"name": "Ada L."}, version=1)
    home.time += drafts.CODE_US
    shown = agent(home, "/api/drafts/find", {"ref": ref}).json()
    assert (shown["ref"], shown["draft"]["version"], shown["draft"]["fields"]) == (ref, 2, {"name": "Ada L."})
    for wrong in (saved["draft"], ref[:-1], "x"):
        assert agent(home, "/api/drafts/find", {"ref": wrong}).json()["code"] == "unknown_draft"


def test_an_agent_goes_on_before_anything_is_folded(home: Home) -> None:
    """A code works while the draft waits in the tail."""
    saved = save(home, code=True).json()
    found = agent(home, "/api/drafts/find", {"code": saved["code"]}).json()
    assert found["draft"]["person"] is None
    agent(home, "/api/drafts", {"ref": found["ref"], "fields": {"name": "B"}, "version": 1})
    home.tick(after=SECOND)
    assert mine(home, saved["draft"]).json()["fields"] == {"name": "B"}


def test_an_owner_goes_on_elsewhere_after_signing_in(home: Home) -> None:
    """Begun on a phone, signed in on a laptop: the shop's server asks for her drafts and hands the token to the page.
    That goes on as the owner. Staff are given none.
    """
    save(home, anonymousId="phone", fields={"name": "Ada"})
    home.track(call("identify", userId="u-1", anonymousId="phone"))
    home.tick(after=SECOND)
    (item,) = home.get("/api/persons/userId:u-1/drafts").json()["items"]
    assert mine(home, item["token"]).json()["fields"] == {"name": "Ada"}
    done = save(home, draft=item["token"], userId="u-1", anonymousId="laptop", fields={"name": "Ada L."}, version=1)
    assert done.json()["version"] == 2
    home.tick(after=SECOND)
    (item,) = home.get("/api/persons/userId:u-1/drafts").json()["items"]
    assert (item["draft"]["fields"], item["draft"]["by"]) == ({"name": "Ada L."}, "owner")
    assert save(home, draft=item["token"], userId="eve", anonymousId="laptop").json()["code"] == "other_owner"
    home.staff()
    signed = home.call("POST", "/api/session", json={"name": "ada", "password": PASSWORD}).headers["set-cookie"]
    headers = {"Cookie": signed.partition(";")[0]}
    (shown,) = home.call("GET", "/api/persons/userId:u-1/drafts", headers=headers).json()["items"]
    assert (shown["draft"]["id"], shown["token"]) == (item["draft"]["id"], None)
    save(home, anonymousId="d-9")
    home.tick(after=SECOND)
    (unknown,) = home.get("/api/persons/anonymousId:d-9/drafts").json()["items"]
    assert unknown["token"] is None, "a visitor without an account has the token in the browser, and nowhere else"


def test_of_two_at_once_one_wins_and_the_other_hears_of_it(home: Home) -> None:
    """A saving from an old version is 409 and changes nothing; the same saving again is no second one."""
    saved = save(home).json()
    said = {"draft": saved["draft"], "fields": {"name": "B"}, "version": 1}
    assert [save(home, **said).json()["version"] for _ in range(3)] == [2, 2, 2], "a lost answer, asked for again"
    assert home.tail() == 2
    refused = save(home, draft=saved["draft"], fields={"name": "C"}, version=1)
    assert (refused.status_code, refused.json()["code"]) == (409, "draft_changed")
    assert mine(home, saved["draft"]).json()["fields"] == {"name": "B"}


def test_sent_or_given_up_it_is_over(home: Home) -> None:
    """Closed drafts say so, are offered to nobody, and take nothing more; closing again is fine."""
    saved = save(home).json()
    for _ in range(2):
        assert save(home, draft=saved["draft"], outcome="submitted").json()["status"] == "submitted"
    home.tick(after=SECOND)
    assert mine(home, saved["draft"]).json()["status"] == "submitted"
    refused = save(home, draft=saved["draft"], fields={"name": "late"})
    assert (refused.status_code, refused.json()["code"]) == (409, "draft_closed")
    assert home.get("/api/persons/anonymousId:d-1/drafts").json()["items"] == []


def test_a_code_ends(home: Home) -> None:
    """After half an hour, when a newer one was made, and never by guessing: five wrong ones rest for five minutes."""
    saved = save(home, code=True).json()
    newer = save(home, draft=saved["draft"], fields={}, code=True).json()["code"]
    assert agent(home, "/api/drafts/find", {"code": saved["code"]}).json()["code"] == "unknown_code"
    assert agent(home, "/api/drafts/find", {"code": newer}).status_code == 200
    statuses = [agent(home, "/api/drafts/find", {"code": f"AAAA-AAA{n}"}).status_code for n in range(5)]
    assert statuses == [404, 404, 404, 404, 429]
    assert agent(home, "/api/drafts/find", {"code": newer}).status_code == 429
    home.time += 6 * MINUTE
    assert agent(home, "/api/drafts/find", {"code": newer}).status_code == 200
    home.time = NOW + drafts.CODE_US
    assert agent(home, "/api/drafts/find", {"code": newer}).status_code == 404


def test_nobody_else_reads_it(home: Home) -> None:
    """Not with the write key, another draft's token, a changed token, the agent's reference, or as another user."""
    token = save(home).json()["draft"]
    other = save(home, anonymousId="d-2").json()["draft"]
    home.tick(after=SECOND)
    body, _, mac = token.partition(".")
    ref = home.get("/api/persons/anonymousId:d-1/drafts").json()["items"][0]["ref"]
    for wrong in (WRITE_KEY, f"{body}.{other.partition('.')[2]}", f"{other.partition('.')[0]}.{mac}", ref, "x.y", "é"):
        refused = home.call("GET", "/v1/draft", headers=[(b"authorization", b"Bearer " + wrong.encode())])
        assert (refused.status_code, refused.json()["code"]) == (404, "unknown_draft")
        assert wrong not in refused.text
    assert home.call("GET", "/v1/draft", auth=AUTH).json()["code"] == "no_token"
    assert agent(home, "/api/drafts", {"ref": token, "fields": {}}).status_code == 404
    owned = save(home, userId="u-1", anonymousId="d-3").json()["draft"]
    refused = save(home, draft=owned, userId="u-2")
    assert (refused.status_code, refused.json()["code"]) == (403, "other_owner")
    assert home.call("POST", "/v1/draft", json={"form": "loan"}, auth=("wk_no", "")).status_code == 401
    unsigned = home.call("POST", "/api/drafts/find", json={"code": "AAAA"})
    assert unsigned.status_code == 401


def test_neither_token_nor_code_is_stored(home: Home, tmp_path: Path) -> None:
    """The disk holds what was typed, and neither the token nor the code in clear."""
    saved = save(home, code=True, fields={"name": "findable-text"}).json()
    home.tick(after=SECOND)
    content = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"findable-text" in content
    assert saved["draft"].partition(".")[2].encode() not in content
    assert saved["code"].encode() not in content
    assert saved["code"].replace("-", "").encode() not in content


def test_an_old_draft_is_not_offered(home: Home) -> None:
    """Thirty days after it was last saved nobody is shown it any more."""
    token = save(home).json()["draft"]
    home.tick()
    home.time = NOW + 30 * DAY
    assert mine(home, token).status_code == 404
    assert home.get("/api/persons/anonymousId:d-1/drafts").json()["items"] == []


BAD: list[tuple[dict[str, Any], int, str]] = [
    ({"form": ""}, 400, "no_form"),
    ({"form": "x" * 201}, 400, "no_form"),
    ({"anonymousId": None}, 400, "no_identifier"),
    ({"anonymousId": "a" * 501}, 400, "bad_identifier"),
    ({"fields": []}, 400, "bad_body"),
    ({"fields": {"x": "y" * 40_000}}, 413, "too_large"),
    ({"fields": {"x": "a\0b"}}, 400, "nul_byte"),
    ({"outcome": "lost"}, 400, "bad_outcome"),
    ({"draft": "nobody.knows"}, 404, "unknown_draft"),
    ({"version": "1"}, 400, "bad_body"),
]


@pytest.mark.parametrize(("said", "status", "code"), BAD)
def test_what_is_wrong_is_told(shared: Home, said: dict[str, Any], status: int, code: str) -> None:
    """Code, place and mend; nothing is stored."""
    answer = save(shared, **said)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["mend"]
    assert shared.tail() == 0


def test_numbers_without_end_are_refused(home: Home) -> None:
    """What no event may hold no draft may hold either."""
    raw = json.dumps({"form": "f", "anonymousId": "d", "fields": {"n": 1}}).replace('"n": 1', '"n": 1e999999999')
    answer = home.call("POST", "/v1/draft", content=raw, auth=AUTH)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_number")


def test_nobody_outside_may_say_that_a_draft_was_saved(home: Home) -> None:
    """The names of its events are reserved: otherwise anybody could write over anybody's draft."""
    for name in ("Draft Saved", "Draft Closed"):
        answer = home.call("POST", "/v1/track", json=call(event=name, properties={"draft_id": "x"}), auth=AUTH)
        assert answer.json()["code"] == "reserved_name"


def test_tokens_are_bound_to_their_use() -> None:
    """A token opens with its own key and use alone."""
    ref = drafts.Ref("d", "userId", "u")
    token = drafts.seal(SALT, drafts.OWNER, ref)
    assert drafts.unseal(SALT, drafts.OWNER, token) == ref
    for key, use in ((b"other" * 8, drafts.OWNER), (SALT, drafts.AGENT)):
        with pytest.raises(EinklangError):
            drafts.unseal(key, use, token)
