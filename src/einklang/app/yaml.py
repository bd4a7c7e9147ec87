"""Reads definition files: YAML 1.2 (core schema) or JSON, any number of documents a file, folders walked.

`on`, `off`, `yes`, `no`, `10:30` and `2027-03-31` are texts; numbers are int or Decimal; repeated keys and tags are
errors.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from einklang.kernel.errors import InputError
from einklang.kernel.limits import DEFINITION_BYTES_MAX

SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class Document:
    """One document: its mapping and where it stands (`file:line`)."""

    body: dict[str, Any]
    where: str


_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?")
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
    return Decimal(text) if _FLOAT.fullmatch(text) else text


class _Builder:
    """Nodes -> plain values, with a budget so that anchors cannot blow up."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.left = _NODES_MAX

    def _fail(self, code: str, what: str, node: Any, mend: str) -> InputError:
        return InputError(code, what, where=f"{self.name}:{node.start_mark.line + 1}", mend=mend)

    def build(self, node: Any) -> Any:
        """The value of a node and all below it. Raises InputError with its line."""
        self.left -= 1
        if self.left < 0:
            raise self._fail("too_large", "too many values", node, "split the file, use fewer anchors")
        if node.tag and str(node.tag).removeprefix(_TAG) not in _IMPLICIT:
            raise self._fail("tag", f"tags are not allowed: {node.tag}", node, "remove it")
        if isinstance(node, SequenceNode):
            return [self.build(item) for item in node.value]
        if not isinstance(node, MappingNode):
            return _scalar(node)
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value) if isinstance(key_node, ScalarNode) else None
            if key is None or str(key_node.tag).endswith(":merge"):
                raise self._fail("bad_key", "a key must be a text", key_node, "quote it")
            if key in out:
                raise self._fail(
                    "repeated_key", f"the key {key[:40]!r} stands here twice", key_node, "keep one of them"
                )
            out[key] = self.build(value_node)
        return out


def _json(text: str, name: str) -> Iterator[Document]:
    try:
        found = json.loads(text, parse_float=Decimal)
    except json.JSONDecodeError as error:
        raise InputError(
            "not_json", error.msg, where=f"{name}:{error.lineno}", mend="check commas and quotes"
        ) from error
    for doc in found if isinstance(found, list) else [found]:
        yield _checked(doc, f"{name}:1")


def _checked(doc: Any, where: str) -> Document:
    if not isinstance(doc, dict) or not all(isinstance(key, str) for key in doc):
        raise InputError(
            "not_a_definition",
            "a document must be a mapping with `kind` and `id`",
            where=where,
            mend="begin with `kind: segment`",
        )
    return Document(doc, where)


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
        for node in YAML(typ="safe", pure=True).compose_all(text):
            found = None if node is None else _Builder(name).build(node)
            if found is not None:
                docs.append(_checked(found, f"{name}:{node.start_mark.line + 1}"))
        return docs
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}" if mark else name
        raise InputError(
            "not_yaml", str(error.problem or error.context), where=where, mend="quote texts with : # { [ ! & *"
        ) from error
    except (YAMLError, ValueError, RecursionError) as error:
        what = str(error).splitlines()[0] if str(error) else "nested too deep"
        raise InputError("not_yaml", what, where=name, mend="check the file") from error


def files(paths: list[Path]) -> list[Path]:
    """The definition files among the paths; folders are walked. Raises InputError for what does not exist."""
    out: list[Path] = []
    for path in paths:
        if path.is_dir():
            out += sorted(p for p in path.rglob("*") if p.suffix in SUFFIXES and p.is_file())
        elif path.is_file():
            out.append(path)
        else:
            raise InputError("no_such_file", "no such file or folder", where=str(path), mend="check the path")
    return out


def read(paths: list[Path]) -> list[Document]:
    """All documents of the files and folders. Raises InputError."""
    docs: list[Document] = []
    for path in files(paths):
        try:
            text = path.read_text("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InputError(
                "bad_encoding", "not UTF-8", where=f"{path.name}, byte {error.start}", mend="save it as UTF-8"
            ) from error
        docs += parse_text(text, path.name)
    return docs
