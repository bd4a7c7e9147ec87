"""What comes back from customers through signed links: clicks, confirmations, withdrawals that are in force at once."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import urlsplit

import msgspec

from einklang.app.apply import Body
from einklang.app.collect import WITHDRAWN, Log, purposes_of
from einklang.app.ports import Reader
from einklang.app.working import from_json
from einklang.consent import GIVEN, address_key, status_of
from einklang.consent import WITHDRAWN as TAKEN_BACK
from einklang.content.links import Use, verify
from einklang.event import EngineCall, body_of
from einklang.fact.person import Permission, Person
from einklang.kernel.errors import NotFound
from einklang.kernel.ids import lane_of

SOURCE = "einklang"
TRACK_CLICK = "track_click"
DOUBLE_OPT_IN = "double opt-in"
_PERSON = msgspec.json.Decoder(Person, float_hook=Decimal)


@dataclass(frozen=True, slots=True)
class Sent:
    """The message that a link stands in."""

    key: str
    person: str
    journey: str
    step: str
    message: str
    purpose: str
    channel: str
    address: str
    links: tuple[str, ...]


def message_of(reader: Reader, link_key: bytes, token: str, use: Use, now: int) -> tuple[Sent, int]:
    """The message of a link, and its number.

    Raises InputError `bad_token`, `expired_token`, NotFound `unknown_message`.
    """
    claim = verify(link_key, token, use, now)
    rows = reader.read("outbox_get", claim.message_key)
    if not rows:
        raise NotFound("unknown_message", "the message of this link is no longer kept", mend="look for a newer one")
    row = rows[0]
    links = tuple(str(link) for link in from_json(row[15]).get("links", ()))
    return Sent(row[2], row[1], row[4], row[5], row[7], row[9], row[10], row[11], links), claim.number


def target_of(sent: Sent, number: int) -> str:
    """Where a click leads: only what was stored with the message, and only to the web. Raises NotFound."""
    target = sent.links[number] if number < len(sent.links) else ""
    try:
        parts = urlsplit(target)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.netloc or not target.isprintable():
        raise NotFound(
            "unknown_link", "this link of the message is not known", mend="use the link as it stands in the message"
        )
    return target


def person_of(reader: Reader, sent: Sent) -> Person | None:
    """The state of who got the message."""
    alias = reader.read("alias_get", sent.person)
    person = str(alias[0][0]) if alias else sent.person
    rows = reader.read("person_get", lane_of(person), person)
    return _PERSON.decode(rows[0][0]) if rows else None


def language_of(person: Person | None) -> str:
    """The person's language, "" if unknown."""
    trait = person.traits.get("language") if person is not None else None
    return trait.value if trait is not None and isinstance(trait.value, str) else ""


def may_note_click(reader: Reader, sent: Sent, salt: bytes) -> bool:
    """Whether clicks may still be noted: not once consent to that was withdrawn after the message was sent."""
    if reader.read(
        "suppression_of", address_key(salt, sent.channel, sent.address), sent.channel, TRACK_CLICK, WITHDRAWN
    ):
        return False
    person = person_of(reader, sent)
    permissions: dict[str, Permission] = person.permissions if person is not None else {}
    word = status_of(permissions, sent.channel, TRACK_CLICK, sent.address)
    return word is None or word.status != TAKEN_BACK


def click(book: Log, sent: Sent, target: str, *, now: int, machine: bool) -> Future[list[int]]:
    """Append `Message Clicked`. machine: opened by a scanner or a prefetch, not by a human."""
    call = _call("Message Clicked", sent, now, {"url": target})
    call.machine = machine
    return book.append_later([Body(1, now, SOURCE, "engine", body_of([call]))])


def withdrawn(reader: Reader, sent: Sent, salt: bytes) -> bool:
    """Whether consent for the message's address, channel and purpose is withdrawn already."""
    key = address_key(salt, sent.channel, sent.address)
    return bool(reader.read("suppression_of", key, sent.channel, sent.purpose, WITHDRAWN))


def unsubscribe(book: Log, sent: Sent, *, now: int, salt: bytes, wording: str) -> Future[list[int]] | None:
    """Append `Consent Withdrawn` and suppress the address in the same transaction; None if it is withdrawn already.

    wording: what was shown. The future is done when both are durable: from then on no hand-over passes.
    """
    if withdrawn(book, sent, salt):
        return None
    said = {
        "address": sent.address,
        "source": "unsubscribe link",
        "evidence": sent.key,
        "wording": wording,
        "actor": "person",
    }
    calls = [_call("Consent Withdrawn", sent, now, said), _call("Message Unsubscribed", sent, now, said)]
    row = (address_key(salt, sent.channel, sent.address), sent.channel, sent.purpose, WITHDRAWN, now)
    return book.append_later([Body(len(calls), now, SOURCE, "engine", body_of(calls), (row,))])


def confirmed(reader: Reader, sent: Sent) -> bool | None:
    """Whether the consent that the message's link confirmed still stands; None if the link was not used yet."""
    person = person_of(reader, sent)
    if person is None:
        return None
    rows = reader.read("ledger_of", lane_of(person.id), person.id)
    if not any(row[5] == GIVEN and row[7] == DOUBLE_OPT_IN and row[10] == sent.key for row in rows):
        return None
    word = status_of(person.permissions, sent.channel, sent.purpose, sent.address)
    return word is not None and word.status == GIVEN


def confirm(book: Log, sent: Sent, *, now: int, wording: str) -> Future[list[int]] | None:
    """Append `Consent Given` with its proof: address, purpose, what was shown, and the message that carried the link.

    None if the link was used already. A link confirms once for ever: its message id is that of the message, so that of
    two presses at once the second is a duplicate.
    """
    if confirmed(book, sent) is not None:
        return None
    said = {
        "address": sent.address,
        "source": DOUBLE_OPT_IN,
        "evidence": sent.key,
        "wording": wording,
        "actor": "person",
    }
    call = _call("Consent Given", sent, now, said)
    call.messageId, call.at = f"confirm-{sent.key}", None  # at = moment of receipt: a second press says the same
    return book.append_later([Body(1, now, SOURCE, "engine", body_of([call]))])


def purpose_title(reader: Reader, purpose: str, language: str) -> str:
    """The purpose in words of a language."""
    found = purposes_of(reader).get(purpose)
    title = found.title if found is not None else ""
    if isinstance(title, dict):
        title = title.get(language) or title.get("en") or next(iter(title.values()), "")
    return title or purpose


def _call(name: str, sent: Sent, now: int, more: dict[str, str]) -> EngineCall:
    said = {
        "message_id": sent.key,
        "message": sent.message,
        "channel": sent.channel,
        "purpose": sent.purpose,
        "journey": sent.journey,
        "step": sent.step,
    }
    return EngineCall(
        type="track",
        event=name,
        identifiers={"person": sent.person},
        properties=said | more,
        touchpoint=sent.channel,
        origin=1,
        at=now,
    )
