"""Floor 2, `event`: raw bytes of the tracking API -> admitted events, or rejections with a reason.

`judge` decides at the door (station 1) what of a body is admitted; `expand` turns the stored body into `Event`s
(station 2), a pure function that gives the same events whenever it is called. It never stores, never looks up a person,
never reads a clock. Start reading in `admit` (the list of named steps), then `expand`; `catalog` holds the known events
and their property types.
"""

from einklang.event.admit import ADMISSION, KINDS, LIMITS, WITHDRAWALS, Judged, Limits, Rejection, Withdrawal, judge
from einklang.event.catalog import KNOWN_EVENTS, OWN_EVENTS
from einklang.event.event import Event
from einklang.event.expand import (
    AUDIT,
    DRAFT,
    ENGINE_KINDS,
    EXPIRY,
    LOOK,
    RENEW,
    REPLAY,
    body_of,
    expand,
    message_identity,
)
from einklang.event.names import (
    ALIASES,
    DRAFT_CLOSED,
    DRAFT_SAVED,
    LISTED,
    RESERVED,
    UNLISTED,
    canonical_channel,
    canonical_name,
    names_of,
)
from einklang.event.people import clean
from einklang.event.schemas import EventSchema, Violation, kind_of_value, shape_of
from einklang.event.trust import SERVER, authenticated, server_source, trusted
from einklang.event.wire import EngineCall

__all__ = [
    "ADMISSION",
    "ALIASES",
    "AUDIT",
    "DRAFT",
    "DRAFT_CLOSED",
    "DRAFT_SAVED",
    "ENGINE_KINDS",
    "EXPIRY",
    "KINDS",
    "KNOWN_EVENTS",
    "LIMITS",
    "LISTED",
    "LOOK",
    "OWN_EVENTS",
    "RENEW",
    "REPLAY",
    "RESERVED",
    "SERVER",
    "UNLISTED",
    "WITHDRAWALS",
    "EngineCall",
    "Event",
    "EventSchema",
    "Judged",
    "Limits",
    "Rejection",
    "Violation",
    "Withdrawal",
    "authenticated",
    "body_of",
    "canonical_channel",
    "canonical_name",
    "clean",
    "expand",
    "judge",
    "kind_of_value",
    "message_identity",
    "names_of",
    "server_source",
    "shape_of",
    "trusted",
]
