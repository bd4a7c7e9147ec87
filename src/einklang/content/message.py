"""The definition of a message (`kind: message`, language.md 4): its type, its checks, and what it needs from a step.

`parse_message` takes what a YAML or JSON document holds and returns a `Message` or raises an InputError that names the
field, what is wrong and the mend. Texts are a string for all, or one per language.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, Literal, cast

import msgspec

from einklang.content.blocks import Block, Shield, parse_blocks
from einklang.content.layout import check_nesting, mjml_to_html
from einklang.content.liquid import CONTROL, Template, parse_template
from einklang.content.text import Text, bad, common_languages, parse_text, strict
from einklang.kernel.errors import InputError

CHANNELS = ("email", "sms", "push", "chat", "onsite", "phone", "letter", "fax", "store", "webhook")
CLASSES = ("marketing", "transactional", "opt_in")
DATA_TYPES = ("string", "number", "bool", "money", "timestamp", "date", "list", "map")
#: roots that a template sees, and their fields where they are a closed set (None: open)
ROOTS: dict[str, frozenset[str] | None] = {
    "person": frozenset(
        ["id", "known", "email", "phone", "language", "country", "timezone", "created_at", "last_seen_at"]
    ),
    "trait": None,
    "data": None,
    "brand": frozenset(["id", "name", "language", "url", "sender", "reply_to", "color", "font", "imprint", "logo"]),
    "links": frozenset(["confirm", "unsubscribe", "preferences", "portal", "view"]),
    "event": frozenset(["name", "at", "received_at", "touchpoint", "source", "person", "properties", "context"]),
    "journey": frozenset(["id", "version", "campaign"]),
    "offer": None,
    "voucher": None,
    "now": frozenset(),
    "today": frozenset(),
}
_ID = re.compile(r"[a-z][a-z0-9-]*")
_TYPE = re.compile(r"(string|number|bool|money|timestamp|date|map|list)(?:\(([a-z]+)\))?(\|null)?")
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
#: fields of the channels beside e-mail: name -> (texts, plain fields, fields of which one must be there)
_SHAPES: dict[str, tuple[frozenset[str], frozenset[str], frozenset[str]]] = {
    "sms": (frozenset({"text"}), frozenset({"from"}), frozenset({"text"})),
    "push": (frozenset({"title", "text"}), frozenset({"to", "image"}), frozenset({"text"})),
    "chat": (frozenset({"text"}), frozenset({"to"}), frozenset({"text"})),
    "onsite": (frozenset({"title", "text"}), frozenset({"to", "image", "placement"}), frozenset({"text", "title"})),
    "phone": (frozenset({"script"}), frozenset({"outcomes"}), frozenset({"script"})),
    "letter": (frozenset({"subject", "text"}), frozenset({"template"}), frozenset({"text", "template"})),
    "fax": (frozenset({"subject", "text"}), frozenset({"template"}), frozenset({"text", "template"})),
    "store": (frozenset({"title", "text"}), frozenset(), frozenset({"text", "title"})),
    "webhook": (frozenset({"text"}), frozenset({"body", "headers"}), frozenset({"text", "body"})),
}
_EMAIL_FIELDS = ("subject", "preheader", "text", "html", "mjml", "blocks", "from")
_FIELDS = (
    "kind", "id", "title", "note", "purpose", "class", "topic", "brand", "data", "variants", "hosts", *CHANNELS,
)  # fmt: skip
_ACTIVE = re.compile(
    r"<\s*/?\s*(script|iframe|object|embed|form|base|applet|frame)\b|<[^<>]*\son[a-z]+\s*=", re.IGNORECASE
)


class DataType(msgspec.Struct, frozen=True):
    """The declared type of one entry of `data`: `name` of DATA_TYPES, `item` of a list (or ""), may it be null."""

    name: str
    item: str = ""
    nullable: bool = False


class Email(msgspec.Struct, frozen=True):
    """Content for the channel e-mail: a subject, and `text`, or one of `html`, `mjml`, `blocks`, or both."""

    subject: Text
    preheader: Text | None = None
    text: Text | None = None
    html: Text | None = None
    mjml: Text | None = None
    blocks: tuple[Block, ...] = ()
    sender: str = ""

    def texts(self) -> Iterator[tuple[str, Text]]:
        """Every text with the name of its field."""
        for name, text in (("subject", self.subject), ("preheader", self.preheader), ("text", self.text)):
            if text is not None:
                yield name, text
        for name, text in (("html", self.html), ("mjml", self.mjml)):
            if text is not None:
                yield name, text
        for index, block in enumerate(self.blocks):
            for name, text in block.texts():
                yield f"blocks[{index}].{name}", text


class Variant(msgspec.Struct, frozen=True):
    """A part of the people (`share`, 0 to 1) that gets other content on some channels."""

    id: str
    share: Decimal
    email: Email | None = None
    others: dict[str, dict[str, Any]] = {}


class Message(msgspec.Struct, frozen=True, eq=False, weakref=True):
    """A message: what it is for, what a step must hand over, its content per channel. Equal only to itself."""

    id: str
    purpose: str
    class_: Literal["marketing", "transactional", "opt_in"]
    topic: str = ""
    brand: str = ""
    title: Text | None = None
    data: dict[str, DataType] = {}
    email: Email | None = None
    #: channel -> its fields; texts are `Text`, the rest as written
    others: dict[str, dict[str, Any]] = {}
    variants: tuple[Variant, ...] = ()
    #: hosts that values may link to, beside those that its texts name
    hosts: tuple[str, ...] = ()

    @property
    def channels(self) -> tuple[str, ...]:
        """The channels that it has content for, in the order of CHANNELS."""
        return tuple(name for name in CHANNELS if name in self.others or (name == "email" and self.email is not None))


def parse_message(raw: Any, where: str = "") -> Message:
    """A Message of a document (a dict as YAML or JSON gives it). `where`: file and line, for errors.

    Raises InputError: unknown_field, missing_field, wrong_type, wrong_value, template_syntax, unknown_variable,
    confirm_link_missing, active_content, languages."""
    fields = strict(raw, _FIELDS, where, what="a message")
    if fields.get("kind", "message") != "message":
        raise bad("wrong_value", f"kind is {fields['kind']!r}", where, "kind", "a message has `kind: message`")
    name = _required(fields, "id", where)
    if not _ID.fullmatch(name):
        raise bad(
            "wrong_value",
            f"not an id: {name[:40]!r}",
            where,
            "id",
            "write small letters, digits and `-`, first a letter",
        )
    where = f"{where}: message {name}" if where else f"message {name}"
    purpose = _required(fields, "purpose", where)
    class_ = _required(fields, "class", where)
    if class_ not in CLASSES:
        raise bad("wrong_value", f"unknown class {class_[:40]!r}", where, "class", f"write one of {', '.join(CLASSES)}")
    data = _data(fields.get("data", {}), where)
    email, others = _contents(fields, where)
    message = Message(
        id=name,
        purpose=purpose,
        class_=cast(Literal["marketing", "transactional", "opt_in"], class_),
        topic=_string(fields, "topic", where),
        brand=_string(fields, "brand", where),
        title=parse_text(fields["title"], where, "title") if "title" in fields else None,
        data=data,
        email=email,
        others=others,
        variants=_variants(fields.get("variants", []), where),
        hosts=_hosts(fields.get("hosts", []), where),
    )
    if not message.channels:
        raise bad(
            "missing_field", "no content for any channel", where, "", f"add one of {', '.join(CHANNELS[:3])}, ..."
        )
    for part, texts, plain in _all_texts(message):
        _check_text(message, part, texts, plain, where)
    _check_confirm(message, where)
    _check_whole(message, where)
    return message


def with_variant(message: Message, variant_id: str) -> Message:
    """The message as the people of this variant get it. Raises InputError `unknown_variant`."""
    for variant in message.variants:
        if variant.id == variant_id:
            others = {**message.others, **variant.others}
            return msgspec.structs.replace(message, email=variant.email or message.email, others=others, variants=())
    raise InputError(
        "unknown_variant", f"message {message.id} has no variant {variant_id[:40]!r}", mend="name one that it declares"
    )


def required(message: Message, channel: str) -> set[str]:
    """The variables, such as `data.total`, without which this message cannot be rendered on this channel in any case
    (no `default`, not behind an `if`). Of several languages: of each."""
    out: set[str] = set()
    for part, text, html in _all_texts(message):
        if part.split(".")[0] == channel:
            for _language, source in text.items():
                out |= {".".join(path) for path in parse_template(source, html=html, where=part).needs}
    return out


@lru_cache(maxsize=1024)
def traits_read(message: Message) -> frozenset[str]:
    """The traits that any text of the message reads."""
    uses = {
        path
        for part, text, html in _all_texts(message)
        for _, source in text.items()
        for path in parse_template(source, html=html, where=part).uses
    }
    return frozenset(path[1] for path in uses if path[0] == "trait" and len(path) > 1)


def check_data(message: Message, handed: Mapping[str, str], where: str = "") -> None:
    """That a step hands over what the message declares: name -> type name of the expression checker (`string`,
    `number`, `list(string)`, `dyn`, `null`, ...). Raises InputError data_lacks, data_adds, data_mistyped."""
    where = f"{where}: data" if where else "data"
    for name, declared in message.data.items():
        if name not in handed:
            if declared.nullable:
                continue
            raise InputError(
                "data_lacks",
                f"message {message.id} needs {name}",
                where=where,
                mend=f"hand over {name}: a {_type_name(declared)}",
            )
        if not _fits(declared, handed[name]):
            what = f"{name} is a {handed[name]}, message {message.id} wants a {_type_name(declared)}"
            raise InputError("data_mistyped", what, where=where, mend="convert it, or change the declaration")
    for name in handed:
        if name not in message.data:
            near = get_close_matches(name, message.data, 1)
            mend = f"did you mean {near[0]}?" if near else "declare it in the `data` of the message, or leave it out"
            raise InputError("data_adds", f"message {message.id} knows no {name}", where=where, mend=mend)


def _fits(declared: DataType, given: str) -> bool:
    given = given.removesuffix("|null")
    if given in ("dyn", "any"):
        return True
    if given == "null":
        return declared.nullable
    base, _, item = given.rstrip(")").partition("(")
    numbers = {"number", "money"}
    if base != declared.name and not {base, declared.name} <= numbers:
        return False
    return not item or not declared.item or item in (declared.item, "dyn") or {item, declared.item} <= numbers


def _type_name(declared: DataType) -> str:
    return declared.name + (f"({declared.item})" if declared.item else "") + ("|null" if declared.nullable else "")


def _required(fields: Mapping[str, Any], name: str, where: str) -> str:
    if fields.get(name) in (None, ""):
        raise bad("missing_field", f"a message needs `{name}`", where, "", f"add `{name}: ...`")
    return _string(fields, name, where)


def _string(fields: Mapping[str, Any], name: str, where: str) -> str:
    value = fields.get(name, "")
    if not isinstance(value, str):
        raise bad("wrong_type", f"expected a text, found {type(value).__name__}", where, name, "write a text")
    return value


def _data(raw: Any, where: str) -> dict[str, DataType]:
    if not isinstance(raw, dict):
        raise bad("wrong_type", "expected names with types", where, "data", "write {name: string}")
    out = {}
    for name, text in raw.items():
        found = _TYPE.fullmatch(text.replace(" ", "")) if isinstance(text, str) else None
        item = (found[2] or "") if found else ""
        if found is None or (item and (found[1] != "list" or item not in DATA_TYPES)):
            near = get_close_matches(str(text), DATA_TYPES, 1)
            mend = f"did you mean {near[0]}?" if near else f"one of {', '.join(DATA_TYPES)}, list(string), string|null"
            raise bad("wrong_value", f"unknown type {str(text)[:40]!r}", where, f"data.{name}", mend)
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_]\w*", name):
            raise bad("wrong_value", f"not a name: {str(name)[:40]!r}", where, "data", "write letters, digits and _")
        out[name] = DataType(found[1], item, bool(found[3]))
    return out


def _hosts(raw: Any, where: str) -> tuple[str, ...]:
    if not isinstance(raw, list) or not all(isinstance(host, str) and _HOST.fullmatch(host) for host in raw):
        raise bad("wrong_value", "expected a list of host names", where, "hosts", "write [track.example, shop.example]")
    return tuple(raw)


def _contents(fields: Mapping[str, Any], where: str) -> tuple[Email | None, dict[str, dict[str, Any]]]:
    email = _email(fields["email"], where) if "email" in fields else None
    others = {name: _other(name, fields[name], where) for name in CHANNELS[1:] if name in fields}
    return email, others


def _email(raw: Any, where: str) -> Email:
    fields = strict(raw, _EMAIL_FIELDS, where, path="email")
    if "subject" not in fields:
        raise bad("missing_field", "an e-mail needs a subject", where, "email", "add `subject: ...`")
    if not any(name in fields for name in ("text", "html", "mjml", "blocks")):
        raise bad("missing_field", "an e-mail needs a body", where, "email", "add `text`, `blocks`, `html` or `mjml`")
    bodies = [name for name in ("html", "mjml", "blocks") if name in fields]
    if len(bodies) > 1:
        raise bad("wrong_value", f"{' and '.join(bodies)} exclude each other", where, "email", "keep one of them")
    texts = {name: parse_text(fields[name], where, f"email.{name}") for name in _EMAIL_FIELDS[:5] if name in fields}
    sender = fields.get("from", "")
    if isinstance(sender, dict):
        part = strict(sender, ("name", "address"), where, path="email.from")
        sender = f"{part.get('name', '')} <{part.get('address', '')}>"
    if not isinstance(sender, str) or any(ord(char) < 32 for char in sender):
        raise bad("wrong_type", "expected a sender", where, "email.from", "write `Shop <news@shop.example>`")
    blocks = parse_blocks(fields["blocks"], where, "email.blocks") if "blocks" in fields else ()
    return Email(**texts, blocks=blocks, sender=sender)


def _other(channel: str, raw: Any, where: str) -> dict[str, Any]:
    texts, plain, needed = _SHAPES[channel]
    fields = strict(raw, tuple(sorted(texts | plain)), where, path=channel)
    if not any(name in fields for name in needed):
        names = " or ".join(sorted(needed))
        raise bad("missing_field", f"{channel} needs {names}", where, channel, f"add `{sorted(needed)[0]}: ...`")
    return {
        name: parse_text(value, where, f"{channel}.{name}") if name in texts else value
        for name, value in fields.items()
    }


def _variants(raw: Any, where: str) -> tuple[Variant, ...]:
    if not isinstance(raw, list):
        raise bad("wrong_type", "expected a list", where, "variants", "write [{id: a, share: 0.5, email: {...}}, ...]")
    out: list[Variant] = []
    for index, item in enumerate(raw):
        path = f"variants[{index}]"
        fields = strict(item, ("id", "share", *CHANNELS), where, path=path)
        share = fields.get("share")
        if isinstance(share, bool) or not isinstance(share, int | float | Decimal) or not 0 < Decimal(str(share)) <= 1:
            raise bad("wrong_value", "a variant needs a share between 0 and 1", where, f"{path}.share", "write 0.5")
        if (
            not isinstance(fields.get("id"), str)
            or not _ID.fullmatch(fields["id"])
            or fields["id"] in [v.id for v in out]
        ):
            raise bad("wrong_value", "a variant needs an id of its own", where, f"{path}.id", "write a or b")
        email, others = _contents(fields, f"{where}: {path}")
        out.append(Variant(fields["id"], Decimal(str(share)), email, others))
    if out and sum(variant.share for variant in out) != 1:
        raise bad("wrong_value", "the shares of the variants do not sum to 1", where, "variants", "mend the shares")
    return tuple(out)


def _all_texts(message: Message) -> Iterator[tuple[str, Text, bool]]:
    """(path of the field, text, is it HTML) of the message and its variants."""
    parts: Sequence[Message | Variant] = (message, *message.variants)
    for part in parts:
        if part.email is not None:
            for name, text in part.email.texts():
                yield f"email.{name}", text, name in ("html", "mjml")
        for channel, fields in part.others.items():
            for name, value in fields.items():
                if isinstance(value, Text):
                    yield f"{channel}.{name}", value, False


def _check_text(message: Message, part: str, text: Text, html: bool, where: str) -> None:
    for language, source in text.items():
        path = f"{where}: {part}.{language}" if language else f"{where}: {part}"
        if CONTROL.search(source):
            raise InputError("wrong_value", "the text holds a control character", where=path, mend="remove it")
        if html and (found := _ACTIVE.search(source)):
            what = f"active content: {found.group()[:40]!r}"
            raise InputError("active_content", what, where=path, mend="no mail program runs it: remove it")
        check_uses(message, parse_template(source, html=html, where=path), path)


def check_uses(message: Message, template: Template, where: str) -> None:
    """That every variable of a template exists: known roots and fields, declared data. Raises `unknown_variable`."""
    for path in sorted(template.uses):
        root = path[0]
        known: Sequence[str] = sorted(ROOTS)
        if root in ROOTS:
            fields = frozenset(message.data) | {"size"} if root == "data" else ROOTS[root]
            if len(path) < 2 or fields is None or path[1] in fields or path[1] == "*":
                continue
            known = [f"{root}.{name}" for name in sorted(fields)]
        name = ".".join(path[:2]) if root in ROOTS else root
        near = get_close_matches(name, known, 1)
        mend = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)[:200]}" if known else "remove it"
        if root == "data" and not near:
            mend = f"declare it: `data: {{{path[1]}: string}}`"
        raise InputError("unknown_variable", f"unknown variable {name[:60]!r}", where=where, mend=mend)


def _check_whole(message: Message, where: str) -> None:
    """The e-mail is whole in at least one language, and its MJML can be read."""
    parts: Sequence[Message | Variant] = (message, *message.variants)
    for email in (part.email for part in parts if part.email is not None):
        try:
            common_languages(text for _, text in email.texts())
        except KeyError:
            mend = "write every text of the e-mail in one language at least"
            raise InputError(
                "languages", "its texts have no language in common", where=f"{where}: email", mend=mend
            ) from None
        for language, source in email.html.items() if email.html else ():
            try:
                check_nesting(source, xml=False)
            except ValueError as error:
                path = f"{where}: email.html.{language}".rstrip(".")
                raise InputError("too_deep", str(error), where=path, mend="simplify the HTML") from error
        for language, source in email.mjml.items() if email.mjml else ():
            try:
                mjml_to_html(Shield(source).markup(source))
            except ValueError as error:
                path = f"{where}: email.mjml.{language}".rstrip(".")
                raise InputError("mjml_syntax", str(error), where=path, mend="mend the MJML") from error


def _check_confirm(message: Message, where: str) -> None:
    if message.class_ != "opt_in":
        return
    parts: Sequence[Message | Variant] = (message, *message.variants)
    for part in parts:
        if part.email is not None:
            for body in _bodies(part.email):
                _has_confirm(body, f"{where}: email")
        for channel, fields in part.others.items():
            for language, source in _joined([v for v in fields.values() if isinstance(v, Text)]).items():
                _has_confirm(source, f"{where}: {channel}.{language}".rstrip("."))


def _bodies(email: Email) -> Iterator[str]:
    for text in (email.text, email.html, email.mjml):
        if text is not None:
            yield from (source for _, source in text.items())
    if email.blocks:
        yield from _joined([text for block in email.blocks for _, text in block.texts()]).values()


def _joined(texts: Sequence[Text]) -> dict[str, str]:
    """All texts of each language in one; a text without languages belongs to each."""
    languages = sorted({language for text in texts for language, _ in text.items() if language}) or [""]
    return {lang: "\n".join(s for text in texts for key, s in text.items() if key in ("", lang)) for lang in languages}


def _has_confirm(source: str, where: str) -> None:
    if ("links", "confirm") not in parse_template(source, html=False, where=where).uses:
        raise InputError(
            "confirm_link_missing",
            "an opt_in message must hold the confirm link",
            where=where,
            mend="add {{ links.confirm }}",
        )
