"""Ids and hashes: every id is a pure function of the home's salt and of what it names.

Two homes with the same salt and log hold the same ids. Hash: BLAKE2b (RFC 7693), keyed by the salt.
"""

from __future__ import annotations

from hashlib import blake2b
from struct import Struct

_length = Struct(">I").pack
#: Base32 (RFC 4648, lower case) of 10 bits; eight of them spell 80 bits four times as fast as base64.b32encode.
_TWO_DIGITS = [a + b for a in "abcdefghijklmnopqrstuvwxyz234567" for b in "abcdefghijklmnopqrstuvwxyz234567"]


def _digest(salt: bytes, purpose: bytes, parts: tuple[str, ...], size: int) -> bytes:
    """Each part is preceded by its length, so that no two lists of parts are one text."""
    assert len(purpose) <= 16, "BLAKE2b keeps kinds of id apart by 16 bytes"
    data = b""
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        data += _length(len(encoded)) + encoded
    return blake2b(data, digest_size=size, key=salt[:64], person=purpose).digest()


def keyed_id(salt: bytes, purpose: str, prefix: str, *parts: str) -> str:
    """A readable id of 80 bits: `prefix` + 16 characters of lower-case base32. `purpose` keeps kinds of id apart."""
    n = int.from_bytes(_digest(salt, purpose.encode(), parts, 10), "big")
    two = _TWO_DIGITS
    return (
        f"{prefix}{two[n >> 70]}{two[n >> 60 & 1023]}{two[n >> 50 & 1023]}{two[n >> 40 & 1023]}"
        f"{two[n >> 30 & 1023]}{two[n >> 20 & 1023]}{two[n >> 10 & 1023]}{two[n & 1023]}"
    )


def person_id(salt: bytes, kind: str, value: str) -> str:
    """The id of the person founded by this identifier, such as `p_k4x...` (18 characters)."""
    return keyed_id(salt, "person", "p_", kind, value)


def message_key(salt: bytes, run_id: str, step: str, round_: int, person: str, address: str) -> str:
    """The business key of one contact: (run, step, round, person, address) never yields two messages."""
    return keyed_id(salt, "message", "m_", run_id, step, str(round_), person, address)


def unit(salt: bytes, scope: str, key: str) -> float:
    """u in [0, 1) for the assignment of `key` within `scope`: BLAKE2b-64(salt | "|" | scope | "|" | key) / 2^64.

    Plain, so that anyone who has the salt can work the arms out again: the bytes are joined by "|", the digest has 8
    bytes and is read big-endian. Of the 64 bits the first 53 count, which is what a float holds; all 64 would round up
    to 1.0 now and then.
    """
    data = b"|".join((salt, scope.encode("utf-8", "surrogatepass"), key.encode("utf-8", "surrogatepass")))
    return (int.from_bytes(blake2b(data, digest_size=8).digest(), "big") >> 11) / 2.0**53


def keyed_hash(salt: bytes, purpose: str, *parts: str) -> bytes:
    """16 bytes that name something without telling it: nobody without the salt can guess what they stand for."""
    return _digest(salt, purpose.encode(), parts, 16)


def content_hash(data: bytes) -> bytes:
    """16 bytes that name a body; not keyed, for equality only."""
    return blake2b(data, digest_size=16).digest()


def lane_of(person: str, lanes: int = 64) -> int:
    """The lane [0, lanes) in which the moments of this person are worked off: a hash, equal in every home."""
    return int.from_bytes(blake2b(person.encode(), digest_size=4).digest(), "big") % lanes
