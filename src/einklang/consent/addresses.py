"""Addresses in normal form, and the keyed hash under which the suppression list knows them."""

from __future__ import annotations

from hashlib import blake2b

_PHONE_NOISE = str.maketrans("", "", " \t()-./\u00a0")
#: Channels that are reached by a phone number.
PHONE_CHANNELS = frozenset({"phone", "sms", "whatsapp", "fax"})
#: In place of a channel: the address is the person, who withdrew at the door and whose word is not folded yet.
PERSON = "person"


def normal_address(channel: str, address: str) -> str:
    """E-mail lower case, phone numbers as + and digits, anything else without blanks around. "" stays ""."""
    text = address.strip()
    if channel == "email" or (channel == "" and "@" in text):
        return text.lower()
    if channel in PHONE_CHANNELS:
        text = text.translate(_PHONE_NOISE)
        return "+" + text[2:] if text.startswith("00") else text
    return text


def address_key(salt: bytes, channel: str, address: str) -> bytes:
    """16 bytes that name an address of a channel without telling it; keyed by the salt of the home. Survives erasure.

    All channels that dial one number share its key.
    """
    family = "phone" if channel in PHONE_CHANNELS else channel
    data = f"{family}\x1f{normal_address(channel, address)}".encode("utf-8", "surrogatepass")
    return blake2b(data, digest_size=16, key=salt[:64], person=b"address").digest()
