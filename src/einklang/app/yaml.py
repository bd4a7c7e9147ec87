"""Reads definition files: YAML 1.2 (core schema) or JSON, any number of documents a file, folders walked.

`on`, `off`, `yes`, `no`, `10:30` and `2027-03-31` are texts; numbers are int or Decimal; repeated keys and tags are
errors.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from einklang.kernel.errors import InputError
from einklang.kernel.limits import DEFINITION_BYTES_MAX, JSON_DEPTH_MAX

SUFFIXES = (".yaml", ".yml", ".json")
_DRAWN = (".bpmn", ".dmn")


@dataclass(frozen=True, slots=True)
class Document:
    """One document: its mapping, where it stands (`file:line`), and the line of each of its fields by path."""

    body: dict[str, Any]
    where: str
    lines: dict[str, int] = field(default_factory=dict)

    def line_of(self, path: str) -> int | None:
        """The line of a field such as `steps[2].then`; of the nearest one above it that is known, else None."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return None


_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]{1,4000}")
_BASED = re.compile(r"0o[0-7]{1,1000}|0x[0-9a-fA-F]{1,1000}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")
_SURROGATE = re.compile("[\ud800-\udfff]")
_TAG = "tag:yaml.org,2002:"
_IMPLICIT = {"null", "bool", "int", "float", "str", "seq", "map", "timestamp", "merge", "value"}
_NODES_MAX = 200_000


def _scalar(node: ScalarNode) -> Any:
    """A scalar by the core schema of YAML 1.2 (section 10.3.2): no dates, no sexagesimals, numbers exact."""
    text = str(node.value)
    if node.style:
        return text
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    if _INT.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    return Decimal(text) if _FLOAT.fullmatch(text) else text


class _Builder:
    """Nodes -> plain values, with a budget so that anchors cannot blow up."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.left = _NODES_MAX
        self.lines: dict[str, int] = {}

    def _fail(self, code: str, what: str, node: Any, mend: str) -> InputError:
        return InputError(code, what, where=f"{self.name}:{node.start_mark.line + 1}", mend=mend)

    def _whole(self, value: Any, node: Any) -> Any:
        """A text as written in JSON may hold a character as two halves; one half alone is none."""
        if not isinstance(value, str) or not _SURROGATE.search(value):
            return value
        try:
            return value.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError as error:
            raise self._fail("bad_encoding", "half a character (a lone surrogate)", node, "write it whole") from error

    def build(self, node: Any, path: str = "", depth: int = 0) -> Any:
        """The value of a node and all below it. Raises InputError with its line."""
        self.left -= 1
        if depth > JSON_DEPTH_MAX:
            raise self._fail("too_deep", f"nested deeper than {JSON_DEPTH_MAX} levels", node, "make it flatter")
        if self.left < 0:
            raise self._fail("too_large", "too many values", node, "split the file, use fewer anchors")
        if node.tag and str(node.tag).removeprefix(_TAG) not in _IMPLICIT:
            raise self._fail("tag", f"tags are not allowed: {node.tag}", node, "remove it")
        if isinstance(node, SequenceNode):
            for n, item in enumerate(node.value):
                self.lines[f"{path}[{n}]"] = item.start_mark.line + 1
            return [self.build(item, f"{path}[{n}]", depth + 1) for n, item in enumerate(node.value)]
        if not isinstance(node, MappingNode):
            return self._whole(_scalar(node), node)
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._whole(str(key_node.value), key_node) if isinstance(key_node, ScalarNode) else None
            if key is None or str(key_node.tag).endswith(":merge"):
                raise self._fail("bad_key", "a key must be a text", key_node, "quote it")
            if key in out:
                raise self._fail(
                    "repeated_key", f"the key {key[:40]!r} stands here twice", key_node, "keep one of them"
                )
            here = f"{path}.{key}" if path else key
            self.lines[here] = key_node.start_mark.line + 1
            out[key] = self.build(value_node, here, depth + 1)
        return out


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in pairs:
        if key in out:
            raise InputError("repeated_key", f"the key {key[:40]!r} stands twice", mend="keep one of them")
        out[key] = value
    return out


def _no_number(text: str) -> Any:
    raise InputError("not_json", f"{text} is no number", mend="leave it out")


def _depth(value: Any, left: int = JSON_DEPTH_MAX) -> bool:
    """Whether a value is nested no deeper than allowed."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return left >= 0 and all(_depth(item, left - 1) for item in inner)


def _json(text: str, name: str) -> Iterator[Document]:
    try:
        found = json.loads(text, parse_float=Decimal, parse_constant=_no_number, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise InputError(
            "not_json", error.msg, where=f"{name}:{error.lineno}", mend="check commas and quotes"
        ) from error
    except InputError as error:
        raise InputError(error.code, error.what, where=name, mend=error.mend) from error
    except (ValueError, RecursionError) as error:
        what = "nested too deep" if isinstance(error, RecursionError) else str(error).splitlines()[0]
        raise InputError("not_json", what, where=name, mend="make it flatter, write shorter numbers") from error
    if _SURROGATE.search(json.dumps(found, ensure_ascii=False, default=str)):
        raise InputError("bad_encoding", "half a character (a lone surrogate)", where=name, mend="write the whole one")
    for doc in found if isinstance(found, list) else [found]:
        if not _depth(doc):
            raise InputError("too_deep", f"nested deeper than {JSON_DEPTH_MAX}", where=name, mend="make it flatter")
        yield _checked(doc, f"{name}:1")


def _checked(doc: Any, where: str, lines: dict[str, int] | None = None) -> Document:
    if not isinstance(doc, dict) or not all(isinstance(key, str) for key in doc):
        raise InputError(
            "not_a_definition",
            "a document must be a mapping with `kind` and `id`",
            where=where,
            mend="begin with `kind: segment`",
        )
    return Document(doc, where, lines or {})


def _look_over(text: str, name: str) -> None:
    """Refuses tags, which cannot be told from plain values once composed, and depth before it costs anything."""
    depth = 0
    for event in YAML(typ="safe", pure=True).parse(text):
        where = f"{name}:{event.start_mark.line + 1}"
        if getattr(event, "tag", None) is not None:
            what = f"tags are not allowed: {event.tag}"
            raise InputError("tag", what, where=where, mend="remove it, or put the text in quotes")
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > JSON_DEPTH_MAX:
            what = f"nested deeper than {JSON_DEPTH_MAX} levels"
            raise InputError("too_deep", what, where=where, mend="make it flatter")


def parse_text(text: str, name: str) -> list[Document]:
    """The documents of one file's text. Raises InputError with file and line."""
    if len(text.encode()) > DEFINITION_BYTES_MAX:
        raise InputError("too_large", "a definition file over 1 MiB", where=name, mend="split it")
    if "\0" in text:
        raise InputError("nul_byte", "a NUL byte in the file", where=name, mend="save it as UTF-8 text")
    if name.endswith(".json"):
        return list(_json(text, name))
    try:
        docs = []
        _look_over(text, name)
        for node in YAML(typ="safe", pure=True).compose_all(text):
            builder = _Builder(name)
            found = None if node is None else builder.build(node)
            if found is not None:
                docs.append(_checked(found, f"{name}:{node.start_mark.line + 1}", builder.lines))
        return docs
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}" if mark else name
        raise InputError(
            "not_yaml", str(error.problem or error.context), where=where, mend="quote texts with : # { [ ! & *"
        ) from error
    except (YAMLError, ValueError, RecursionError) as error:
        what = "nested too deep" if isinstance(error, RecursionError) else str(error).splitlines()[0]
        raise InputError("not_yaml", what, where=name, mend="check the file") from error


def files(paths: list[Path]) -> list[Path]:
    """The definition files among the paths; folders are walked, but no home and no hidden folder in them.

    Raises InputError for what does not exist.
    """
    out: list[Path] = []
    for path in paths:
        if path.is_dir():
            out += sorted(_walked(path))
        elif path.is_file():
            out.append(path)
        else:
            raise InputError("no_such_file", "no such file or folder", where=str(path), mend="check the path")
    return out


def _walked(folder: Path) -> Iterator[Path]:
    for found in folder.iterdir():
        if found.is_file() and found.suffix in (*SUFFIXES, *_DRAWN):
            yield found
        elif found.is_dir() and not found.is_symlink() and not found.name.startswith("."):
            yield from () if (found / "book.db").exists() else _walked(found)


def read(paths: list[Path]) -> list[Document]:
    """All documents of the files and folders. Raises InputError, also if there is none."""
    docs: list[Document] = []
    for path in files(paths):
        if path.suffix in _DRAWN:
            raise InputError(
                "not_supported_yet", "BPMN and DMN are not supported yet", where=str(path), mend="leave the file out"
            )
        try:
            if path.stat().st_size > DEFINITION_BYTES_MAX:
                raise InputError("too_large", "a definition file over 1 MiB", where=str(path), mend="split it")
            text = path.read_text("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InputError(
                "bad_encoding", "not UTF-8", where=f"{path}, byte {error.start}", mend="save it as UTF-8"
            ) from error
        except OSError as error:
            raise InputError(
                "unreadable", error.strerror or "cannot be read", where=str(path), mend="check its rights"
            ) from error
        docs += parse_text(text, str(path))
    if not docs:
        where = ", ".join(str(path) for path in paths)
        raise InputError("no_definitions", "nothing to read here", where=where, mend="name .yaml, .yml or .json files")
    return docs
