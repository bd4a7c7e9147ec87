"""Texts of definitions: a string for all, or one per language (BCP 47), and the strict reading of fields."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

import msgspec

from einklang.kernel.errors import InputError

LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")
TEXT_CHARS_MAX = 200_000


class Text(msgspec.Struct, frozen=True):
    """One text in several languages: pairs (language, source) in the order written; ("", source) is for all."""

    pairs: tuple[tuple[str, str], ...]

    def items(self) -> tuple[tuple[str, str], ...]:
        """(language, source) pairs."""
        return self.pairs

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages it is written in; () if it is for all."""
        return tuple(language for language, _ in self.pairs if language)

    def pick(self, language: str) -> str:
        """The source in this language, or that for all. Raises KeyError if it has neither."""
        for key, source in self.pairs:
            if key in (language, ""):
                return source
        raise KeyError(language)


def bad(code: str, what: str, where: str, path: str, mend: str) -> InputError:
    """An InputError about the field `path` of the definition at `where`."""
    return InputError(code, what, where=f"{where}: {path}" if where and path else where or path, mend=mend)


def strict(raw: Any, known: Sequence[str], where: str, *, path: str = "", what: str = "this") -> dict[str, Any]:
    """`raw` if it is a map with no other than the known fields. Raises InputError wrong_type, unknown_field."""
    if not isinstance(raw, dict):
        raise bad("wrong_type", f"expected fields, found {type(raw).__name__}", where, path, f"write {known[0]}: ...")
    for name in raw:
        if name not in known:
            near = get_close_matches(str(name), known, 1)
            mend = f"did you mean `{near[0]}`?" if near else f"known are {', '.join(known)}"
            raise bad("unknown_field", f"unknown field `{str(name)[:40]}`", where, path, mend)
    return raw


def parse_text(raw: Any, where: str, path: str) -> Text:
    """A Text of a string or {language: string}. Raises InputError wrong_type, wrong_value."""
    if isinstance(raw, str):
        return Text((("", _short(raw, where, path)),))
    if not isinstance(raw, dict) or not raw:
        raise bad(
            "wrong_type",
            f"expected a text, found {type(raw).__name__}",
            where,
            path,
            "write a text, or one per language: {de: ..., en: ...}",
        )
    for language, source in raw.items():
        if not isinstance(language, str) or not LANGUAGE.fullmatch(language):
            raise bad(
                "wrong_value",
                f"not a language: {str(language)[:40]!r}",
                where,
                path,
                "write BCP 47 such as de, en or de-AT",
            )
        if not isinstance(source, str):
            raise bad(
                "wrong_type",
                f"expected a text, found {type(source).__name__}",
                where,
                f"{path}.{language}",
                "put it in quotes",
            )
        _short(source, where, f"{path}.{language}")
    return Text(tuple(raw.items()))


def _short(source: str, where: str, path: str) -> str:
    if len(source) > TEXT_CHARS_MAX:
        raise bad("too_large", f"a text of {len(source)} characters", where, path, f"keep it below {TEXT_CHARS_MAX}")
    return source


def common_languages(texts: Iterable[Text]) -> tuple[str, ...]:
    """The languages in which every text is written, in the order of the first; () if all are for all.

    Raises KeyError if the texts have languages but none in common."""
    spoken = [text.languages for text in texts if text.languages]
    if not spoken:
        return ()
    shared = tuple(language for language in spoken[0] if all(language in other for other in spoken[1:]))
    if not shared:
        raise KeyError("no language in common")
    return shared


def choose_language(wanted: str | None, brand: str | None, given: Sequence[str]) -> str:
    """The language of a message (language.md 4): the person's (`de-AT`, then `de`), else the brand's, else the first.

    Tags are compared without case, `_` counts as `-`. "" if the message is written for all."""
    if not given:
        return ""
    table = {language.lower(): language for language in reversed(given)}
    for candidate in (wanted, brand):
        parts = (candidate or "").strip().lower().replace("_", "-").split("-")
        for length in range(len(parts), 0, -1):
            found = table.get("-".join(parts[:length]))
            if found:
                return found
    return given[0]
