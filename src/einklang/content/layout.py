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


def mjml_to_html(mjml: str) -> str:
    """HTML of a whole MJML document. Raises ValueError for what is no MJML or wants to include a file."""
    try:
        return mrml.to_html(mjml, _PARSER, _RENDER).content
    except OSError as error:
        raise ValueError(f"no valid MJML: {error}") from error


def inline(html: str) -> str:
    """HTML with the rules of its style sheets in the tags; remote sheets are not loaded."""
    try:
        return _XMLNS.sub("", _INLINER.inline(html))
    except css_inline.InlineError as error:
        raise ValueError(f"no valid HTML or CSS: {error}") from error
