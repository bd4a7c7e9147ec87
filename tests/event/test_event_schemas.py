"""Schemas of events: what is found, how it is said, and what no schema may do."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from einklang.event import EventSchema, kind_of_value, shape_of
from einklang.kernel.errors import InputError

ORDER = {
    "type": "object",
    "required": ["order_id", "total"],
    "properties": {
        "order_id": {"type": "string", "pattern": "^o-[0-9]+$"},
        "total": {"type": "number", "minimum": 0},
        "products": {"type": "array", "items": {"required": ["product_id"]}},
    },
}


def told(properties: dict[str, Any], schema: dict[str, Any] | None = None) -> list[str]:
    """The violations as they are said."""
    made = EventSchema("Order Completed", 1, schema or ORDER, "mark", "event Order Completed")
    return [str(one) for one in made.violations(properties)]


@pytest.mark.parametrize(
    ("properties", "wanted"),
    [
        ({"order_id": "o-1", "total": Decimal("0.10"), "else": None}, []),
        ({"order_id": "o-1"}, ["properties: required total"]),
        ({"order_id": "geheim@x.example", "total": Decimal("-0.01")}, ["order_id: pattern", "total: minimum"]),
        ({"order_id": "o-1", "total": "5"}, ["total: type"]),
        ({"order_id": "o-1", "total": 1, "products": [{"product_id": 1}, {}]}, ["products[1]: required product_id"]),
    ],
)
def test_violations_name_path_and_rule_and_never_the_value(properties: dict[str, Any], wanted: list[str]) -> None:
    """Exact decimals count as numbers; a wrong value is not repeated."""
    assert told(properties) == wanted


def test_the_first_ten_are_told() -> None:
    """Of many violations ten are told, in a fixed order."""
    schema = {"required": [f"p{n:02}" for n in range(30)]}
    assert told({}, schema) == [f"properties: required p{n:02}" for n in range(10)]


def test_a_pattern_runs_in_linear_time() -> None:
    """What makes a backtracking engine hang for years is answered at once."""
    schema = {"properties": {"name": {"pattern": "^(a+)+$"}}}
    assert told({"name": "a" * 30_000 + "b"}, schema) == ["name: pattern"]


@pytest.mark.parametrize(
    ("schema", "code"),
    [
        ({"type": "nonsense"}, "bad_schema"),
        ({"properties": {"a": {"pattern": "("}}}, "bad_schema"),
        ({"properties": {"a": {"pattern": "(?=a)"}}}, "bad_schema"),
        ({"$ref": "http://127.0.0.1:9/schema.json"}, "bad_schema"),
        ({"$ref": "file:///etc/passwd"}, "bad_schema"),
        ({"$ref": "#/$defs/absent"}, "bad_schema"),
        ({"description": "x" * 70_000}, "too_large"),
    ],
)
def test_a_bad_schema_is_refused(schema: dict[str, Any], code: str) -> None:
    """No schema reads from elsewhere, and what is none is refused where it stands."""
    with pytest.raises(InputError) as caught:
        EventSchema("A", 1, schema, "mark", "f.yaml: event A")
    assert (caught.value.code, caught.value.where) == (code, "f.yaml: event A.schema")


def test_an_unknown_way_is_refused() -> None:
    """`on_violation` is one of two."""
    with pytest.raises(InputError, match="unknown on_violation"):
        EventSchema("A", 1, {}, "drop", "f.yaml: event A")


@pytest.mark.parametrize(
    ("value", "kind", "shape"),
    [
        ("Ann Müller <ann@x.de>", "string", "Aaa Aaaaaa <aaa@a.aa>"),
        ("0170 1234567" * 3, "string", "9999 99999999999 9999999…"),
        (Decimal("19.90"), "number", "99.99"),
        (-5, "number", "-9"),
        (True, "bool", "true"),
        (None, "null", None),
        ([1], "list", None),
        ({"a": 1}, "map", None),
        ("日本\u200b\n", "string", "aa··"),
    ],
)
def test_shapes_show_how_a_value_looks(value: Any, kind: str, shape: str | None) -> None:
    """Letters and digits are masked, long values are cut, containers show nothing."""
    assert (kind_of_value(value), shape_of(value)) == (kind, shape)
