"""Signed links: a token says which message and which of its links, and nobody without the key of the home can make one.

A token holds the purpose, the message key and a number: no address, no person, no target (invariants 43, 46). Targets
are stored under the message key. Layout before base64url: version 1 byte, purpose 1 byte, number and expiry (seconds,
0 = never) as LEB128, message key as UTF-8, then 16 bytes of keyed BLAKE2b (RFC 7693) over all that stands before.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from enum import StrEnum
from hashlib import blake2b
from hmac import compare_digest

import msgspec

from einklang.kernel.errors import InputError
from einklang.kernel.time import SECOND, Micros

_VERSION = 1
_MAC_BYTES = 16
_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,400}")
_PERSON = b"einklang-link"


class Use(StrEnum):
    """What a link is for. A token made for one use is refused by every other."""

    CLICK = "c"
    UNSUBSCRIBE = "u"
    CONFIRM = "confirm"
    PREFERENCES = "preferences"
    PORTAL = "portal"
    VIEW = "view"


_CODE = {use: index for index, use in enumerate(Use, 1)}


class Claim(msgspec.Struct, frozen=True):
    """What a token says: for `use`, of the message `message_key`, its link `number` (0 where there is one only),
    valid until `expires` (whole seconds in microseconds; 0 = for ever)."""

    use: Use
    message_key: str
    number: int = 0
    expires: Micros = 0


def _key(key: bytes) -> bytes:
    if len(key) < 16:
        raise ValueError("the key of links has at least 16 bytes")
    return key if len(key) <= 64 else blake2b(key, digest_size=64).digest()


def _leb(number: int) -> bytes:
    out = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        if not number:
            out.append(low)
            return bytes(out)
        out.append(low | 0x80)


def _unleb(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while shift < 70:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at
    raise ValueError("number too long")


def _mac(key: bytes, body: bytes) -> bytes:
    return blake2b(body, digest_size=_MAC_BYTES, key=_key(key), person=_PERSON).digest()


def sign(key: bytes, claim: Claim) -> str:
    """The token of a claim: URL-safe text of about 50 characters. `key`: secret of the home, 16 bytes or more."""
    if claim.number < 0 or claim.expires < 0 or not claim.message_key:
        raise ValueError("a claim has a message key and no negative number")
    body = (
        bytes((_VERSION, _CODE[claim.use]))
        + _leb(claim.number)
        + _leb(claim.expires // SECOND)
        + claim.message_key.encode()
    )
    return urlsafe_b64encode(body + _mac(key, body)).rstrip(b"=").decode()


def _bad(code: str, what: str) -> InputError:
    return InputError(code, what, mend="use the link as it stands in the message")


def verify(key: bytes, token: str, use: Use, now: Micros = 0) -> Claim:
    """The claim of a token. Raises InputError `bad_token` (forged, cut, made for another use) or `expired_token`."""
    bad = _bad("bad_token", "this link is not one of ours or is damaged")
    if not _TOKEN.fullmatch(token):
        raise bad
    try:
        raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError as error:
        raise bad from error
    body, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
    if not compare_digest(mac, _mac(key, body)) or urlsafe_b64encode(raw).rstrip(b"=").decode() != token:
        raise bad
    if body[0] != _VERSION or body[1] != _CODE[use]:
        raise bad
    number, at = _unleb(body, 2)
    seconds, at = _unleb(body, at)
    claim = Claim(use, body[at:].decode(), number, seconds * SECOND)
    if claim.expires and now >= claim.expires:
        raise _bad("expired_token", "this link has expired")
    return claim


def url(base_url: str, key: bytes, claim: Claim) -> str:
    """The address of a link: base / use / token, such as https://mail.shop.example/u/AQI..."""
    return f"{base_url.rstrip('/')}/{claim.use}/{sign(key, claim)}"
