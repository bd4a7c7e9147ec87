"""Plain text of an HTML mail whose author gave none: paragraphs, list items, links as `text (address)`."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_SKIPPED = frozenset(("head", "style", "script", "title", "template"))
_LINES = frozenset(
    [
        "p",
        "div",
        "tr",
        "table",
        "ul",
        "ol",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "section",
        "article",
        "header",
        "footer",
        "blockquote",
        "body",
    ]
)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.out: list[str] = []
        self._skip = 0
        self._links: list[tuple[str, int]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SKIPPED:
            self._skip += 1
        elif tag == "br":
            self.out.append("\n")
        elif tag == "li":
            self.out.append("\n- ")
        elif tag == "td":
            self.out.append(" ")
        elif tag in _LINES:
            self.out.append("\n\n" if tag in ("p", "h1", "h2", "h3", "h4") else "\n")
        elif tag == "a":
            self._links.append((dict(attrs).get("href") or "", len(self.out)))

    def handle_endtag(self, tag: str) -> None:
        if tag in _SKIPPED:
            self._skip = max(0, self._skip - 1)
        elif tag in _LINES:
            self.out.append("\n")
        elif tag == "a" and self._links:
            address, start = self._links.pop()
            label = "".join(self.out[start:]).strip()
            if address and not address.startswith("#") and label != address:
                self.out.append(f" ({address})" if label else address)

    def handle_data(self, data: str) -> None:
        if not self._skip:
            self.out.append(re.sub(r"\s+", " ", data))

    def handle_comment(self, data: str) -> None:
        if not self._skip and re.fullmatch(r"lq\d+x\d+z", data):
            self.out.append(f"<!--{data}-->")


def html_to_text(html: str) -> str:
    """The text of HTML, with the hidden Liquid words of `blocks.Shield` kept in their places."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    text = re.sub(r"[ \t\u00a0]*\n[ \t\u00a0]*", "\n", "".join(reader.out))
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]{2,}", " ", text)).strip()
