"""What ad platforms take: how each wants an identifier written before it is hashed, and the columns of its file.

One line is one identifier, never a whole person: so what is added and what is removed never speak of the same, and the
two files of a run may be uploaded in either order.

    google   Customer Match: https://support.google.com/google-ads/answer/7659867 (file and headers),
             https://developers.google.com/google-ads/api/reference/rpc/latest/OfflineUserAddressInfo (names),
             https://developers.google.com/data-manager/api/devguides/concepts/formatting (e-mail of gmail.com)
    meta     Custom Audiences: https://www.facebook.com/business/help/2082575038703844 (file and headers),
             https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/customer-information-parameters
    tiktok   Customer File: https://ads.tiktok.com/help/article/list-of-supported-ids-and-formats-for-a-customer-file

Hashes are SHA-256, hexadecimal, in small letters, as all three say.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

EMAIL, PHONE, POSTAL = "email", "phone", "postal"
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_GMAIL = ("gmail.com", "googlemail.com")
#: E.164: at most 15 digits with the country code, which never begins with 0.
_PHONE = re.compile(r"[1-9][0-9]{6,14}")
_TRUNK = re.compile(r"\(\s*0\s*\)")
_COUNTRY = re.compile(r"[a-z]{2}")
Line = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Address:
    """Where somebody lives, as she wrote it; country: ISO 3166-1 alpha-2."""

    first_name: str = ""
    last_name: str = ""
    city: str = ""
    state: str = ""
    zip: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True)
class Platform:
    """One platform. header: of its files; each function gives the cells of one line, None for what it cannot match."""

    header: Line
    email: Callable[[str], Line | None]
    phone: Callable[[str], Line | None]
    postal: Callable[[Address], Line | None]


def hashed(text: str) -> str:
    """SHA-256 of the UTF-8 text, hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def plain_email(text: str) -> str | None:
    """Without blanks, in small letters; None: not an address."""
    found = "".join(text.split()).lower()
    return found if _EMAIL.fullmatch(found) else None


def google_email(text: str) -> str | None:
    """As `plain_email`; of gmail.com and googlemail.com without points and without + and what follows it."""
    found = plain_email(text)
    name, _, domain = (found or "").rpartition("@")
    if found is None or domain not in _GMAIL:
        return found
    name = name.partition("+")[0].replace(".", "")
    return f"{name}@{domain}" if name else None


def tiktok_email(text: str) -> str | None:
    """As `plain_email`, without + and what follows it, whoever runs the mailbox."""
    found = plain_email(text)
    name, _, domain = (found or "").rpartition("@")
    name = name.partition("+")[0]
    return f"{name}@{domain}" if name else None


def digits(text: str) -> str | None:
    """The digits of an international number, country code first; None: it says no country, or is no number.

    A national number is not completed: which country it is of would be a guess about a person.
    """
    number = _TRUNK.sub("", text.strip())
    if not number.startswith(("+", "00")):
        return None
    if re.search(r"[^0-9+\s()./\u00a0-]", number) or "+" in number[1:]:
        return None
    found = re.sub(r"\D", "", number).lstrip("0")
    return found if _PHONE.fullmatch(found) else None


def name_of(text: str, *, punctuation: bool = False) -> str:
    """A name in small letters, each gap one blank; without punctuation unless it stays."""
    kept = text if punctuation else "".join(sign for sign in text if not unicodedata.category(sign).startswith("P"))
    return " ".join(unicodedata.normalize("NFC", kept).lower().split())


def place_of(text: str) -> str:
    """A city or state: letters and digits alone, small."""
    return "".join(sign for sign in unicodedata.normalize("NFC", text).lower() if sign.isalnum())


def country_of(text: str) -> str | None:
    """Two small letters; None: not a code of ISO 3166-1."""
    found = text.strip().lower()
    return found if _COUNTRY.fullmatch(found) else None


def _cells(header: Line, **cells: str | None) -> Line | None:
    """A line with these cells; None where one of them is missing."""
    if not all(cells.values()):
        return None
    return tuple(cells.get(name.replace(" ", "_")) or "" for name in header)


def _maybe(text: str | None) -> str | None:
    return hashed(text) if text else None


_GOOGLE = ("Email", "Phone", "First Name", "Last Name", "Country", "Zip")
_META = ("email", "phone", "fn", "ln", "ct", "st", "zip", "country")
_TIKTOK = ("Email_SHA256", "Phone_SHA256")


def _google_phone(text: str) -> Line | None:
    found = digits(text)
    return _cells(_GOOGLE, Phone=hashed(f"+{found}") if found else None)


def _google_postal(it: Address) -> Line | None:
    """Names are hashed, country and zip are not; all four are needed."""
    country = country_of(it.country)
    return _cells(
        _GOOGLE,
        First_Name=_maybe(name_of(it.first_name, punctuation=True)),
        Last_Name=_maybe(name_of(it.last_name)),
        Country=country.upper() if country else None,
        Zip=" ".join(it.zip.split()),
    )


def _meta_postal(it: Address) -> Line | None:
    """Everything is hashed. Names, zip and country are needed; city and state are said where they are known."""
    country = country_of(it.country)
    code = re.sub(r"[\s-]", "", it.zip).lower()
    more = {name: hashed(text) for name, text in (("ct", place_of(it.city)), ("st", place_of(it.state))) if text}
    return _cells(
        _META,
        fn=_maybe(name_of(it.first_name)),
        ln=_maybe(name_of(it.last_name)),
        zip=_maybe(code[:5] if country == "us" else code),
        country=_maybe(country),
        **more,
    )


PLATFORMS = {
    "google": Platform(
        _GOOGLE,
        lambda text: _cells(_GOOGLE, Email=_maybe(google_email(text))),
        _google_phone,
        _google_postal,
    ),
    "meta": Platform(
        _META,
        lambda text: _cells(_META, email=_maybe(plain_email(text))),
        lambda text: _cells(_META, phone=_maybe(digits(text))),
        _meta_postal,
    ),
    "tiktok": Platform(
        _TIKTOK,
        lambda text: _cells(_TIKTOK, Email_SHA256=_maybe(tiktok_email(text))),
        lambda text: _cells(_TIKTOK, Phone_SHA256=_maybe(digits(text))),
        lambda it: None,
    ),
}
