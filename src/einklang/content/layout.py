"""MJML to HTML and styles into the tags, without ever fetching anything."""

from __future__ import annotations

import re

import css_inline
import mrml

_INLINER = css_inline.CSSInliner(load_remote_stylesheets=False, keep_style_tags=True, keep_at_rules=True)
_PARSER = mrml.ParserOptions(include_loader=mrml.noop_loader())
#: without fonts MRML links to no foreign host
_RENDER = mrml.RenderOptions(disable_comments=False, fonts={})
_XMLNS = re.compile(r' xmlns="http://www\.w3\.org/1999/xhtml"')


#: tags within tags; both tools walk trees by recursion and would end the process at some thousands
NESTED_MAX = 200
_TAG = re.compile(r"<(/?)([A-Za-z][\w:-]*)[^<>]*?(/?)>")
_VOID = frozenset(["area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "track", "wbr"])
#: tags whose end HTML may leave out: they do not nest by themselves
_OPEN_ENDED = frozenset(["p", "li", "td", "th", "tr", "dt", "dd", "option", "tbody", "thead", "tfoot", "colgroup"])


def check_nesting(markup: str, *, xml: bool) -> None:
    """Raises ValueError if tags stand in tags more than NESTED_MAX deep."""
    depth = 0
    for found in _TAG.finditer(markup):
        name = found[2].lower()
        if (found[3] and xml) or (not xml and (name in _VOID or name in _OPEN_ENDED)):
            continue
        depth = max(depth - 1, 0) if found[1] else depth + 1
        if depth > NESTED_MAX:
            raise ValueError(f"tags are nested more than {NESTED_MAX} deep")


def mjml_to_html(mjml: str) -> str:
    """HTML of a whole MJML document. Raises ValueError for what is no MJML or wants to include a file."""
    check_nesting(mjml, xml=True)
    try:
        return mrml.to_html(mjml, _PARSER, _RENDER).content
    except OSError as error:
        raise ValueError(f"no valid MJML: {error}") from error


def inline(html: str) -> str:
    """HTML with the rules of its style sheets in the tags; remote sheets are not loaded."""
    check_nesting(html, xml=False)
    try:
        return _XMLNS.sub("", _INLINER.inline(html))
    except css_inline.InlineError as error:
        raise ValueError(f"no valid HTML or CSS: {error}") from error
