"""Blocks of a mail (text, heading, button, products, recommend, image, divider) become MJML and plain text.

Liquid within the blocks is hidden behind plain words while MJML and CSS are worked on (`Shield`), and shown again
after.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

import msgspec

from einklang.content.text import Text, bad, parse_text, strict

BLOCKS = ("text", "heading", "button", "products", "recommend", "image", "divider")
_PATH = re.compile(r"(data|trait|event|person|offer|voucher)(\.[A-Za-z_]\w*|\[\d+\])+")
_PRODUCT = re.compile(r"[\w][\w .:/-]{0,99}")
LIQUID = re.compile(
    r"\{%-?\s*raw\s*-?%\}.*?\{%-?\s*endraw\s*-?%\}|\{%-?\s*comment\s*-?%\}.*?\{%-?\s*endcomment\s*-?%\}"
    r"|\{\{.*?\}\}|\{%.*?%\}",
    re.DOTALL,
)


class Block(msgspec.Struct, frozen=True):
    """One block: its kind, its text (alternative text of an image), where it leads (`to`), the image (`src`), the
    Liquid expression of its products (`items`)."""

    kind: str
    text: Text | None = None
    to: Text | None = None
    src: Text | None = None
    items: str = ""
    width: int = 0

    def texts(self) -> Iterator[tuple[str, Text]]:
        """Every text with the name of its field; the products as the Liquid that reads them."""
        for name, text in (("text", self.text), ("to", self.to), ("src", self.src)):
            if text is not None:
                yield f"{self.kind}.{name}", text
        if self.items:
            yield self.kind, Text((("", f"{{% assign lines = {self.items} %}}"),))


def parse_blocks(raw: Any, where: str, path: str) -> tuple[Block, ...]:
    """Blocks of a list of one-field maps. Raises InputError unknown_field, wrong_type, wrong_value, missing_field."""
    if not isinstance(raw, list) or not raw:
        raise bad(
            "wrong_type",
            "expected a list of blocks",
            where,
            path,
            "write [{text: ...}, {button: {text: ..., to: ...}}]",
        )
    return tuple(_block(item, where, f"{path}[{index}]") for index, item in enumerate(raw))


def _block(raw: Any, where: str, path: str) -> Block:
    if raw == "divider":
        raw = {"divider": None}
    fields = strict(raw, BLOCKS, where, path=path)
    if len(fields) != 1:
        raise bad("wrong_value", "a block has one kind", where, path, f"write one of {', '.join(BLOCKS)} each")
    (kind, value), path = next(iter(fields.items())), f"{path}.{next(iter(fields))}"
    if kind in ("text", "heading"):
        return Block(kind, text=parse_text(value, where, path))
    if kind in ("products", "recommend"):
        return Block(kind, items=_items(value, "products" if kind == "products" else "recommended", where, path))
    if kind == "divider":
        return Block(kind)
    known = ("text", "to") if kind == "button" else ("src", "alt", "to", "width")
    part = strict(value, known, where, path=path)
    for name in ("text", "to") if kind == "button" else ("src", "alt"):
        if name not in part:
            raise bad("missing_field", f"a block {kind} needs `{name}`", where, path, f"add `{name}: ...`")
    texts = {
        name: parse_text(part[name], where, f"{path}.{name}")
        for name in known[: len(known)]
        if name in part and name != "width"
    }
    width = part.get("width", 0)
    if isinstance(width, bool) or not isinstance(width, int) or not 0 <= width <= 600:
        raise bad("wrong_value", "expected a width in pixels", where, f"{path}.width", "write a whole number up to 600")
    return Block(
        kind, text=texts.get("text") or texts.get("alt"), to=texts.get("to"), src=texts.get("src"), width=width
    )


def _items(value: Any, name: str, where: str, path: str) -> str:
    parts = value if isinstance(value, list) else [value]
    mend = "write a variable such as data.products, or a list of variables and product ids"
    if not parts:
        raise bad("wrong_value", "no product", where, path, mend)
    out = []
    for part in parts:
        if isinstance(part, str) and _PATH.fullmatch(part):
            out.append(part)
        elif isinstance(part, str) and isinstance(value, list) and _PRODUCT.fullmatch(part):
            out.append(f"'{part}'")
        else:
            raise bad("wrong_value", f"not a list of products: {str(part)[:40]!r}", where, path, mend)
    return f"{out[0]} | {name}" + (": " + ", ".join(out[1:]) if len(out) > 1 else "")


class Shield:
    """Hides Liquid from tools that know only HTML: each piece becomes a plain word (or a comment around it)."""

    def __init__(self, *sources: str) -> None:
        number = 0
        while any(f"lq{number}x" in source.lower() for source in sources):
            number += 1
        self._mark = f"lq{number}x"
        self._pieces: list[str] = []
        word = rf"{self._mark}(\d+)z"
        self._word = re.compile(word)
        self._shown = re.compile(rf"<!--{word}-->|&lt;!--{word}--&gt;|{word}(?:=\"\")?")

    def hide(self, piece: str) -> str:
        """The word that stands for a piece of Liquid."""
        self._pieces.append(piece)
        return f"{self._mark}{len(self._pieces) - 1}z"

    def plain(self, source: str) -> str:
        """Plain text with Liquid as HTML: text escaped, lines broken, addresses and links clickable."""
        out, at = [], 0
        for found in LIQUID.finditer(source):
            out += [escape(source[at : found.start()]), self.hide(found.group())]
            at = found.end()
        html = "".join(out) + escape(source[at:])
        return self._links(html).replace("\r\n", "\n").replace("\n", "<br/>")

    def _links(self, html: str) -> str:
        def anchor(found: re.Match[str]) -> str:
            address = whole = found.group()
            piece = self._word.fullmatch(address)
            if piece and not re.match(r"\{\{-?\s*links\.", self._pieces[int(piece[1])]):
                return address
            for word in self._word.finditer(address):
                if self._pieces[int(word[1])].startswith("{%"):
                    address = address[: word.start()]
                    break
            if not piece:
                address = address.rstrip(".,;:!?)")
            return f'<a href="{address}">{address}</a>{whole[len(address) :]}'

        return re.sub(rf"https?://(?:(?!&quot;|&#x27;)[^\s<>])+|{self._mark}\d+z", anchor, html)

    def markup(self, source: str) -> str:
        """HTML or MJML with Liquid hidden: within a tag as a word, a `{% %}` elsewhere as a comment."""
        out, at, inside = [], 0, False
        for found in LIQUID.finditer(source):
            literal = source[at : found.start()]
            opened, closed = literal.rfind("<"), literal.rfind(">")
            inside = opened > closed if max(opened, closed) >= 0 else inside
            word = self.hide(found.group())
            out += [literal, word if inside or found.group().startswith("{{") else f"<!--{word}-->"]
            at = found.end()
        return "".join(out) + source[at:]

    def show(self, html: str) -> str:
        """The pieces of Liquid back in their places."""
        return self._shown.sub(lambda found: self._pieces[int(next(group for group in found.groups() if group))], html)


#: a row of a list of products; what stands in [ ] is Liquid between tags, in ( ) within a tag
_ROW = (
    '<tbody>[{start}]<tr><td style="padding:8px 12px 8px 0;width:72px;">[{% if line.image %}]'
    '<img src="({{ line.image }})" alt="" width="72" style="display:block;width:72px;height:auto;"/>[{% endif %}]</td>'
    '<td style="padding:8px 0;"><strong>[{% if line.url %}]<a href="({{ line.url }})">({{ line.name }})</a>'
    '[{% else %}]({{ line.name }})[{% endif %}]</strong></td><td style="padding:8px 0;text-align:right;">'
    "[{% if line.price %}{{ line.price | money }}{% endif %}]</td></tr>[{% endfor %}]</tbody>"
)


def to_mjml(blocks: Sequence[Block], language: str, shield: Shield, color: str) -> str:
    """The inside of one mj-column for these blocks, Liquid hidden by the shield."""
    return "".join(_mjml(block, language, shield, color) for block in blocks)


def _mjml(block: Block, language: str, shield: Shield, color: str) -> str:
    text = shield.plain(block.text.pick(language)) if block.text else ""
    to = _attribute(block.to, language, shield)
    if block.kind == "text":
        return f'<mj-text font-size="16px" line-height="24px">{text}</mj-text>'
    if block.kind == "heading":
        return f'<mj-text font-size="24px" line-height="30px" font-weight="bold">{text}</mj-text>'
    if block.kind == "button":
        label = re.sub(r"</?a\b[^>]*>", "", text)
        return f'<mj-button href="{to}" background-color="{color}" font-size="16px">{label}</mj-button>'
    if block.kind == "image":
        alt = _attribute(block.text, language, shield)
        link = f' href="{to}"' if to else ""
        width = f' width="{block.width}px"' if block.width else ""
        return f'<mj-image src="{_attribute(block.src, language, shield)}" alt="{alt}"{link}{width}/>'
    if block.kind == "divider":
        return '<mj-divider border-width="1px" border-color="#d5d5d5"/>'
    row = _ROW.replace("{start}", f"{{% assign lines = {block.items} %}}{{% for line in lines %}}")
    row = re.sub(r"\[(\{.*?\})\]", lambda found: f"<!--{shield.hide(found[1])}-->", row)
    row = re.sub(r"\((\{.*?\})\)", lambda found: shield.hide(found[1]), row)
    return f'<mj-table font-size="16px" line-height="24px">{row}</mj-table>'


def _attribute(text: Text | None, language: str, shield: Shield) -> str:
    if text is None:
        return ""
    out, at, source = [], 0, text.pick(language)
    for found in LIQUID.finditer(source):
        out += [escape(source[at : found.start()]), shield.hide(found.group())]
        at = found.end()
    return "".join(out) + escape(source[at:])


def to_text(blocks: Sequence[Block], language: str) -> str:
    """The plain text with Liquid of these blocks, a paragraph each."""
    return "\n\n".join(part for block in blocks if (part := _text(block, language)))


def _text(block: Block, language: str) -> str:
    text = block.text.pick(language) if block.text else ""
    to = f"{{% capture to %}}{block.to.pick(language)}{{% endcapture %}}{{{{ to | absolute }}}}" if block.to else ""
    if block.kind == "divider":
        return "----"
    if block.kind in ("products", "recommend"):
        price = "{% if line.price %}, {{ line.price | money }}{% endif %}"
        name = f"- {{{{ line.name }}}}{price}{{% if line.url %}}\n  {{{{ line.url }}}}{{% endif %}}"
        return f"{{% assign lines = {block.items} %}}{{% for line in lines %}}{name}\n{{% endfor %}}".rstrip()
    return f"{text}: {to}" if to else text
