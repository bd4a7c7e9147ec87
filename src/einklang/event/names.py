"""Names of events: Segment's aliases for Einklang's own, and the names that nobody outside may send."""

from __future__ import annotations

from einklang.event.event import Event

#: Segment's name -> (Einklang's name, channel). The log keeps the name as sent; rules see both (language.md 7).
ALIASES: dict[str, tuple[str, str]] = {
    "Email Delivered": ("Message Delivered", "email"),
    "Email Opened": ("Message Opened", "email"),
    "Email Link Clicked": ("Message Clicked", "email"),
    "Email Bounced": ("Message Bounced", "email"),
    "Email Marked as Spam": ("Message Complained", "email"),
    "Unsubscribed": ("Message Unsubscribed", "email"),
}

#: What somebody typed on a form and saved, and that the form was sent or given up.
DRAFT_SAVED, DRAFT_CLOSED = "Draft Saved", "Draft Closed"

#: Somebody was put on a list that is a segment (`manual: true`), or taken off it.
LISTED, UNLISTED = "Segment Listed", "Segment Unlisted"

#: What the engine alone may say: it would be believed without proof.
RESERVED = frozenset(
    {
        LISTED,
        UNLISTED,
        "Segment Entered",
        "Segment Left",
        "Stage Changed",
        "Stage Noted",
        "Journey Entered",
        "Journey Left",
        "Contact Decided",
        "Message Sent",
        "Message Failed",
        "Person Merged",
        "Person Split",
        "Definition Changed",
        DRAFT_SAVED,
        DRAFT_CLOSED,
    }
)


def canonical_name(name: str) -> str:
    """Einklang's name of an event that Segment names otherwise; any other name as it is."""
    alias = ALIASES.get(name)
    return alias[0] if alias else name


def canonical_channel(name: str) -> str:
    """The channel that an aliased name implies (`email`), or ""."""
    alias = ALIASES.get(name)
    return alias[1] if alias else ""


#: Einklang's name of a reaction -> Segment's name of it on the channel e-mail.
_ON_EMAIL = {own: name for name, (own, channel) in ALIASES.items() if channel == "email"}


def names_of(event: Event) -> tuple[str, ...]:
    """The names under which an event is found: its own, and the alias of reactions to e-mail (language.md 7)."""
    own = canonical_name(event.name)
    if own != event.name:
        return event.name, own
    alias = _ON_EMAIL.get(event.name)
    if alias is not None and event.properties.get("channel", "email") == "email":
        return event.name, alias
    return (event.name,)
