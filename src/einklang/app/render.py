"""A message for one person as finished bytes: what `content` needs, gathered from what is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from einklang.app import computed
from einklang.app.products import PRODUCTS
from einklang.app.state import State
from einklang.app.view import zone_of
from einklang.app.working import Live
from einklang.content.mail import Brand, RenderFacts, render_email
from einklang.content.message import Message
from einklang.content.mime import Envelope, build_mime
from einklang.fact.person import Run
from einklang.kernel import ids

TRACK_CLICK = "track_click"


@dataclass(frozen=True, slots=True)
class Parcel:
    """A rendered message. hash: 16 bytes of `body`; links: targets by number."""

    key: str
    address: str
    body: bytes
    links: list[str]
    tracked: bool

    @property
    def hash(self) -> bytes:
        """Names the body."""
        return ids.content_hash(self.body)


def brand_of(state: State, message: Message) -> Brand:
    """The brand of a message, or a plain one; made once for the definitions in force."""
    made = state.brands.get(message.brand)
    if made is None:
        made = state.brands[message.brand] = _brand(state, message)
    return made


def _brand(state: State, message: Message) -> Brand:
    known = state.definitions.docs.get(("brand", message.brand)) if message.brand else None
    fields = {
        key: str(value)
        for key, value in (known[0] if known else {}).items()
        if key in Brand.__struct_fields__ and value is not None
    }
    if "name" not in fields and known and isinstance(known[0].get("title"), str):
        fields["name"] = known[0]["title"]
    fields.pop("hosts", None)
    return msgspec.convert(fields, Brand)


def render(
    state: State, live: Live, run: Run, message: Message, data: dict[str, Any], key: str, address: str, channel: str
) -> Parcel:
    """Render for the channel e-mail. Raises Missing or Unrenderable (nothing half-rendered goes out)."""
    view = state.view(live).of_run(run)
    tracked = state.permits(live, channel, address, TRACK_CLICK, "marketing")
    person = {
        name: view.person_field(name)
        for name in ("id", "known", "email", "phone", "language", "country", "timezone", "created_at", "last_seen_at")
    }
    person = {name: value for name, value in person.items() if value is not None}
    entry = run.entry
    facts = RenderFacts(
        message_key=key,
        link_key=state.link_key,
        base_url=state.base_url,
        now=state.clock,
        person=person,
        trait={name: trait.value for name, trait in live.person.traits.items() if trait.value is not None}
        | computed.values(state, live),
        data=data,
        event={
            "name": entry.name,
            "at": entry.at,
            "touchpoint": entry.touchpoint or None,
            "properties": entry.properties,
            "context": entry.context,
        },
        journey={"id": run.journey, "version": run.version, "campaign": state.rules.campaigns.get(run.journey, "")},
        brand=brand_of(state, message),
        zone=zone_of(live, state.rules),
        currency=state.definitions.policy.currency,
        track_click=tracked,
        product=lambda product_id: view.lookup(PRODUCTS, product_id),
    )
    mail = render_email(message, facts)
    name = " ".join(str(facts.trait[n]) for n in ("firstName", "lastName") if n in facts.trait)
    body = build_mime(
        mail, Envelope(key, address, state.clock, mail.sender or "einklang@localhost", facts.brand.reply_to, name)
    )
    return Parcel(key, address, body, list(mail.links), tracked)
