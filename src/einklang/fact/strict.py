"""Strict conversion of definitions: an unknown field is an error that names the nearest known one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from einklang.kernel.errors import InputError

T = TypeVar("T")
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")
_MISSING = re.compile(r"missing required field `([^`]*)`")
_EXPECTED = re.compile(r"[Ee]xpected `([^`]*)`")
_PATH = re.compile(r" - at `(?:key in )?\$?\.?([^`]*)`")
_PART = re.compile(r"\[[^\]]*\]|[^.\[]+")
_MENDS = {
    "str": "write a text, in quotes where YAML would read something else",
    "int": "write a whole number",
    "float": "write a number",
    "decimal": "write a number such as 0.10",
    "bool": "write true or false",
    "array": "write a list: [...]",
    "object": "write fields: {name: value}",
}


def _numbers(kind: type, value: Any) -> Any:
    if kind is Decimal and isinstance(value, int | Decimal) and not isinstance(value, bool):
        return Decimal(value)
    raise NotImplementedError(kind)


def _unions(info: msgspec.inspect.Type) -> Iterator[msgspec.inspect.Type]:
    if isinstance(info, msgspec.inspect.UnionType):
        for inner in info.types:
            yield from _unions(inner)
    else:
        yield info


def _fields(kind: Any, path: str) -> list[str]:
    """The names of the fields that may stand at `path` (such as `steps[3].wait`) below the struct `kind`."""
    return sorted({f.encode_name for info in _structs(kind, path) for f in info.fields})


def _structs(kind: Any, path: str) -> list[msgspec.inspect.StructType]:
    """The structs that may stand at a path."""
    here = list(_unions(msgspec.inspect.type_info(kind)))
    for part in _PART.findall(path):
        below: list[msgspec.inspect.Type] = []
        for info in here:
            if isinstance(info, msgspec.inspect.StructType) and not part.startswith("["):
                below += [inner for f in info.fields if f.encode_name == part for inner in _unions(f.type)]
            elif isinstance(info, msgspec.inspect.ListType | msgspec.inspect.VarTupleType):
                below += _unions(info.item_type)
            elif isinstance(info, msgspec.inspect.DictType):
                below += _unions(info.value_type)
        here = below
    return [info for info in here if isinstance(info, msgspec.inspect.StructType)]


def _one_of(kind: Any, path: str) -> str:
    """The mend where only some texts may stand."""
    parent, _, last = path.rpartition(".")
    found = [
        value
        for info in _structs(kind, parent)
        for field in info.fields
        if field.encode_name == last
        for inner in _unions(field.type)
        if isinstance(inner, msgspec.inspect.LiteralType)
        for value in inner.values
    ]
    return "write one of: " + ", ".join(map(str, found)) if found else "see the reference of definitions"


def _quoted(raw: Any, made: Any, path: str) -> str | None:
    """The path of a number that was written as a text, None if there is none."""
    if isinstance(made, Decimal):
        return path if isinstance(raw, str) else None
    inner: Iterator[tuple[Any, Any, str]] = iter(())
    if isinstance(made, msgspec.Struct) and isinstance(raw, dict):
        names = zip(made.__struct_encode_fields__, made.__struct_fields__, strict=True)
        inner = ((raw[key], getattr(made, name), f".{key}") for key, name in names if key in raw)
    elif isinstance(made, dict) and isinstance(raw, dict):
        inner = ((raw[key], made[key], f".{key}") for key in raw)
    elif isinstance(made, list) and isinstance(raw, list):
        inner = ((a, b, f"[{n}]") for n, (a, b) in enumerate(zip(raw, made, strict=True)))
    return next((found for a, b, part in inner if (found := _quoted(a, b, path + part)) is not None), None)


def convert(raw: Any, kind: type[T], where: str) -> T:
    """`raw` (YAML or JSON values, numbers as int or Decimal) as the struct `kind`.

    Raises InputError `unknown_field`, `missing_field` or `wrong_type` with the path below `where` and the mend.
    """
    try:
        made = msgspec.convert(raw, kind, dec_hook=_numbers)
    except msgspec.ValidationError as error:
        raise _error(str(error), kind, where) from error
    quoted = _quoted(raw, made, "")
    if quoted is not None:
        raise InputError(
            "wrong_type", "expected a number, found a text", where=f"{where}{quoted}", mend="write it without quotes"
        )
    return made


def _error(text: str, kind: Any, where: str) -> InputError:
    """What msgspec says, in our words."""
    found = _PATH.search(text)
    path = found[1] if found else ""
    place = f"{where}.{path}" if path else where
    what = _PATH.sub("", text)
    known = _fields(kind, path)
    unknown, missing, expected = _UNKNOWN.search(what), _MISSING.search(what), _EXPECTED.search(what)
    if unknown:
        near = difflib.get_close_matches(unknown[1], known, 1)
        mend = f"did you mean {near[0]!r}?" if near else "known are " + ", ".join(known)
        return InputError("unknown_field", f"unknown field {unknown[1][:40]!r}", where=place, mend=mend)
    if missing:
        return InputError("missing_field", f"no `{missing[1]}`", where=place, mend=f"add `{missing[1]}: ...`")
    wanted = expected[1].split(" | ")[0] if expected else "decimal" if "decimal" in what else ""
    mend = _MENDS.get(wanted) or _one_of(kind, path)
    return InputError("wrong_type", what[0].lower() + what[1:], where=place, mend=mend)
