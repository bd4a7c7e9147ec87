"""Text <-> tree <-> JSON: every way there and back gives the same tree, and the JSON Schema takes such trees alone."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest

from einklang.expr import ExprError, json_schema, of_json, parse, to_json, write
from einklang.expr.functions import FUNCTIONS
from einklang.expr.tree import Tree
from einklang.kernel.errors import InputError
from tests.expr.generate import Writer
from tests.expr.people import Chance
from tests.expr.test_expr_language import CASES

KINDS = ("bool", "bool", "bool", "number", "string", "timestamp", "date", "dyn")
SIGNS = ("==", "!=", "<", "<=", ">", ">=", "in", "+", "-", "*", "/", "%")


def shape(tree: Tree) -> Any:
    """A tree without positions; numbers compare as numbers."""
    return tree.kind, tree.value, tuple(map(shape, tree.args))


def well_typed(seed: int, count: int) -> list[str]:
    """Random expressions that type, and those of the reference."""
    chance = Chance(seed)
    found = [Writer(chance, chance.pick([1, 2, 3, 4])).write(chance.pick(KINDS)) for _ in range(count)]
    return found + [source for _, source in CASES]


def any_tree(chance: Chance, depth: int) -> Tree:
    """A random tree of all kinds of node, whether it means anything or not."""

    def make(kind: str, value: Any, least: int, most: int) -> Tree:
        count = least + chance.below(most - least + 1)
        return Tree(kind, value, tuple(any_tree(chance, depth - 1) for _ in range(count)), 0, 0)

    name = chance.pick(
        ["a", "trait", "events", "where", "duration", "now", "today", "is", "und", "nicht", "Tage", "_x"]
    )
    leaf = chance.below(5)
    if depth <= 0 or chance.share(0.2):
        text = chance.pick(["", "a", 'say "x"', "back\\slash", "two\nlines", "\x00\x7f", "Größe", "7d", "1d12h", "now"])
        number = chance.pick([0, 1, 12, 10**28]) if chance.share(0.5) else parse(f"{chance.below(99)}.25").value
        literals: list[tuple[str, Any]] = [
            ("null", None), ("bool", chance.share(0.5)), ("number", number), ("string", text), ("name", name),
        ]  # fmt: skip
        kind, value = literals[leaf]
        return Tree(kind, value, (), 0, 0)
    inner: list[tuple[str, Any, int, int]] = [
        ("field", name, 1, 1), ("index", None, 2, 2), ("call", name, 0, 3), ("method", name, 1, 3),
        ("not", None, 1, 1), ("neg", None, 1, 1), ("cond", None, 3, 3), ("binary", chance.pick(SIGNS), 2, 2),
        ("binary", chance.pick(SIGNS), 2, 2), ("list", None, 0, 3), ("call", chance.pick(sorted(FUNCTIONS)), 0, 2),
    ]  # fmt: skip
    if chance.share(0.3):
        kind = chance.pick(["and", "or"])
        found = make(kind, None, 2, 3)
        flat = tuple(part for arg in found.args for part in (arg.args if arg.kind == kind else (arg,)))
        return Tree(kind, None, flat, 0, 0)
    if chance.share(0.1):
        pairs = [make("map", None, 2, 2) for _ in range(chance.below(3))]
        return Tree("map", None, tuple(part for pair in pairs for part in pair.args), 0, 0)
    return make(*chance.pick(inner))


def trees(seed: int, count: int) -> list[Tree]:
    """Trees of well-typed expressions, and any others."""
    chance = Chance(seed)
    return [parse(source) for source in well_typed(seed, count)] + [any_tree(chance, 4) for _ in range(count)]


def test_text_of_a_tree_is_read_as_the_same_tree() -> None:
    """text -> tree -> text is a fixed point, and no bracket is needless."""
    for tree in trees(1, 150):
        text = write(tree)
        assert shape(parse(text)) == shape(tree), text
        assert write(parse(text)) == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("((a))&&(b||c)", "a && (b || c)"),
        ("(a && b) && c // why", "a && b && c"),
        ("1-(2-3)-4", "1 - (2 - 3) - 4"),
        ("(a == b) == (c == d)", "a == b == (c == d)"),
        ("!(a.b['x'][0])", '!a.b["x"][0]'),
        ("(-1).abs() + - -2", "(-1).abs() + --2"),
        ("a ? (b ? c : d) : (e ? f : g)", "a ? (b ? c : d) : e ? f : g"),
        ("{(a ? b : c): d ? e : f}", "{(a ? b : c): d ? e : f}"),
        ("[0x1F, 0.10, 1e3, .5]", "[31, 0.1, 1000, 0.5]"),
        (r"r'\d' + 'a\u00e4\x00'", '"\\\\d" + "aä\\x00"'),
    ],
)
def test_the_one_way_to_write(source: str, text: str) -> None:
    """Brackets only where they are needed, texts in double quotes, numbers plain, no comments."""
    assert write(parse(source)) == text


def test_json_of_a_tree_is_read_as_the_same_tree() -> None:
    """tree -> JSON -> tree is exact, also through text, and the schema takes what types."""
    validator = jsonschema_rs.validator_for(json_schema())
    for source in well_typed(2, 200):
        data = json.loads(json.dumps(to_json(parse(source))))
        assert validator.is_valid(data), source
        assert shape(of_json(data)) == shape(parse(source))
    for tree in trees(3, 100):
        assert shape(of_json(json.loads(json.dumps(to_json(tree))))) == shape(tree)


LEAF = {"kind": "name", "name": "a"}
BROKEN: list[tuple[Any, str]] = [
    (None, "tree"),
    ([], "tree"),
    ({}, "tree"),
    ({"kind": "loop"}, "tree"),
    ({"kind": "name", "name": "if"}, "tree.name"),
    ({"kind": "name", "name": "a b"}, "tree.name"),
    ({"kind": "name", "name": "a\n"}, "tree.name"),
    ({"kind": "name"}, "tree.name"),
    ({"kind": "null", "value": 1}, "tree.value"),
    ({"kind": "number", "value": 1}, "tree.value"),
    ({"kind": "number", "value": "-1"}, "tree.value"),
    ({"kind": "number", "value": "1e9"}, "tree.value"),
    ({"kind": "number", "value": "1" * 30}, "tree.value"),
    ({"kind": "number", "value": "0.0000000001"}, "tree.value"),
    ({"kind": "bool", "value": "true"}, "tree.value"),
    ({"kind": "binary", "sign": "=", "args": [LEAF, LEAF]}, "tree.sign"),
    ({"kind": "binary", "sign": "+", "args": [LEAF]}, "tree.args"),
    ({"kind": "and", "args": [LEAF]}, "tree.args"),
    ({"kind": "not", "args": LEAF}, "tree.args"),
    ({"kind": "not", "args": [{"kind": "not", "args": [{"kind": "x"}]}]}, "tree.args[0].args[0]"),
    ({"kind": "name", "name": "a", "args": [LEAF]}, "tree.args"),
]


@pytest.mark.parametrize(("data", "where"), BROKEN)
def test_what_is_no_tree_is_refused_by_reader_and_schema(data: Any, where: str) -> None:
    """Both refuse the same; the reader says where in the tree."""
    with pytest.raises(InputError) as caught:
        of_json(data)
    assert (caught.value.code, caught.value.where) == ("bad_tree", where)
    assert caught.value.mend
    assert not jsonschema_rs.validator_for(json_schema()).is_valid(data)


def test_a_key_needs_a_value() -> None:
    """A schema cannot count in twos; the reader does."""
    with pytest.raises(InputError) as caught:
        of_json({"kind": "map", "args": [LEAF]})
    assert (caught.value.code, caught.value.where) == ("bad_tree", "tree.args")


def test_a_tree_is_no_larger_than_a_text() -> None:
    """Too deep and too many parts are refused before anything recurses."""
    deep: Any = LEAF
    for _ in range(2_000):
        deep = {"kind": "not", "args": [deep]}
    for data in (deep, {"kind": "list", "args": [LEAF] * 500}):
        with pytest.raises(InputError) as caught:
            of_json(data)
        assert caught.value.code == "bad_tree"


def test_the_schema_knows_functions_and_their_arguments() -> None:
    """An unknown function and a wrong number of arguments are outside the schema, as they are outside the language."""
    validator = jsonschema_rs.validator_for(json_schema())
    for source in (
        "nope(1)",
        "age()",
        "lower(a, b)",
        "a.nope()",
        "duration(a)",
        'events("A").within(7)',
        "l.map(1, 2)",
    ):
        assert not validator.is_valid(to_json(parse(source))), source
    for source in ("age(a)", 'group("g").size()', 'group("g").events("A").count()', "l.map(p, p)", "round(1)"):
        assert validator.is_valid(to_json(parse(source))), source


def test_texts_of_other_people_stay_texts() -> None:
    """Whatever stands in a literal comes back as that literal: nothing of it becomes a part of the expression."""
    for evil in (
        '"); DROP TABLE person; --',
        "' OR 1=1 --",
        '" || true || "',
        "\\",
        '\\"',
        "//",
        "\u2028",
        "${7*7}",
        "\r\n",
    ):
        tree = Tree("binary", "==", (parse("trait.x"), Tree("string", evil, (), 0, 0)), 0, 0)
        assert shape(parse(write(tree))) == shape(tree)


def test_a_tree_may_be_longer_than_a_text() -> None:
    """What is too long as a text says so when it is read."""
    with pytest.raises(ExprError) as caught:
        parse(write(Tree("string", "\x00" * 2_000, (), 0, 0)))
    assert caught.value.code == "too_long"
