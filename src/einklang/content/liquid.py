"""Liquid for texts of messages: strict, bounded, without loaders, clocks or files.

Built on python-liquid with these differences: a variable that is missing or null and has no filter `default` is a
`Missing` (a test such as `{% if trait.firstName %}` may ask for it); numbers are Decimal; `date` and `money` speak the
language of the message; what a template prints is text, number, truth value, date or a list of them; HTML is escaped
and cannot be unescaped (no filter `safe`); output, loops, depth and local values are bounded (`kernel.limits`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from difflib import get_close_matches
from functools import wraps
from typing import Any, TextIO, TypeGuard, cast

from liquid import Environment, Mode, RenderContext, escape
from liquid.ast import Node
from liquid.builtin.content import ContentNode
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags.case_tag import CaseNode
from liquid.builtin.tags.if_tag import IfNode
from liquid.builtin.tags.unless_tag import UnlessNode
from liquid.exceptions import LiquidError, OutputStreamLimitError, UndefinedError
from liquid.expression import Expression
from liquid.stringify import to_liquid_string
from liquid.template import BoundTemplate
from liquid.token import Token
from liquid.undefined import FalsyStrictUndefined

from einklang.content import filters
from einklang.content.filters import LOCAL, Local
from einklang.content.formats import day_text
from einklang.kernel.errors import InputError
from einklang.kernel.limits import TEMPLATE_OUTPUT_BYTES_MAX
from einklang.kernel.reasons import Reason

LOOPS_MAX = 2_000
#: pieces of Liquid ({{ }}, {% %}) in one text
PIECES_MAX = 2_000
DEPTH_MAX = 20
LOCALS_BYTES_MAX = 1024 * 1024
_TAGS = frozenset(
    ["if", "unless", "case", "for", "break", "continue", "assign", "capture", "cycle", "comment", "raw", "#"]
)
#: control characters and halves of surrogate pairs: never in a message
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_UNSET = object()


class Unrenderable(Exception):
    """This message cannot be rendered for this person: the contact is held with `reason`; `detail` is for staff."""

    reason = Reason.TEMPLATE_ERROR

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Missing(Unrenderable):
    """A variable is missing or null and the template has no `default` for it. `name`: its path (`data.total`)."""

    reason = Reason.MISSING_VARIABLE

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is missing and has no default")
        self.name = name


class _Nothing(FalsyStrictUndefined):
    """What stands for a missing value: false in a test, an error wherever its text or content is needed."""

    def __init__(self, name: str, *, token: Token | None = None, obj: object = None, hint: str | None = None) -> None:
        super().__init__(name, token=token, obj=obj, hint=name)

    def __contains__(self, item: object) -> bool:
        return False


class _Context(RenderContext):
    def get(self, path: list[object], *, token: Token | None, default: object = _UNSET) -> object:
        """The value at a path; null is missing. A missing value is `_Nothing` with the whole path as name."""
        value = super().get(path, token=token, default=None)
        if value is not None:
            return value
        return _Nothing(_dotted(path), token=token) if default is _UNSET else default

    def get_item(self, obj: Any, key: Any) -> Any:
        """An item; `first`, `last` and `size` of a map are fields, as a trait `size`, missing where it is missing."""
        return obj[key] if isinstance(obj, Mapping) else super().get_item(obj, key)


class _Bound(BoundTemplate):
    context_class = _Context


class _Print(OutputNode):
    """`{{ ... }}`: what is printed has a text; maps and other objects have none."""

    def render_to_output(self, context: RenderContext, buffer: TextIO) -> int:
        """Write the value as text, escaped where the environment says so."""
        value = self.expression.evaluate(context)
        if isinstance(value, date):
            value = _date_text(context, value)
        elif isinstance(value, Decimal):
            value = f"{value:f}"
        elif value is None or isinstance(value, _Nothing):
            raise Missing((str(self.expression) or "nil") if value is None else value.name)
        elif not isinstance(value, str | int | float | list | tuple | range):
            raise Unrenderable(f"{self.expression} is a {type(value).__name__} and has no text")
        elif isinstance(value, list | tuple):
            value = [_item_text(context, item, str(self.expression)) for item in value]
        text = to_liquid_string(value, context.autoescape)
        return buffer.write(CONTROL.sub("\ufffd" if "\ud800" <= max(text, default="") <= "\udfff" else "", text))


def _date_text(context: RenderContext, value: object) -> str:
    local = cast(Local, context.scope[LOCAL])
    return day_text(value, "datetime" if isinstance(value, datetime) else "short", local.language, local.zone)


def _item_text(context: RenderContext, item: object, name: str) -> object:
    if isinstance(item, date):
        return _date_text(context, item)
    if isinstance(item, str | int | float | Decimal):
        return item
    raise Unrenderable(f"an element of {name} is a {type(item).__name__} and has no text")


class _Output(Output):
    node_class = _Print


class _Environment(Environment):
    block_nesting_limit = DEPTH_MAX
    context_depth_limit = DEPTH_MAX
    loop_iteration_limit = LOOPS_MAX
    local_namespace_limit = LOCALS_BYTES_MAX
    output_stream_limit = TEMPLATE_OUTPUT_BYTES_MAX
    template_class = _Bound

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        """The standard tags and filters, less what reads, includes or unescapes, with our own in place."""
        super().setup_tags_and_filters(extra=False)
        self.add_tag(_Output)
        for name in [name for name in self.tags if name.isidentifier() and name.islower() and name not in _TAGS]:
            if name not in ("content", "output", "illegal"):
                del self.tags[name]
        for name in filters.REMOVED:
            del self.filters[name]
        for name, function in filters.OWN.items():
            self.filters[name] = function
        for name, function in list(self.filters.items()):
            self.filters[name] = _bounded(function)


def _bounded(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter whose arguments and result stay within bounds."""

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        for value in args:
            if isinstance(value, range) and value.stop - value.start > LOOPS_MAX:
                raise OutputStreamLimitError("a range is too long", token=None)
        result = function(*args, **kwargs)
        if isinstance(result, str) and len(result) > TEMPLATE_OUTPUT_BYTES_MAX:
            raise OutputStreamLimitError("a text is too long", token=None)
        return result

    return wrapper


_HTML = _Environment(tolerance=Mode.STRICT, autoescape=True, undefined=_Nothing)
_PLAIN = _Environment(tolerance=Mode.STRICT, autoescape=False, undefined=_Nothing)


def _dotted(path: Iterable[object]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed text. `uses`: every outside path it reads, as tuples such as ("data", "total"); `needs`: those that it
    reads wherever it is rendered and that have no `default`; `pieces`: the text if it is made of nothing but constant
    parts and values that are printed, each by its path: most are, and joining them takes a tenth of Liquid's time."""

    source: str
    uses: frozenset[tuple[str, ...]]
    needs: frozenset[tuple[str, ...]]
    bound: BoundTemplate | None
    pieces: tuple[str | tuple[str, ...], ...] | None = None

    def render(self, values: Mapping[str, object], local: Local) -> str:
        """The text for these values. Raises Missing or Unrenderable, nothing else."""
        if self.bound is None:
            return self.source
        if self.pieces is not None:
            joined = _joined(self.pieces, values, escapes=self.bound.env.autoescape)
            if joined is not None:
                return joined
        try:
            return self.bound.render({**values, LOCAL: local})
        except UndefinedError as error:
            raise Missing(str(error.message)) from error
        except LiquidError as error:
            raise Unrenderable(_line_of(error)) from error
        except (
            InputError,
            ArithmeticError,
            ValueError,
            TypeError,
            LookupError,
            AttributeError,
            RecursionError,
        ) as error:
            raise Unrenderable(" ".join(str(error).split())[:200] or type(error).__name__) from error


def _pieces(bound: BoundTemplate) -> tuple[str | tuple[str, ...], ...] | None:
    """Constant parts and printed paths in their order; None if the template holds anything else."""
    found: list[str | tuple[str, ...]] = []
    for node in bound.nodes:
        if isinstance(node, ContentNode):
            found.append(node.text)
            continue
        path = node.expression.left if isinstance(node, _Print) and _is_bare(node.expression) else None
        if not isinstance(path, Path):
            return None
        names = tuple(part for part in path.path if isinstance(part, str))
        if len(names) != len(path.path):
            return None
        found.append(names)
    return tuple(found)


def _is_bare(expression: Expression) -> TypeGuard[FilteredExpression]:
    return type(expression) is FilteredExpression and not expression.filters


def _joined(pieces: tuple[str | tuple[str, ...], ...], values: Mapping[str, object], *, escapes: bool) -> str | None:
    """The text if every value is a text of ordinary characters; None where Liquid itself must say what is printed."""
    parts: list[str] = []
    for piece in pieces:
        if type(piece) is str:
            parts.append(piece)
            continue
        value: object = values
        for name in piece:
            value = value.get(name) if isinstance(value, Mapping) else None
        if type(value) is not str or CONTROL.search(value):
            return None
        parts.append(str(escape(value)) if escapes else value)
    text = "".join(parts)
    return text if len(text) * 4 <= TEMPLATE_OUTPUT_BYTES_MAX else None


def _line_of(error: LiquidError) -> str:
    message = " ".join(str(error.message).split())[:200]
    try:
        context = error.context()
    except ValueError:
        context = None
    return f"line {context[0]}: {message}" if context else message


def parse_template(source: str, *, html: bool, where: str) -> Template:
    """A Template of Liquid text. Raises InputError `template_syntax` with the line.

    html: values are escaped for HTML; else they are printed as they are."""
    if "{{" not in source and "{%" not in source:
        return Template(source, frozenset(), frozenset(), None)
    _closed(source, where)
    try:
        bound = (_HTML if html else _PLAIN).from_string(source)
        for name in bound.filter_names():
            if name not in _HTML.filters:
                raise InputError(
                    "template_syntax", f"unknown filter {name!r}", where=where, mend=f"did you mean {_near(name)}?"
                )
        found = bound.analyze().globals
        needs: set[tuple[str, ...]] = set()
        _collect(bound, bound.nodes, needs)
    except LiquidError as error:
        raise InputError(
            "template_syntax", _line_of(error), where=where, mend="mend the Liquid of this text"
        ) from error
    except RecursionError as error:
        raise InputError("template_syntax", "nested too deeply", where=where, mend="simplify this text") from error
    uses = frozenset(_path(variable.segments) for group in found.values() for variable in group)
    return Template(source, uses, frozenset(needs) & uses, bound, _pieces(bound))


_OPEN = re.compile(r"\{\{|\{%")
_RAW = re.compile(r"-?\s*raw\s*-?%\}")
_END_RAW = re.compile(r"\{%-?\s*endraw\s*-?%\}")


def _closed(source: str, where: str) -> None:
    """Refuse what is opened and never closed, and too much of it: the lexer takes quadratic time over such texts."""
    at = pieces = 0
    while found := _OPEN.search(source, at):
        at = source.find("}}" if found.group() == "{{" else "%}", found.end()) + 2
        if at > 1 and found.group() == "{%" and _RAW.match(source, found.end()):
            end = _END_RAW.search(source, at)
            at = end.end() if end else 1
        pieces += 1
        if at == 1 or pieces > PIECES_MAX:
            line = source.count("\n", 0, found.start()) + 1
            what = (
                f"line {line}: {found.group()} is never closed"
                if at == 1
                else f"more than {PIECES_MAX} pieces of Liquid"
            )
            raise InputError("template_syntax", what, where=where, mend="mend the Liquid of this text")


def _near(name: str) -> str:
    return " or ".join(get_close_matches(name, _HTML.filters, 1, 0.5) or ["money", "date", "default", "join"][:2])


def _path(segments: Iterable[object]) -> tuple[str, ...]:
    return tuple(part if isinstance(part, str) else "*" for part in segments)


def _collect(bound: BoundTemplate, nodes: Iterable[Node], found: set[tuple[str, ...]]) -> None:
    for node in nodes:
        if isinstance(node, IfNode | UnlessNode | CaseNode):
            continue
        for expression in node.expressions():
            _paths(expression, found)
        _collect(bound, node.children(RenderContext(bound)), found)


def _paths(expression: Expression, found: set[tuple[str, ...]]) -> None:
    if isinstance(expression, Path):
        found.add(_path(expression.path))
    children = list(expression.children())
    if isinstance(expression, FilteredExpression) and any(f.name == "default" for f in expression.filters or ()):
        children = children[1:]
    for child in children:
        _paths(child, found)
