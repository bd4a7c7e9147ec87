"""SQL as text: pieces of code that know which rows they speak of, and the table of what DuckDB and Spark write
differently.

No text of a user stands in a plan as it is: `text` writes plain ASCII words in quotes and everything else as the hex
digits of its bytes, so no rule of quoting has to be trusted. A name is never an identifier.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from einklang.expr.numbers import Number, text_of

NUMBER = "DECIMAL(38, 9)"
_WORD = re.compile(r"[A-Za-z0-9 _.,:@+-]*")
_SIMPLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: The type of a column of each kind of value. A day is text; an undeclared value is text with a letter for its type.
SQL_TYPES = {
    "bool": "BOOLEAN",
    "string": "STRING",
    "number": NUMBER,
    "timestamp": "BIGINT",
    "duration": "BIGINT",
    "date": "STRING",
    "dyn": "STRING",
    "null": "STRING",
}
#: The letters of an undeclared value.
LETTER = {"string": "s", "number": "n", "bool": "b"}


_DUCKDB, _SPARK = "duckdb", "spark"
_BOTH = frozenset({_DUCKDB, _SPARK})
#: Forms that cannot be said in SQL, or not simply enough to be trusted, and the engines that lack them: whoever meets
#: one asks `crowd`. (Kinds of node that an engine lacks altogether: `sql.ENGINES`.)
LACKING: Mapping[str, frozenset[str]] = {
    "a text that is no Unicode": _BOTH,
    "this name of a field": _BOTH,
    "a list of lists": _BOTH,
    "a field of what a list gives": _BOTH,
    "an expression this long inside a list": _BOTH,
    "each of a list that is made": _BOTH,
    "each of a list of the earlier event": _BOTH,
    "latest behind a condition on the earlier event": _BOTH,
    "a condition of this form": _BOTH,
    "a calendar in this condition": frozenset({_SPARK}),
    "a calendar inside a list": frozenset({_SPARK}),
    "a key out of a list": frozenset({_SPARK}),
}


class Unsupported(Exception):
    """An engine cannot do a part of a plan; `part` names it, a key of `LACKING`."""

    def __init__(self, part: str) -> None:
        assert part in LACKING, part
        super().__init__(part)
        self.part = part


@dataclass(frozen=True, slots=True)
class Code:
    """A piece of SQL. deps: the rows it speaks of -> the layer of their columns it needs; solid: cheap to repeat;
    python: it asks a function of Einklang's.
    """

    text: str
    deps: Mapping[int, int] = field(default_factory=dict)
    solid: bool = False
    python: bool = False


def made(template: str, *parts: Code) -> Code:
    """A template with `{0}`, `{1}`, ... filled by pieces."""
    deps: dict[int, int] = {}
    for part in parts:
        for row, layer in part.deps.items():
            deps[row] = max(layer, deps.get(row, 0))
    texts = [part.text for part in parts]
    return Code(template.format(*texts), deps, False, any(part.python for part in parts))


def whole(x: int) -> Code:
    """A moment, a length or a count."""
    return Code(f"CAST({x} AS BIGINT)", solid=True)


TRUE, FALSE = Code("TRUE", solid=True), Code("FALSE", solid=True)


def null(kind: str) -> Code:
    """Nothing of a kind of value."""
    return Code(f"CAST(NULL AS {SQL_TYPES[kind]})", solid=True)


def number(x: Number | None) -> Code:
    """A number."""
    return null("number") if x is None else Code(f"CAST('{text_of(x)}' AS {NUMBER})", solid=True)


def both(parts: Sequence[Code]) -> Code:
    """All of these hold; each is true or false."""
    if not parts:
        return TRUE
    return made(" AND ".join(f"{{{at}}}" for at in range(len(parts))), *parts)


class DuckDB:
    """How DuckDB writes it. Its JSON reads numbers as floats, so unusual ones are asked of `ek_exact`."""

    name = "duckdb"
    least, greatest = "LEAST", "GREATEST"
    starts, ends, length = "starts_with", "suffix", "length"
    min_by, max_by, key = "arg_min", "arg_max", "ROW"
    #: Whether a function of Einklang's may stand inside a lambda, a filter or a join.
    python_anywhere = True
    #: Digits that its JSON reads exactly: a whole number, or so few of both sides that a float holds them.
    _EXACT = Code("'-?([0-9]{1,18}|[0-9]{1,6}\\.[0-9]{1,9})'", solid=True)
    _UNUSUAL = Code("'[0-9]{7}\\.[0-9]|\\.[0-9]{10}|[0-9][eE]|[0-9]{19}|u0001'", solid=True)

    def text(self, value: str) -> Code:
        """A text as a constant."""
        if _WORD.fullmatch(value):
            return Code(f"'{value}'", solid=True)
        try:
            return Code(self._hex(value.encode().hex()), solid=True)
        except UnicodeEncodeError:
            raise Unsupported("a text that is no Unicode") from None

    def _hex(self, digits: str) -> str:
        return f"decode(from_hex('{digits}'))"

    # documents

    def documents(self, doc: str, paths: Sequence[tuple[str, ...]], *, parsed: bool = False) -> str:
        """The column that holds what is asked of a document, read in one pass."""
        return f"CAST(json_extract({doc}, [{', '.join(self._path(path) for path in paths)}]) AS VARCHAR[])"

    def asked(self, column: str, paths: Sequence[tuple[str, ...]], path: tuple[str, ...]) -> str:
        """The part of it that is at one of these paths."""
        return f"{column}[{paths.index(path) + 1}]"

    def inner(self, doc: str, path: tuple[str, ...]) -> str:
        """The part of an element at a path."""
        return f"CAST(json_extract({doc}, {self._path(path)}) AS STRING)" if path else doc

    def _path(self, path: tuple[str, ...]) -> str:
        """`$.a.b`, or a pointer where the names are strange: one that cannot be an index of a list."""
        if all(_SIMPLE.fullmatch(name) for name in path):
            return "'" + ".".join(("$", *path)) + "'"
        if not any(name.isdigit() or name == "-" for name in path):
            return self.text("".join("/" + name.replace("~", "~0").replace("/", "~1") for name in path)).text
        if any(sign in name for name in path for sign in '"\\*'):
            raise Unsupported("this name of a field")
        return self.text("$" + "".join(f'."{name}"' for name in path)).text

    def document(self, text: Code) -> Code:
        """A JSON text as what `path` takes apart."""
        return text

    def safe_text(self, part: Code) -> Code:
        """A safe document, or a part of one, as text."""
        return part

    def read_string(self, part: Code) -> Code:
        return made("CASE WHEN {0}[1] = '\"' THEN json_extract_string({0}, '$') END", part)

    def read_safe_string(self, part: Code) -> Code:
        """The same in a safe document."""
        marked = "starts_with({0}, '\"\\u0001')"
        text = "CASE WHEN {0}[8] = 's' THEN substr(json_extract_string({0}, '$'), 3) END"
        plain = "CASE WHEN {0}[1] = '\"' THEN json_extract_string({0}, '$') END"
        return made(f"CASE WHEN {marked} THEN {text} ELSE {plain} END", part)

    def read_bool(self, part: Code) -> Code:
        return made("CASE {0} WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE END", part)

    def read_number(self, part: Code, doc: Code | None, path: tuple[str, ...]) -> Code:
        """doc: the whole document, None in a safe one."""
        short = "length({0}) <= 11 AND strpos({0}, '.') <= 7 AND NOT contains({0}, 'e')"
        usual = f"WHEN {short} THEN TRY_CAST({{0}} AS {NUMBER})"
        usual += f" WHEN regexp_full_match({{0}}, {{1}}) THEN CAST({{0}} AS {NUMBER})"
        if doc is None:
            marked = f"WHEN starts_with({{0}}, '\"\\u0001n') THEN CAST(substr({{0}}, 9, length({{0}}) - 9) AS {NUMBER})"
            return made(f"CASE {usual} {marked} END", part, self._EXACT)
        exact = "WHEN {0}[1] = '-' OR {0}[1] BETWEEN '0' AND '9' THEN ek_exact({2}, {3})"
        return made(f"CASE {usual} {exact} END", part, self._EXACT, doc, self.text(json.dumps(path)))

    def read_compared(self, part: Code, doc: Code | None, path: tuple[str, ...]) -> Code:
        """A list or map as canonical text."""
        if doc is None:
            return made("CASE WHEN {0}[1] IN ('[', '{{') THEN ek_compared_safe({0}, '[]') END", part)
        where = self.text(json.dumps(path))
        return made("CASE WHEN {0}[1] IN ('[', '{{') THEN ek_compared({1}, {2}) END", part, doc, where)

    def missing(self, part: Code) -> Code:
        return made("({0} IS NULL OR {0} = 'null')", part)

    def is_string(self, part: Code, value: str) -> Code | None:
        """Whether it is this text, where that can be seen without reading it."""
        if not _WORD.fullmatch(value):
            return None
        return made(f"COALESCE({{0}} = '\"{value}\"', FALSE)", part)

    # lists

    def fields(self, doc: Code, path: tuple[str, ...], inner: tuple[str, ...]) -> Code | None:
        """What is at a path of each element of a list, where that can be had without the elements."""
        if not all(_SIMPLE.fullmatch(name) for name in (*path, *inner)):
            return None
        return made(f"CAST(json_extract({{0}}, '{'.'.join(('$', *path))}[*].{'.'.join(inner)}') AS VARCHAR[])", doc)

    def any_is(self, fields: Code, values: Sequence[str]) -> Code | None:
        """Whether one of them is one of these texts."""
        if not all(_WORD.fullmatch(value) for value in values):
            return None
        listed = ", ".join(f"'\"{value}\"'" for value in values)
        return made(f"COALESCE(list_has_any({{0}}, [{listed}]), FALSE)", fields)

    def items(self, part: Code, doc: Code | None, path: tuple[str, ...]) -> Code:
        """The elements, each a safe document; null where it is no list."""
        if doc is not None:
            where = self.text(json.dumps(path))
            unusual = "regexp_matches({0}, {1})"
            part = made(
                f"CASE WHEN {unusual} THEN ek_safe({{2}}, {{3}}) ELSE {{0}} END", part, self._UNUSUAL, doc, where
            )
        return made("CAST(json_transform({0}, '[\"JSON\"]') AS VARCHAR[])", part)

    #: Of a document: whether it is a list and how long, whether it is a map and its keys.
    _IS_LIST, _ELEMENTS = "{0}[1] = '['", "json_array_length({0})"
    _IS_MAP, _KEYS = "{0}[1] = '{{'", "json_keys({0})"
    _COUNTED, _AMONG = "len", "list_contains"

    def sized(self, part: Code, kinds: Sequence[str]) -> Code:
        """Elements of a list, keys of a map."""
        sizes = {"list": (self._IS_LIST, self._ELEMENTS), "map": (self._IS_MAP, f"{self._COUNTED}({self._KEYS})")}
        found = "".join(f" WHEN {sizes[kind][0]} THEN {sizes[kind][1]}" for kind in sizes if kind in kinds)
        return made(f"CASE{found} END", part)

    def has_key(self, part: Code, key: Code) -> Code:
        return made(f"COALESCE({self._IS_MAP} AND {self._AMONG}({self._KEYS}, {{1}}), FALSE)", part, key)

    def mapped(self, items: Code, name: str, body: Code) -> Code:
        return made(f"list_transform({{0}}, lambda {name}: {{1}})", items, body)

    def filtered(self, items: Code, name: str, body: Code) -> Code:
        return made(f"list_filter({{0}}, lambda {name}: {{1}})", items, body)

    def counted(self, items: Code) -> Code:
        return made("len({0})", items)

    def summed(self, items: Code) -> Code:
        return made(f"CASE WHEN {{0}} IS NOT NULL THEN COALESCE(list_sum({{0}}), CAST(0 AS {NUMBER})) END", items)

    def smallest(self, items: Code) -> Code:
        return made("list_min({0})", items)

    def largest(self, items: Code) -> Code:
        return made("list_max({0})", items)

    def exploded(self, source: str, alias: str, items: Code, item: str, place: str) -> str:
        """Rows with a row for each element."""
        inner = f"SELECT {alias}.*, {items.text} AS {item}_s FROM {source}"
        return (
            f"SELECT * EXCLUDE ({item}_s), UNNEST({item}_s) AS {item},"
            f" generate_subscripts({item}_s, 1) AS {place} FROM ({inner})"
        )

    # the first and the newest of some rows

    def earliest(self, order: str, n: int) -> tuple[str, str]:
        """(an aggregate of a value, what is the n-th of it in an order)."""
        return f"arg_min({{0}}, ROW({order}), {n})", f"{{0}}[{n}]"

    def newest(self, order: str, n: int) -> tuple[str, str]:
        """(an aggregate of a value, what is the list of its n newest in an order)."""
        return f"arg_max({{0}}, ROW({order}), {n})", "list_reverse({0})"

    # numbers

    def sum(self, op: str, a: Code, b: Code) -> Code:
        return made(f"TRY({{0}} {op} {{1}})", a, b)

    def divided(self, a: Code, b: Code, bind: Callable[[Code], Code]) -> Code:
        """a / b, rounded half-even once, in whole numbers of 128 bits; where those are too short `ek_div` does it."""
        whole = "CAST(TRY_CAST({0} AS DECIMAL(24, 9)) * 1000000000 AS HUGEINT)"
        x, y = bind(made(whole, a)), bind(made(whole, b))
        above, below = bind(made("ABS({0}) * 1000000000", x)), bind(made("NULLIF(ABS({0}), 0)", y))
        part, rest = bind(made("{0} // {1}", above, below)), bind(made("{0} % {1}", above, below))
        up = "CASE WHEN 2 * {1} > {2} OR (2 * {1} = {2} AND {0} % 2 = 1) THEN {0} + 1 ELSE {0} END"
        quotient = bind(made(up, part, rest, below))
        number = f"CAST({{0}} // 1000000000 AS {NUMBER})"
        number += f" + CAST(CAST({{0}} % 1000000000 AS DECIMAL(18, 0)) * 0.000000001 AS {NUMBER})"
        found = bind(made(number, quotient))
        sign = "CASE WHEN ({0} < 0) <> ({1} < 0) THEN -{2} ELSE {2} END"
        return made(
            f"CASE WHEN {{0}} IS NULL OR {{1}} IS NULL OR {{1}} = 0 THEN NULL WHEN {{2}} IS NOT NULL THEN {sign}"
            " ELSE ek_div({0}, {1}) END",
            a,
            b,
            found,
        )

    def rounded(self, x: Code, places: int) -> Code:
        return made(f"CAST(round_even({{0}}, {places}) AS {NUMBER})", x)

    def lower(self, x: Code) -> Code:
        return made("CASE WHEN strlen({0}) = length({0}) THEN lower({0}) ELSE ek_lower({0}) END", x)

    def bounded(self, total: Code) -> Code:
        """A sum as a number, null where it is too large."""
        return made("CASE WHEN ABS({0}) < CAST('99999999999999999999999999999' AS DECIMAL(38, 9)) THEN {0} END", total)


class Spark(DuckDB):
    """How Spark writes it (4.0 or later): its VARIANT keeps the digits of numbers and sorts the keys of maps."""

    name = "spark"
    starts, ends, length = "startswith", "endswith", "char_length"
    min_by, max_by, key = "min_by", "max_by", "struct"
    python_anywhere = False

    def _hex(self, digits: str) -> str:
        return f"decode(unhex('{digits}'), 'utf-8')"

    def documents(self, doc: str, paths: Sequence[tuple[str, ...]], *, parsed: bool = False) -> str:
        return doc if parsed else f"try_parse_json({doc})"

    def asked(self, column: str, paths: Sequence[tuple[str, ...]], path: tuple[str, ...]) -> str:
        return self.inner(column, path)

    def inner(self, doc: str, path: tuple[str, ...]) -> str:
        return f"variant_get({doc}, {self._path(path)})" if path else doc

    def _path(self, path: tuple[str, ...]) -> str:
        if any('"' in name or "'" in name or "\\" in name or "]" in name for name in path):
            raise Unsupported("this name of a field")
        return self.text("$" + "".join(f'["{name}"]' for name in path)).text

    def document(self, text: Code) -> Code:
        return made("try_parse_json({0})", text)

    def safe_text(self, part: Code) -> Code:
        raise Unsupported("a key out of a list")

    def read_string(self, part: Code) -> Code:
        return made("CASE WHEN schema_of_variant({0}) = 'STRING' THEN CAST({0} AS STRING) END", part)

    read_safe_string = read_string

    def read_bool(self, part: Code) -> Code:
        return made("CASE WHEN schema_of_variant({0}) = 'BOOLEAN' THEN CAST({0} AS BOOLEAN) END", part)

    def read_number(self, part: Code, doc: Code | None, path: tuple[str, ...]) -> Code:
        numeric = "schema_of_variant({0}) RLIKE '^(BIGINT|DECIMAL|DOUBLE|FLOAT)'"
        fine = "bround(try_variant_get({0}, '$', 'decimal(38,19)'), 9)"
        large = "try_variant_get({0}, '$', 'decimal(38,9)')"
        return made(f"CASE WHEN {numeric} THEN CAST(COALESCE({fine}, {large}) AS {NUMBER}) END", part)

    def read_compared(self, part: Code, doc: Code | None, path: tuple[str, ...]) -> Code:
        return made("CASE WHEN schema_of_variant({0}) RLIKE '^(ARRAY|OBJECT)' THEN to_json({0}) END", part)

    def missing(self, part: Code) -> Code:
        return made("({0} IS NULL OR schema_of_variant({0}) = 'VOID')", part)

    def is_string(self, part: Code, value: str) -> Code | None:
        return None

    def fields(self, doc: Code, path: tuple[str, ...], inner: tuple[str, ...]) -> Code | None:
        return None

    def items(self, part: Code, doc: Code | None, path: tuple[str, ...]) -> Code:
        return made(
            "CASE WHEN schema_of_variant({0}) LIKE 'ARRAY%' THEN try_variant_get({0}, '$', 'array<variant>') END", part
        )

    _IS_LIST, _ELEMENTS = "schema_of_variant({0}) LIKE 'ARRAY%'", "json_array_length(to_json({0}))"
    _IS_MAP, _KEYS = "schema_of_variant({0}) LIKE 'OBJECT%'", "json_object_keys(to_json({0}))"
    _COUNTED, _AMONG = "array_size", "array_contains"

    def mapped(self, items: Code, name: str, body: Code) -> Code:
        return made(f"transform({{0}}, {name} -> {{1}})", items, body)

    def filtered(self, items: Code, name: str, body: Code) -> Code:
        return made(f"filter({{0}}, {name} -> {{1}})", items, body)

    def counted(self, items: Code) -> Code:
        return made("array_size({0})", items)

    def summed(self, items: Code) -> Code:
        zero = f"CAST(0 AS {NUMBER})"
        return made(f"aggregate({{0}}, {zero}, (a, x) -> CAST(a + COALESCE(x, {zero}) AS {NUMBER}))", items)

    def smallest(self, items: Code) -> Code:
        return made("array_min({0})", items)

    def largest(self, items: Code) -> Code:
        return made("array_max({0})", items)

    def exploded(self, source: str, alias: str, items: Code, item: str, place: str) -> str:
        return (
            f"SELECT {alias}.*, {place}, {item} FROM {source} LATERAL VIEW posexplode({items.text}) AS {place}, {item}"
        )

    def earliest(self, order: str, n: int) -> tuple[str, str]:
        return f"collect_list(struct({order}, {{0}} AS x))", f"get(sort_array({{0}}), {n - 1}).x"

    def newest(self, order: str, n: int) -> tuple[str, str]:
        cut = f"reverse(slice(sort_array({{0}}, FALSE), 1, {n}))"
        return f"collect_list(struct({order}, {{0}} AS x))", f"transform({cut}, y -> y.x)"

    def sum(self, op: str, a: Code, b: Code) -> Code:
        return made(f"CAST({{0}} {op} {{1}} AS {NUMBER})", a, b)

    def divided(self, a: Code, b: Code, bind: Callable[[Code], Code]) -> Code:
        found = made("ek_div({0}, {1})", a, b)
        return Code(found.text, found.deps, python=True)

    def rounded(self, x: Code, places: int) -> Code:
        return made(f"CAST(bround({{0}}, {places}) AS {NUMBER})", x)

    def lower(self, x: Code) -> Code:
        return made("ek_lower({0})", x)

    def bounded(self, total: Code) -> Code:
        return total


def tagged_number(x: Code) -> Code:
    """A number as an undeclared value."""
    return made("'n' || CAST({0} AS STRING)", x)
