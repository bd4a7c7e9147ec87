"""`Tree` <-> JSON, for builders: the same tree in the words of JSON, and the JSON Schema of it.

A node is an object: `kind` (of `Tree`), `args` where it has arguments, and one of `value` (literals; a number as text,
so that no reader rounds it), `name` (names, fields, functions, methods) or `sign` (binary). The receiver of a method is
its first argument. Every tree has exactly one such form, and every such form that the schema takes is a tree.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from einklang.expr.functions import AGGREGATES, FUNCTIONS, LIST_METHODS, MACROS, NARROWING, STRING_METHODS, Fn
from einklang.expr.parse import RESERVED
from einklang.expr.tree import Tree
from einklang.expr.write import SIGNS, number_text
from einklang.kernel.errors import InputError
from einklang.kernel.limits import EXPRESSION_CHARS_MAX, EXPRESSION_DEPTH_MAX, EXPRESSION_NODES_MAX

#: Kind -> (the field that says which, least and most arguments).
_KINDS: dict[str, tuple[str, int, int]] = {
    "null": ("", 0, 0),
    "bool": ("value", 0, 0),
    "number": ("value", 0, 0),
    "string": ("value", 0, 0),
    "name": ("name", 0, 0),
    "field": ("name", 1, 1),
    "index": ("", 2, 2),
    "call": ("name", 0, EXPRESSION_NODES_MAX),
    "method": ("name", 1, EXPRESSION_NODES_MAX),
    "not": ("", 1, 1),
    "neg": ("", 1, 1),
    "and": ("", 2, EXPRESSION_NODES_MAX),
    "or": ("", 2, EXPRESSION_NODES_MAX),
    "cond": ("", 3, 3),
    "binary": ("sign", 2, 2),
    "list": ("", 0, EXPRESSION_NODES_MAX),
    "map": ("", 0, EXPRESSION_NODES_MAX),
}
_NAME = "[_a-zA-Z][_a-zA-Z0-9]*"
_NUMBER = r"(0|[1-9][0-9]{0,28})(\.[0-9]{0,8}[1-9])?"


def to_json(tree: Tree) -> dict[str, Any]:
    """A tree as JSON."""
    field = _KINDS[tree.kind][0]
    found: dict[str, Any] = {"kind": tree.kind}
    if field:
        found[field] = number_text(tree.value) if tree.kind == "number" else tree.value
    if tree.args or _KINDS[tree.kind][2]:
        found["args"] = [to_json(part) for part in tree.args]
    return found


def of_json(data: object) -> Tree:
    """The tree that JSON describes, without positions. Raises InputError `bad_tree`, which says where in the tree."""
    return _Reader().node(data, "tree", 1)


class _Reader:
    """Counts nodes, so that no tree is larger than a text could be."""

    def __init__(self) -> None:
        self.nodes = 0

    def node(self, data: object, where: str, depth: int) -> Tree:
        self.nodes += 1
        if depth > EXPRESSION_DEPTH_MAX or self.nodes > EXPRESSION_NODES_MAX:
            what = f"more than {EXPRESSION_DEPTH_MAX} levels or {EXPRESSION_NODES_MAX} parts"
            raise _bad(where, what, "put a part of it into a segment or a trait")
        if not isinstance(data, dict) or data.get("kind") not in _KINDS:
            raise _bad(where, "no node of an expression", "write an object with `kind`: " + " ".join(_KINDS))
        kind = data["kind"]
        field, least, most = _KINDS[kind]
        stray = sorted(set(data) - {"kind", field, "args" if most else ""})
        if stray:
            raise _bad(f"{where}.{stray[0]}", f"a `{kind}` has no field {stray[0][:40]!r}", "leave it out")
        parts = data.get("args", [])
        if not isinstance(parts, list) or not least <= len(parts) <= most:
            raise _bad(f"{where}.args", f"a `{kind}` takes {_count(least, most)}", "give it as many")
        value = self._value(kind, data.get(field), f"{where}.{field}") if field else None
        args = tuple(self.node(part, f"{where}.args[{n}]", depth + 1) for n, part in enumerate(parts))
        if kind in ("and", "or"):
            args = tuple(inner for part in args for inner in (part.args if part.kind == kind else (part,)))
        if kind == "map" and len(args) % 2:
            raise _bad(f"{where}.args", "a map takes keys and values in turn", "give each key a value")
        return Tree(kind, value, args, 0, 0)

    def _value(self, kind: str, value: object, where: str) -> Any:
        if kind == "bool" and isinstance(value, bool):
            return value
        if kind == "string" and isinstance(value, str) and len(value) <= EXPRESSION_CHARS_MAX:
            return value
        if kind == "number" and isinstance(value, str) and re.fullmatch(_NUMBER, value):
            return Decimal(value) if "." in value else int(value)
        if kind == "binary" and value in SIGNS:
            return value
        if kind in ("name", "field", "call", "method") and isinstance(value, str) and _is_name(value):
            return value
        mend = {"number": 'write it as text, such as "12.5"', "binary": "use one of: " + " ".join(SIGNS)}
        raise _bad(where, f"{str(value)[:40]!r} cannot stand here", mend.get(kind, "see the schema"))


def _is_name(text: str) -> bool:
    return re.fullmatch(_NAME, text) is not None and text not in RESERVED and len(text) <= EXPRESSION_CHARS_MAX


def _count(least: int, most: int) -> str:
    return f"{least} arguments" if least == most else f"{least} or more arguments"


def _bad(where: str, what: str, mend: str) -> InputError:
    return InputError("bad_tree", what, where=where, mend=mend)


# the schema

_ANY = {"$ref": "#/$defs/expression"}
#: What stands in the tables of functions where an argument is no expression of any kind.
_SPECIAL = {
    "literal": {"$ref": "#/$defs/text"},
    "dur": {"$ref": "#/$defs/length"},
    "name": {"$ref": "#/$defs/name"},
    "whole": {"$ref": "#/$defs/number"},
}


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a tree. Functions come from the table that the checker reads."""
    name = {"type": "string", "pattern": f"^{_NAME}$", "not": {"enum": sorted(RESERVED)}}
    text = {"type": "string", "maxLength": EXPRESSION_CHARS_MAX}
    parts: dict[str, Any] = {
        "null": _node("null"),
        "bool": _node("bool", value={"type": "boolean"}),
        "number": _node("number", value={"type": "string", "pattern": f"^{_NUMBER}$"}),
        "text": _node("string", value=text),
        "length": _node("string", value={"type": "string", "pattern": "^([0-9]+(y|mo|w|d|h|m|s))+$"}),
        "name": _node("name", name=name),
        "field": _node("field", name=name, args=_args(_ANY)),
        "index": _node("index", args=_args(_ANY, _ANY)),
        "not": _node("not", args=_args(_ANY)),
        "neg": _node("neg", args=_args(_ANY)),
        "and": _node("and", args=_many(2)),
        "or": _node("or", args=_many(2)),
        "cond": _node("cond", args=_args(_ANY, _ANY, _ANY)),
        "binary": _node("binary", sign={"enum": list(SIGNS)}, args=_args(_ANY, _ANY)),
        "list": _node("list", args=_many(0)),
        "map": _node("map", args={"type": "array", "items": _ANY, "maxItems": EXPRESSION_NODES_MAX}),
        "call": {"oneOf": [_function("call", fn, row) for fn, row in FUNCTIONS.items() if not row.later]},
        "method": {"oneOf": [_function("method", fn, row) for fn, row in _methods()]},
    }
    kinds = [kind for kind in parts if kind != "length"]
    parts["expression"] = {"oneOf": [{"$ref": f"#/$defs/{kind}"} for kind in kinds]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Tree of an expression",
        "$ref": "#/$defs/expression",
        "$defs": parts,
    }


def _methods() -> list[tuple[str, Fn]]:
    tables = (NARROWING, AGGREGATES, MACROS, LIST_METHODS, STRING_METHODS)
    group = [("size", Fn((), "number")), ("events", FUNCTIONS["events"])]
    return [row for table in tables for row in table.items()] + group


def _node(kind: str, **fields: Any) -> dict[str, Any]:
    properties = {"kind": {"const": kind}, **fields}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _args(*given: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "prefixItems": list(given), "items": False, "minItems": len(given)}


def _many(least: int) -> dict[str, Any]:
    return {"type": "array", "items": _ANY, "minItems": least, "maxItems": EXPRESSION_NODES_MAX}


def _function(kind: str, name: str, fn: Fn) -> dict[str, Any]:
    """One function or method with the arguments that it takes."""
    given = [_SPECIAL.get(arg.rstrip("?."), _ANY) for arg in fn.args]
    least = sum(not arg.endswith(("?", "...")) for arg in fn.args)
    args: dict[str, Any] = {"type": "array", "prefixItems": given, "items": False, "minItems": least}
    if fn.args[-1:] and fn.args[-1].endswith("..."):
        args["items"] = args["prefixItems"].pop()
        args["minItems"] = least + (fn.args[-1] != "literal...")
    if kind == "method":
        args["prefixItems"] = [_ANY, *args["prefixItems"]]
        args["minItems"] += 1
    if not args["prefixItems"]:
        del args["prefixItems"]
    return _node(kind, name={"const": name}, args=args)
