"""`kind: policy`: the contact policy of a tenant. Reference: language.md section 5.

`parse` turns the YAML mapping into a `Policy`; conditions stay text here and are compiled by app, which knows the
catalog.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from einklang.kernel import time
from einklang.kernel.errors import InputError

WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_ALL_CLASSES = ("marketing", "transactional", "opt_in")


class Scope(msgspec.Struct, kw_only=True, frozen=True):
    """What an entry of the policy speaks of; empty means all. `class` is marketing unless written."""

    channels: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    campaigns: tuple[str, ...] = ()
    classes: tuple[str, ...] = ("marketing",)

    def covers(self, *, channel: str, purpose: str, topic: str, campaign: str, klass: str) -> bool:
        """Whether a contact with these properties falls under the entry."""
        return (
            klass in self.classes
            and (not self.channels or channel in self.channels)
            and (not self.purposes or purpose in self.purposes)
            and (not self.topics or topic in self.topics)
            and (not self.campaigns or campaign in self.campaigns)
        )


class Cap(msgspec.Struct, frozen=True):
    """At most `at_most` contacts in any half-open window (now - per_us, now]."""

    scope: Scope
    at_most: int
    per_us: int
    text: str


class Quiet(msgspec.Struct, frozen=True):
    """No contact from `start_min` to `end_min` (minutes of the local day; end <= start: over midnight) of these
    weekdays.
    """

    scope: Scope
    start_min: int
    end_min: int
    days: tuple[str, ...]
    text: str


class Rule(msgspec.Struct, frozen=True):
    """`deny` or `hold`: a condition (text) and the reason it gives."""

    scope: Scope
    when: str
    reason: str
    where: str


class Policy(msgspec.Struct, kw_only=True, frozen=True):
    """The contact policy. An absent key means none (no caps, quiet hours, holdout; UTC)."""

    timezone: str = "UTC"
    country: str = ""
    currency: str = "EUR"
    languages: tuple[str, ...] = ()
    patience_us: int = time.DAY
    caps: tuple[Cap, ...] = ()
    quiet: tuple[Quiet, ...] = ()
    deny: tuple[Rule, ...] = ()
    hold: tuple[Rule, ...] = ()
    cost: dict[str, Decimal] = {}
    holdout: float = 0.0


class _Raw(msgspec.Struct, forbid_unknown_fields=True, rename={"klass": "class"}):
    channels: str | list[str] = []
    purposes: str | list[str] = []
    topics: str | list[str] = []
    campaigns: str | list[str] = []
    klass: str = "marketing"


class _RawCap(_Raw, forbid_unknown_fields=True, kw_only=True):
    at_most: int
    per: str
    of: str = "person"


class _RawQuiet(
    _Raw, forbid_unknown_fields=True, kw_only=True, rename={"start": "from", "end": "to", "klass": "class"}
):
    start: str
    end: str
    days: str | list[str] = []


class _RawRule(_Raw, forbid_unknown_fields=True, kw_only=True):
    when: str
    reason: str


class RawPolicy(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The document as written."""

    kind: str
    id: str = "default"
    timezone: str = "UTC"
    country: str = ""
    currency: str = "EUR"
    languages: list[str] = []
    patience: str = "1d"
    caps: list[_RawCap] = []
    quiet: list[_RawQuiet] = []
    deny: list[_RawRule] = []
    hold: list[_RawRule] = []
    cost: dict[str, Decimal] = {}
    holdout: Decimal = Decimal(0)


def _many(value: str | list[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _scope(raw: _Raw, where: str) -> Scope:
    if raw.klass not in (*_ALL_CLASSES, "all"):
        raise InputError(
            "bad_class",
            f"unknown class {raw.klass[:40]!r}",
            where=f"{where}.class",
            mend="use marketing, transactional, opt_in or all",
        )
    classes = _ALL_CLASSES if raw.klass == "all" else (raw.klass,)
    return Scope(
        channels=_many(raw.channels),
        purposes=_many(raw.purposes),
        topics=_many(raw.topics),
        campaigns=_many(raw.campaigns),
        classes=classes,
    )


def minutes(text: str, where: str) -> int:
    """`"00:00"` to `"24:00"` -> minutes of the day 0..1440. Raises InputError `bad_time_of_day`."""
    hour, colon, minute = text.partition(":")
    if colon and len(hour) == 2 and len(minute) == 2 and hour.isdigit() and minute.isdigit():
        total = int(hour) * 60 + int(minute)
        if int(minute) < 60 and total <= 1440:
            return total
    raise InputError("bad_time_of_day", f"not a time of day: {text[:20]!r}", where=where, mend='write it as "09:00"')


def weekdays(value: str | list[str], where: str) -> tuple[str, ...]:
    """Weekday names, checked. Empty means every day."""
    days = _many(value)
    for day in days:
        if day == "workdays":
            raise InputError(
                "not_supported_yet",
                "workdays are not supported yet",
                where=where,
                mend="name the days: [MON, TUE, WED, THU, FRI]",
            )
        if day not in WEEKDAYS:
            raise InputError(
                "bad_weekday", f"not a weekday: {day[:20]!r}", where=where, mend="use " + " ".join(WEEKDAYS)
            )
    return days


def _cap(raw: _RawCap, where: str) -> Cap:
    if raw.of != "person":
        raise InputError(
            "not_supported_yet",
            f"caps of a {raw.of[:40]} are not supported yet",
            where=f"{where}.of",
            mend="leave `of` out",
        )
    if raw.at_most < 0:
        raise InputError("bad_number", "at_most is negative", where=f"{where}.at_most", mend="write 0 or more")
    per = _length(raw.per, f"{where}.per")
    if per == 0:
        raise InputError("bad_duration", "a window without length", where=f"{where}.per", mend="write one such as 7d")
    return Cap(_scope(raw, where), raw.at_most, per, f"{raw.at_most} per {raw.per}")


def _length(text: str, where: str) -> int:
    try:
        return time.parse_duration(text).exact()
    except InputError as error:
        raise InputError(error.code, error.what, where=where, mend=error.mend) from error


def _cost(cost: dict[str, Decimal], where: str) -> dict[str, Decimal]:
    for channel, amount in cost.items():
        if not amount.is_finite() or amount < 0:
            raise InputError(
                "bad_number", f"a cost of {amount}", where=f"{where}.{channel}", mend="write 0 or more, such as 0.001"
            )
    return cost


def _quiet(raw: _RawQuiet, where: str) -> Quiet:
    start, end = minutes(raw.start, where + ".from"), minutes(raw.end, where + ".to")
    if start == 1440:
        raise InputError(
            "bad_time_of_day", "quiet hours cannot start at 24:00", where=f"{where}.from", mend='write "00:00"'
        )
    return Quiet(_scope(raw, where), start, end, weekdays(raw.days, where + ".days"), f"{raw.start}-{raw.end}")


def _rules(rows: list[_RawRule], where: str) -> tuple[Rule, ...]:
    return tuple(
        Rule(_scope(row, f"{where}[{n}]"), row.when, row.reason, f"{where}[{n}].when") for n, row in enumerate(rows)
    )


def parse(raw: RawPolicy, where: str) -> Policy:
    """The checked policy. Raises InputError with the field at fault."""
    try:
        time.zone(raw.timezone)
    except InputError as error:
        raise InputError(error.code, error.what, where=f"{where}.timezone", mend=error.mend) from error
    if not raw.holdout.is_finite() or not 0 <= raw.holdout <= 1:
        raise InputError(
            "bad_share",
            f"holdout {raw.holdout} is no share",
            where=f"{where}.holdout",
            mend="write 0 to 1, such as 0.02",
        )
    return Policy(
        timezone=raw.timezone,
        country=raw.country,
        currency=raw.currency,
        languages=tuple(raw.languages),
        patience_us=_length(raw.patience, f"{where}.patience"),
        caps=tuple(_cap(row, f"{where}.caps[{n}]") for n, row in enumerate(raw.caps)),
        quiet=tuple(_quiet(row, f"{where}.quiet[{n}]") for n, row in enumerate(raw.quiet)),
        deny=_rules(raw.deny, f"{where}.deny"),
        hold=_rules(raw.hold, f"{where}.hold"),
        cost=_cost(raw.cost, f"{where}.cost"),
        holdout=float(raw.holdout),
    )
