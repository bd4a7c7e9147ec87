"""What is written of the destinations `webhook` and `audience`. The secret of a webhook is a setting."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from ipaddress import ip_address
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from einklang.app.activation_platforms import PLATFORMS
from einklang.app.destinations import Common, Destination, made
from einklang.fact.strict import convert
from einklang.kernel import time
from einklang.kernel.errors import InputError

_URL_CHARS_MAX = 2_000
_AT_ONCE_MAX = 20
#: The host of an address and its port, if one is written; a part of a name between two points (RFC 1035, 2.3.4).
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\[\]:]+))(?::[0-9]{1,5})?", re.IGNORECASE)
_LABEL = re.compile(r"[a-z0-9_-]{1,63}", re.IGNORECASE)
_NAME_CHARS_MAX = 253
#: Of an audience: where the parts of an address stand, unless it is written otherwise. After a point: within the trait.
FIELDS = {
    "first_name": "firstName",
    "last_name": "lastName",
    "city": "address.city",
    "state": "address.state",
    "zip": "address.postalCode",
    "country": "address.country",
}


class RawWebhook(Common, kw_only=True):
    """Each change of its segments is posted. identifiers, traits: what is told of a person who permits the purpose.

    patience: so long one change is tried; at_once: so many requests stand open at a time.
    """

    type: Literal["webhook"]
    url: str
    identifiers: list[str] = msgspec.field(default_factory=list)
    traits: list[str] = msgspec.field(default_factory=list)
    patience: str = "3d"
    at_once: int = 4


class RawAudience(Common, kw_only=True):
    """Hashed identifiers of the members for an ad platform, in files of what is added and what is removed.

    channel: the one in whose consent the purpose must be given; without it each address needs its own. fields: the
    traits where the parts of a postal address stand.
    """

    type: Literal["audience"]
    platform: str
    channel: str = ""
    fields: dict[str, str] = msgspec.field(default_factory=dict)
    every: str = "1h"


def patience_us(raw: RawWebhook, where: str = "") -> int:
    """How long one change is tried, in microseconds. Raises InputError."""
    try:
        return time.parse_duration(raw.patience).exact()
    except InputError as error:
        raise InputError(error.code, error.what, where=f"{where}.patience", mend=error.mend) from error


def parse_webhook(doc: dict[str, Any], where: str) -> Destination:
    """A destination of the type `webhook`. Raises InputError."""
    raw = convert(doc, RawWebhook, where)
    _check_url(raw.url, f"{where}.url")
    patience_us(raw, where)
    if not 1 <= raw.at_once <= _AT_ONCE_MAX:
        what, mend = f"{raw.at_once} at once", f"write 1 to {_AT_ONCE_MAX}"
        raise InputError("bad_number", what, where=f"{where}.at_once", mend=mend)
    return made(raw, where, columns=["person_id"], every=None)


def parse_audience(doc: dict[str, Any], where: str) -> Destination:
    """A destination of the type `audience`. Raises InputError."""
    raw = convert(doc, RawAudience, where)
    if not isinstance(raw.segment, str):
        raise InputError("bad_segments", "it takes one segment", where=f"{where}.segment", mend="name one segment")
    if raw.platform not in PLATFORMS:
        raise _unknown("platform", raw.platform, PLATFORMS, f"{where}.platform")
    for name in raw.fields:
        if name not in FIELDS:
            raise _unknown("field", name, FIELDS, f"{where}.fields")
    return made(raw, where, columns=["person_id"], every=raw.every)


def _unknown(kind: str, name: str, known: Iterable[str], where: str) -> InputError:
    names = list(known)
    near = difflib.get_close_matches(name, names, 1)
    mend = f"did you mean {near[0]!r}?" if near else "write one of: " + ", ".join(names)
    return InputError(f"unknown_{kind}", f"no {kind} {name[:40]!r}", where=where, mend=mend)


def _check_url(text: str, where: str) -> None:
    """Raises InputError `bad_url`: not http or https, no host, or with a name, a password or a fragment."""
    try:
        url = urlsplit(text)
        port_known = url.port is None or url.port > 0
    except ValueError:
        port_known = False
    plain = text.isascii() and text.isprintable() and " " not in text and len(text) <= _URL_CHARS_MAX
    if not (plain and port_known) or url.scheme not in ("http", "https") or not url.hostname:
        raise InputError("bad_url", f"not an address: {text[:80]!r}", where=where, mend="write https://host/path")
    if url.username is not None or url.password is not None or url.fragment:
        what = "an address with a name, a password or a fragment"
        raise InputError("bad_url", what, where=where, mend="leave it out: requests are signed")


def check_host(text: str, where: str) -> None:
    """Raises InputError `bad_url` for an address whose host can be none, or whose port is no number."""
    url = urlsplit(text)
    found = _HOST.fullmatch(url.netloc)
    if found is None or not _is_host(found[1] or "", (found[2] or "").removesuffix(".")):
        what = f"{url.netloc[:80]!r} is no host"
        mend = "write https://host/path: parts of 1 to 63 letters, digits and hyphens with single points between"
        raise InputError("bad_url", what, where=where, mend=mend)


def _is_host(numbers: str, name: str) -> bool:
    labels = name.split(".")
    if not numbers and not labels[-1].isdigit():
        return len(name) <= _NAME_CHARS_MAX and all(map(_LABEL.fullmatch, labels))
    try:
        return ip_address(numbers or name).version == (6 if numbers else 4)
    except ValueError:
        return False
