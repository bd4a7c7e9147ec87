"""The roots of names (2.3) and the fields that each has: literal tables."""

from __future__ import annotations

from einklang.expr.types import BOOL, DYN, MAP, NUMBER, STRING, TIMESTAMP, Type

#: Reserved everywhere, also where they have no value.
ROOTS = ("person", "trait", "now", "today", "event", "prior", "entry", "step", "vars", "goal", "journey", "data")

PERSON: dict[str, Type] = {
    "id": STRING,
    "known": BOOL,
    "email": STRING,
    "phone": STRING,
    "language": STRING,
    "country": STRING,
    "timezone": STRING,
    "created_at": TIMESTAMP,
    "last_seen_at": TIMESTAMP,
}

EVENT: dict[str, Type] = {
    "name": STRING,
    "at": TIMESTAMP,
    "received_at": TIMESTAMP,
    "touchpoint": STRING,
    "source": STRING,
    "person": STRING,
    "properties": MAP,
    "context": MAP,
}

ENTRY: dict[str, Type] = {
    "at": TIMESTAMP,
    "name": STRING,
    "key": DYN,
    "touchpoint": STRING,
    "properties": MAP,
    "context": MAP,
}

JOURNEY: dict[str, Type] = {"id": STRING, "version": NUMBER, "campaign": STRING}

_REACTIONS = dict.fromkeys(("delivered", "bounced", "opened", "clicked", "replied", "unsubscribed", "complained"), BOOL)

#: What every step leaves (3.5), and what its kind adds.
STEP: dict[str, Type] = {"done": BOOL, "at": TIMESTAMP, "reason": STRING, "rounds": NUMBER}
STEP_OF_KIND: dict[str, dict[str, Type]] = {
    "contact": {"channel": STRING, "message": STRING, "outcome": STRING, **_REACTIONS},
    "offer": {"shown": BOOL, "accepted": BOOL, "declined": BOOL, "expires_at": TIMESTAMP},
    "voucher": {
        "code": STRING,
        "expires_at": TIMESTAMP,
        "redeemed": BOOL,
        "redeemed_at": TIMESTAMP,
        "touchpoint": STRING,
    },
    "task": {"outcome": STRING, "by": STRING, "values": MAP},
    "webhook": {"status": NUMBER, "body": DYN},
    "branch": {"arm": STRING},
    "split": {"arm": STRING},
    "start": {"case": STRING, "closed": BOOL, "outcome": STRING},
    **{kind: {} for kind in ("wait", "until", "limit", "repeat", "set", "assign", "track", "end")},
}


def step_fields(kind: str) -> dict[str, Type]:
    """The fields of `step.ID` for a kind of step; of all kinds together where the kind is not known ("")."""
    if kind in STEP_OF_KIND:
        return STEP | STEP_OF_KIND[kind]
    merged = dict(STEP)
    for fields in STEP_OF_KIND.values():
        merged |= fields
    return merged


#: Segment's names of e-mail events, and the events of all channels that they stand for where the channel is e-mail.
MAIL_ALIASES = {
    "Email Delivered": "Message Delivered",
    "Email Opened": "Message Opened",
    "Email Link Clicked": "Message Clicked",
    "Email Bounced": "Message Bounced",
    "Email Marked as Spam": "Message Complained",
    "Unsubscribed": "Message Unsubscribed",
}
