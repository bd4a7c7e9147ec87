"""Strict conversion of definitions: an unknown field is an error that names the nearest known one."""

from __future__ import annotations

import difflib
import re
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from einklang.kernel.errors import InputError

T = TypeVar("T")
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")
_PATH = re.compile(r" - at `\$?\.?([^`]*)`")


def _numbers(kind: type, value: Any) -> Any:
    if kind is Decimal and isinstance(value, int | Decimal) and not isinstance(value, bool):
        return Decimal(value)
    raise NotImplementedError(kind)


def _fields(kind: Any, path: str) -> list[str]:
    """Encoded field names of the struct at `path` below `kind`, as far as they can be found."""
    names: set[str] = set()
    todo, seen = [msgspec.inspect.type_info(kind)], set[int]()
    last = path.rsplit(".", 1)[-1].split("[")[0] if path else ""
    while todo:
        info = todo.pop()
        if id(info) in seen:
            continue
        seen.add(id(info))
        if isinstance(info, msgspec.inspect.StructType):
            for field in info.fields:
                if not last or field.encode_name == last or not names:
                    todo.append(field.type)
                names.add(field.encode_name)
        for name in ("item_type", "value_type"):
            inner = getattr(info, name, None)
            if inner is not None:
                todo.append(inner)
        todo.extend(getattr(info, "types", ()))
        todo.extend(getattr(info, "item_types", ()))
    return sorted(names)


def convert(raw: Any, kind: type[T], where: str) -> T:
    """`raw` (YAML or JSON values, numbers as int or Decimal) as the struct `kind`.

    Raises InputError `unknown_field`, `missing_field` or `wrong_type` with the path below `where` and the mend.
    """
    try:
        return msgspec.convert(raw, kind, dec_hook=_numbers)
    except msgspec.ValidationError as error:
        text = str(error)
        found = _PATH.search(text)
        path = found[1] if found else ""
        place = f"{where}.{path}" if path else where
        what = _PATH.sub("", text)
        unknown = _UNKNOWN.search(what)
        if unknown:
            near = difflib.get_close_matches(unknown[1], _fields(kind, path), 1)
            mend = f"did you mean {near[0]!r}?" if near else "remove it or look it up in the reference of definitions"
            raise InputError("unknown_field", f"unknown field {unknown[1]!r}", where=place, mend=mend) from error
        code = "missing_field" if "missing required field" in what else "wrong_type"
        raise InputError(
            code, what[0].lower() + what[1:], where=place, mend="see the reference of definitions"
        ) from error
