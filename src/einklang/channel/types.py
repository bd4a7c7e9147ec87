"""What a channel takes and gives: `Parcel` and `Receipt`. They satisfy the ports of app structurally."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message to hand over: business key, address (e-mail: name@host), finished bytes."""

    key: str
    address: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a parcel.

    status: `sent` (the other side has taken it over) · `failed` (it has certainly not) · `unknown` (it may have).
    permanent: a retry cannot mend this failure. detail: one line for staff. stage: where it failed, of `connect` `mail`
    `rcpt` `data` `folder` (only a permanent failure at `rcpt` speaks about the address)."""

    status: Literal["sent", "failed", "unknown"]
    permanent: bool = False
    detail: str = ""
    stage: str = ""


def _line(detail: str) -> str:
    return " ".join(detail.split())[:300]


def sent(detail: str = "") -> Receipt:
    """The other side has taken the parcel over."""
    return Receipt("sent", detail=_line(detail))


def failed(detail: str, *, permanent: bool, stage: str) -> Receipt:
    """The parcel has certainly not been taken over."""
    return Receipt("failed", permanent, _line(detail), stage)


def unknown(detail: str) -> Receipt:
    """The parcel may have been taken over: the answer was lost."""
    return Receipt("unknown", detail=_line(detail), stage="data")
