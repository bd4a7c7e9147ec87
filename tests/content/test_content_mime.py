"""Bytes of a mail, read back by the parser of the standard library (which content does not use to write them)."""

from __future__ import annotations

import re
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as POLICY
from email.utils import parsedate_to_datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from einklang.content.mail import Rendered, one_line, render_email
from einklang.content.mime import DEFAULT_SENDER, Envelope, address, build_mime, mailbox
from einklang.kernel.errors import InputError
from einklang.kernel.time import from_datetime
from tests.content.content_samples import CART, HOSTILE, MESSAGE_KEY, NOW, facts, message

MAIL = Rendered("Hello", "Text\n", "<p>Hi</p>", "de", (), "https://a.example/u/x", "Shop <shop@shop.example>")
TO = Envelope(MESSAGE_KEY, "kunde@web.example", NOW)
HEADERS = [
    "From", "To", "Subject", "Date", "Message-ID", "Content-Language", "List-Unsubscribe", "List-Unsubscribe-Post",
    "Auto-Submitted", "MIME-Version", "Content-Type",
]  # fmt: skip
ONE_LINE = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


def read(data: bytes) -> EmailMessage:
    """The mail as the standard library reads it."""
    return message_from_bytes(data, policy=POLICY)


def legal(data: bytes) -> None:
    """Only CRLF line ends, only ASCII, no line over 78 bytes but addresses (998 is the law), no NUL."""
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", data)
    assert data.isascii()
    assert b"\0" not in data
    for line in data.split(b"\r\n"):
        assert len(line) <= 998
        assert len(line) <= 78 or line.startswith((b"List-Unsubscribe", b"Message-ID", b"To:", b" <", b"From:"))


def test_what_stands_in_a_mail() -> None:
    """Headers in order, two parts, text before HTML, one-click unsubscribe (RFC 8058)."""
    data = build_mime(MAIL, TO)
    legal(data)
    mail = read(data)
    assert list(mail.keys()) == HEADERS
    assert mail["From"] == "Shop <shop@shop.example>"
    assert mail["To"] == "kunde@web.example"
    assert mail["Message-ID"] == f"<{MESSAGE_KEY}@shop.example>"
    assert from_datetime(parsedate_to_datetime(mail["Date"])) == NOW
    assert mail["List-Unsubscribe"] == "<https://a.example/u/x>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail.get_content_type() == "multipart/alternative"
    parts = [(part.get_content_type(), part.get_content().replace("\r\n", "\n")) for part in mail.iter_parts()]
    assert parts == [("text/plain", "Text\n"), ("text/html", "<p>Hi</p>")]
    assert not mail.defects


def test_the_same_input_gives_the_same_bytes() -> None:
    """Byte-equal each time; another key, moment or text changes them (invariant 19)."""
    first = build_mime(MAIL, TO)
    assert build_mime(MAIL, TO) == first
    for other in (
        build_mime(MAIL, msgspec.structs.replace(TO, message_key="m_other")),
        build_mime(MAIL, msgspec.structs.replace(TO, date=NOW + 1_000_000)),
        build_mime(msgspec.structs.replace(MAIL, text="x"), TO),
    ):
        assert other != first


def test_a_whole_mail_by_bytes() -> None:
    """The exact bytes of a small mail, so that no library can change them unseen."""
    mail = Rendered("Grüße", "a", "b", "", (), "", "")
    assert build_mime(mail, Envelope("m_1", "k@web.example", 0)) == (
        b"From: einklang@localhost\r\nTo: k@web.example\r\nSubject: =?utf-8?b?R3LDvMOfZQ==?=\r\n"
        b"Date: Thu, 01 Jan 1970 00:00:00 +0000\r\nMessage-ID: <m_1@localhost>\r\nAuto-Submitted: auto-generated\r\n"
        b'MIME-Version: 1.0\r\nContent-Type: multipart/alternative;\r\n boundary="=_'
        b'BOUNDARY"\r\n\r\n--=_BOUNDARY\r\nContent-Type: text/plain; charset=utf-8\r\n'
        b"Content-Transfer-Encoding: quoted-printable\r\n\r\na\r\n--=_BOUNDARY\r\n"
        b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nb\r\n"
        b"--=_BOUNDARY--\r\n"
    ).replace(b"BOUNDARY", b"71ed873c5ba4585cbef98cb138d65b480443")


def test_people_can_read_the_file_unless_it_grows() -> None:
    """A text that is mostly ASCII stands in the file as it is; another script is base64, which is shorter then."""
    for text, encoding in (("Guten Tag, Frau Groß" * 9, b"quoted-printable"), ("Καλημέρα" * 9, b"base64")):
        data = build_mime(msgspec.structs.replace(MAIL, text=text), TO)
        part = data.split(b"--=_")[1]
        assert b"Content-Transfer-Encoding: " + encoding in part
        plain, _ = read(data).iter_parts()
        assert plain.get_content() == text


@given(ONE_LINE, ONE_LINE, ONE_LINE)
def test_no_text_makes_a_header(subject: str, sender: str, body: str) -> None:
    """Whatever subject, display name and body hold: the headers are the same ones, and the parts come back."""
    data = build_mime(
        msgspec.structs.replace(MAIL, subject=subject, text=body, html=body, sender=""),
        msgspec.structs.replace(TO, to_name=sender),
    )
    legal(data)
    mail = read(data)
    assert list(mail.keys()) == HEADERS
    assert mail["Subject"] == one_line(subject)
    assert mail["To"].addresses[0].addr_spec == "kunde@web.example"
    assert len(mail["To"].addresses) == 1
    plain, html = mail.iter_parts()
    lines = body.replace("\r\n", "\n").replace("\r", "\n")
    assert plain.get_content().replace("\r\n", "\n") == html.get_content().replace("\r\n", "\n") == lines


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_stay_in_their_header(value: str) -> None:
    """Hostile values in subject, names and sender add no header and no recipient; a broken sender is refused."""
    mail = msgspec.structs.replace(MAIL, subject=value, sender=f'"{value}" <shop@shop.example>')
    try:
        data = build_mime(mail, msgspec.structs.replace(TO, to_name=value))
    except InputError:
        mail = msgspec.structs.replace(mail, sender="")
        data = build_mime(mail, msgspec.structs.replace(TO, to_name=value))
    legal(data)
    back = read(data)
    assert list(back.keys()) == HEADERS
    assert [box.addr_spec for box in back["To"].addresses] == ["kunde@web.example"]
    assert len(back["From"].addresses) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "@b.example",
        "a@",
        "a b@c.example",
        "a@b c.example",
        "a@b.example\r\nBcc: x@y.example",
        "a@b.example\n",
        "a,b@c.example",
        "<a@b.example>",
        '"a b"@c.example',
        "a@-b.example",
        "a@b..example",
        ".a@b.example",
        "ä@b.example",
        "a@b.example, c@d.example",
        "x" * 65 + "@b.example",
        "a@" + "b" * 64 + ".example",
        "a@b.example\x00",
        "a@\u2028.example",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """Nothing that could carry a second address or a header passes (positive control below)."""
    if text.endswith("\n") and text.strip() == "a@b.example":
        assert address(text) == "a@b.example"
        return
    with pytest.raises(InputError) as caught:
        address(text)
    assert caught.value.code == "bad_address"
    with pytest.raises(InputError):
        build_mime(MAIL, msgspec.structs.replace(TO, to=text))


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ("a@b.example", "a@b.example"),
        (" A.b+c@B.example ", "A.b+c@B.example"),
        ("a@müller.example", "a@xn--mller-kva.example"),
        (DEFAULT_SENDER, DEFAULT_SENDER),
        ("o'neil@b.example", "o'neil@b.example"),
    ],
)
def test_addresses(text: str, wire: str) -> None:
    """Addresses are trimmed, domains of other scripts become IDNA."""
    assert address(text) == wire


def test_mailbox() -> None:
    """Display name and address, with quotes, umlauts and without a name."""
    assert mailbox("Shop <a@b.example>") == ("Shop", "a@b.example")
    assert mailbox('"Söhne, Co" <a@b.example>') == ("Söhne, Co", "a@b.example")
    assert mailbox("a@b.example") == ("", "a@b.example")
    with pytest.raises(InputError):
        mailbox("Shop")


def test_an_odd_key_or_link_is_refused() -> None:
    """A message key or unsubscribe link that could break a header is refused."""
    with pytest.raises(InputError, match="key"):
        build_mime(MAIL, msgspec.structs.replace(TO, message_key="a>\r\nX: y"))
    with pytest.raises(InputError, match="unsubscribe"):
        build_mime(msgspec.structs.replace(MAIL, unsubscribe="https://a.example/\r\nX: y"), TO)


def test_a_rendered_mail_goes_through() -> None:
    """From definition to bytes: the parts come back as rendered."""
    mail = render_email(message(CART), facts(track_click=True))
    data = build_mime(mail, TO)
    legal(data)
    back = read(data)
    plain, html = back.iter_parts()
    assert plain.get_content().replace("\r\n", "\n") == mail.text
    assert html.get_content().replace("\r\n", "\n") == mail.html
    assert back["Subject"] == mail.subject
    assert back["List-Unsubscribe"] == f"<{mail.unsubscribe}>"
