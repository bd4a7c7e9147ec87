"""A rendered mail becomes the bytes that are archived and handed over: the same input gives the same bytes.

multipart/alternative (RFC 2046) of text and HTML in UTF-8, quoted-printable where that is the shorter form, so that
people can read the file, else base64 (RFC 2045), headers folded and encoded (RFC 5322, RFC 2047),
CRLF, no line over 998 bytes, one-click unsubscribe (RFC 8058). No value can begin a header of its own.
"""

from __future__ import annotations

import re
from base64 import b64encode
from binascii import b2a_qp
from datetime import UTC
from email.header import Header
from email.utils import format_datetime
from functools import lru_cache
from hashlib import blake2b

import msgspec

from einklang.content.mail import Rendered, one_line
from einklang.kernel.errors import InputError
from einklang.kernel.time import Micros, to_datetime

DEFAULT_SENDER = "einklang@localhost"
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_DOMAIN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*")
_MAILBOX = re.compile(r'(?:"((?:[^"\\]|\\.)*)"|([^<>"]*)) ?<([^<>]*)>')
_TOKEN = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_URL = re.compile(r"https?://[!-;=?-~]{1,900}")


class Envelope(msgspec.Struct, frozen=True):
    """Who writes to whom, when: `message_key` names the mail, `to` is an address, `sender` and `reply_to` are
    `Name <address>` or an address ("" = default, none), `date` in microseconds, `to_name` is optional."""

    message_key: str
    to: str
    date: Micros
    sender: str = ""
    reply_to: str = ""
    to_name: str = ""


def address(text: str) -> str:
    """A mail address as it goes to the wire: trimmed, domain as IDNA. Raises InputError `bad_address`."""
    local, at, domain = text.strip().rpartition("@")
    try:
        domain = domain.encode("idna").decode() if not domain.isascii() else domain
    except UnicodeError:
        domain = ""
    if not at or len(local) > 64 or len(domain) > 253 or not _LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(domain):
        raise InputError("bad_address", f"not a mail address: {text[:80]!r}", mend="write it as name@shop.example")
    return f"{local}@{domain}"


@lru_cache(maxsize=1024)
def mailbox(text: str) -> tuple[str, str]:
    """(display name, address) of `Name <address>` or an address. Raises InputError `bad_address`."""
    text = one_line(text)
    found = _MAILBOX.fullmatch(text)
    if not found:
        return "", address(text)
    name = re.sub(r"\\(.)", r"\1", found[1]) if found[1] is not None else found[2]
    return one_line(name), address(found[3])


def build_mime(rendered: Rendered, envelope: Envelope) -> bytes:
    """The mail as bytes (RFC 5322, CRLF). Raises InputError `bad_address`, `bad_key`."""
    if not _TOKEN.fullmatch(envelope.message_key):
        raise InputError(
            "bad_key", "a message key has letters, digits, `_`, `-`, `.`", mend="use the key of the outbox"
        )
    from_name, from_address = mailbox(envelope.sender or rendered.sender or DEFAULT_SENDER)
    domain = from_address.rpartition("@")[2]
    boundary = "=_" + blake2b(envelope.message_key.encode(), digest_size=18, person=b"mime-boundary").hexdigest()
    headers = [
        ("From", _box("From", from_name, from_address)),
        ("To", _box("To", envelope.to_name, address(envelope.to))),
        ("Subject", _encoded("Subject", rendered.subject)),
        ("Date", format_datetime(to_datetime(envelope.date).replace(microsecond=0).astimezone(UTC))),
        ("Message-ID", f"<{envelope.message_key}@{domain}>"),
    ]
    if envelope.reply_to:
        headers.append(("Reply-To", _box("Reply-To", *mailbox(envelope.reply_to))))
    if rendered.language:
        headers.append(("Content-Language", rendered.language))
    if rendered.unsubscribe:
        if not _URL.fullmatch(rendered.unsubscribe):
            raise InputError(
                "bad_address", "the unsubscribe link is no URL", mend="set the public address of this Einklang"
            )
        headers.append(("List-Unsubscribe", f"<{rendered.unsubscribe}>"))
        headers.append(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
    headers.append(("Auto-Submitted", "auto-generated"))
    headers.append(("MIME-Version", "1.0"))
    headers.append(("Content-Type", f'multipart/alternative;\r\n boundary="{boundary}"'))
    lines = [*(f"{name}: {value}" for name, value in headers), ""]
    for kind, body in (("plain", rendered.text), ("html", rendered.html)):
        encoding, coded = _coded(body)
        lines += [
            f"--{boundary}",
            f"Content-Type: text/{kind}; charset=utf-8",
            f"Content-Transfer-Encoding: {encoding}",
            "",
            coded,
        ]
    lines += [f"--{boundary}--", ""]
    return "\r\n".join(lines).encode("ascii")


def _coded(text: str) -> tuple[str, str]:
    """The transfer encoding and the coded lines of a text."""
    raw = text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace")
    quoted = b2a_qp(raw, istext=True)
    if 3 * len(quoted) <= 4 * len(raw) + 30:
        return "quoted-printable", quoted.replace(b"\n", b"\r\n").decode("ascii")
    coded = b64encode(raw.replace(b"\n", b"\r\n")).decode("ascii")
    return "base64", "\r\n".join(coded[at : at + 76] for at in range(0, len(coded), 76))


def _encoded(name: str, text: str) -> str:
    text = one_line(text)
    if text.isascii() and len(text) + len(name) < 70 and "=?" not in text:
        return text
    clean = text.encode("utf-8", "replace").decode()
    return Header(clean, "utf-8", maxlinelen=76, header_name=name).encode(linesep="\r\n")


def _box(header: str, name: str, plain: str) -> str:
    name = one_line(name)
    if not name:
        return plain
    if re.fullmatch(r"[A-Za-z0-9 ]{1,60}", name):
        return f"{name} <{plain}>"
    simple = name.isascii() and len(name) <= 50 and "=?" not in name
    return f"{_quoted(name) if simple else _encoded(header, name)}\r\n <{plain}>"


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
