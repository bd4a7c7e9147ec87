"""Expressions over REST: whatever form is given, all forms come back; what is wrong is told where it stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema_rs
import pytest

from tests.web.homes import SERVER_KEY, Home, home

TEXT = 'trait.country == "DE" && !events("Order Completed").within("90d").exists() && segment("buyers")'
ENGLISH = (
    'trait country is "DE" and there is no event "Order Completed" in the last 90 days and member of segment "buyers"'
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home with a segment."""
    with home(tmp_path_factory.mktemp("web")) as made:
        made.define("{kind: segment, id: buyers, where: 'events(\"Order Completed\").exists()'}")
        yield made


def post(shop: Home, body: dict[str, Any]) -> httpx.Response:
    """Ask with the server key."""
    return shop.call("POST", "/api/expressions", json=body, headers={"Authorization": f"Bearer {SERVER_KEY}"})


def asked(shop: Home, **body: Any) -> Any:
    """The answer to an expression."""
    return post(shop, body).json()


def test_all_forms_come_of_each(shop: Home) -> None:
    """Text, tree, German and English words: each given alone brings the same answer."""
    first = asked(shop, text=TEXT)
    assert (first["text"], first["words"]["en"], first["fault"], first["type"]) == (TEXT, ENGLISH, None, "bool")
    assert first["reads"] == ["Order Completed", "trait.country", 'segment("buyers")', "time"]
    assert first["cost"]["looks"] >= 1
    assert asked(shop, tree=first["tree"]) == first
    assert asked(shop, words=ENGLISH) == first
    assert asked(shop, words=first["words"]["de"], language="de") == first


def test_the_tree_fits_the_schema(shop: Home) -> None:
    """The schema that is published takes the trees that are answered."""
    schema = shop.get("/api/expressions/schema").json()
    assert jsonschema_rs.validator_for(schema).is_valid(asked(shop, text=TEXT)["tree"])


@pytest.mark.parametrize(
    ("body", "code", "line", "column", "nearest", "read"),
    [
        ({"text": "trait.a =="}, "syntax", 1, 11, "", False),
        ({"text": 'trait.a == 1 &&\n segment("buyer")'}, "unknown_id", 2, 10, "buyers", True),
        ({"words": 'trait a is 1 and member of segment "buyer"'}, "unknown_id", 1, 36, "buyers", True),
        ({"words": "trait a iz 1"}, "syntax", 1, 9, "", False),
        ({"text": "category == 1"}, "unknown_name", 1, 1, "trait.category", True),
        ({"text": "trait.l.exists(a, " * 7 + "true" + ")" * 7}, "too_costly", 1, 1, "", True),
    ],
)
def test_what_is_wrong_is_told(
    shop: Home, body: dict[str, Any], code: str, line: int, column: int, nearest: str, read: bool
) -> None:
    """Code, position in what was given, the nearest name, the mend; the forms where it could be read at all."""
    found = asked(shop, **body)
    fault = found["fault"]
    assert (fault["code"], fault["line"], fault["column"], fault["nearest"]) == (code, line, column, nearest)
    assert fault["mend"]
    assert (found["text"] is not None, found["tree"] is not None, found["type"]) == (read, read, None)


@pytest.mark.parametrize(
    ("body", "code", "where"),
    [
        ({}, "bad_body", "body"),
        ({"text": "true", "words": "true"}, "bad_body", "body"),
        ({"text": 5}, "bad_body", "text"),
        ({"nope": "true"}, "bad_body", "body"),
        ({"words": "true", "language": "fr"}, "bad_language", "language"),
        ({"text": "true", "site": "entry.where"}, "bad_site", "site"),
        ({"tree": {"kind": "and", "args": [{"kind": "null"}]}}, "bad_tree", "tree.args"),
    ],
)
def test_a_request_that_is_none_is_refused(shop: Home, body: dict[str, Any], code: str, where: str) -> None:
    """400 with the field."""
    answer = post(shop, body)
    assert (answer.status_code, answer.json()["code"], answer.json()["where"]) == (400, code, where)


def test_a_tree_without_end_is_refused(shop: Home) -> None:
    """However deep the JSON nests, the answer is a refusal."""
    for levels in (40, 5_000):
        text = '{"tree": ' + '{"kind": "not", "args": [' * levels + '{"kind": "null"}' + "]}" * levels + "}"
        headers = {"Authorization": f"Bearer {SERVER_KEY}", "Content-Type": "application/json"}
        answer = shop.call("POST", "/api/expressions", content=text, headers=headers)
        assert (answer.status_code, answer.json()["code"]) in ((400, "bad_tree"), (400, "bad_body"))


def test_why_it_is_asked_person_by_person(shop: Home) -> None:
    """What has no plan says so, with the reason."""
    assert asked(shop, text='trait.city.matches("^B")')["cost"]["alone"] == [
        "`matches(...)`: the patterns of the engines are not quite RE2"
    ]
    assert asked(shop, text="trait.city == 1")["cost"]["alone"] == []
