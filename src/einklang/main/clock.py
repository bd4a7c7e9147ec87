"""The real clock and real chance. Nothing outside `main` may ask for them."""

from __future__ import annotations

import secrets
import time


def now() -> int:
    """Microseconds since 1970-01-01T00:00:00Z, UTC."""
    return time.time_ns() // 1000


def new_key(prefix: str) -> str:
    """A fresh key of 192 bits, readable."""
    return prefix + secrets.token_hex(24)


def new_password() -> str:
    """A fresh password of 96 bits that can be typed."""
    return secrets.token_hex(12)


def new_bytes() -> bytes:
    """16 fresh bytes."""
    return secrets.token_bytes(16)


def new_salt() -> str:
    """A fresh salt of 256 bits, hex."""
    return secrets.token_hex(32)
