"""The people of the world: who they are, how often they buy, on which devices, and what they have permitted.

Purchase rates are gamma-distributed (heavy-tailed: few buy much), life as a customer ends at an exponential time, and
a share of the known never buys at all. Nothing drawn here depends on what Einklang sends.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import blake2b

import numpy as np

from einklang.kernel.time import DAY, MINUTE
from einklang.sim.calendar import Bools, Calendar, Floats, Ints
from einklang.sim.words import CATEGORIES, COUNTRIES, FIRST_NAMES, LAST_NAMES, MAIL_HOSTS

#: device slots of a person: browser one, browser two, app
SLOTS = 3
NEVER = 2**62
_PLAIN: dict[int, str | int | None] = {ord("ä"): "ae", ord("ö"): "oe", ord("ü"): "ue", ord("ß"): "ss"}


@dataclass(frozen=True, slots=True)
class Crowd:
    """Columns by person number. Moments are µs; `NEVER` where something does not happen.

    known: has or gets an account; existing: had it before the start; joined: when it is opened; first_day, last_day:
    day numbers of joining (0 for the existing) and of leaving silently; rate, visits: orders and visits a year;
    taste: shares of web, app, store; device: number of the device in each slot, -1 for none; reset: when a device
    loses its cookie; lavish: factor on lines a basket; permits, withdraws: e-mail advertising; tracks, shows: clicks,
    opens may be traced; opens, clicks: probability to open a mail, to click an opened one; respond: factor on what a
    mail causes.
    """

    size: int
    known: Bools
    existing: Bools
    joined: Ints
    first_day: Ints
    last_day: Ints
    rate: Floats
    visits: Floats
    taste: Floats
    device: Ints
    reset: Ints
    favourite: Ints
    lavish: Floats
    permits: Ints
    withdraws: Ints
    tracks: Bools
    shows: Bools
    opens: Floats
    clicks: Floats
    respond: Floats
    has_email: Bools
    has_phone: Bools
    english: Bools
    country: Ints
    city: Ints
    first_name: Ints
    last_name: Ints
    birthday: list[str]
    customer_since: list[str]

    def user_id(self, person: int) -> str:
        """The customer number, `C` and six digits; empty for who never gets an account."""
        return f"C{100_000 + person}" if self.known[person] else ""

    def email(self, person: int) -> str:
        """The address, always at a host under `.example`; empty for who has none."""
        if not (self.known[person] and self.has_email[person]):
            return ""
        name = f"{FIRST_NAMES[self.first_name[person]]}.{LAST_NAMES[self.last_name[person]]}".lower()
        return f"{name.translate(_PLAIN)}{person}@{MAIL_HOSTS[person % len(MAIL_HOSTS)]}"

    def phone(self, person: int) -> str:
        """An invented number; empty for who gave none."""
        prefix = ("+4930230", "+431716", "+4144555")[self.country[person]]
        return f"{prefix}{person:06d}" if self.known[person] and self.has_phone[person] else ""

    def traits(self, person: int) -> dict[str, str]:
        """What an account holds; empty values are left out. Keys as in people.csv."""
        code, _, cities = COUNTRIES[self.country[person]]
        values = {
            "email": self.email(person),
            "phone": self.phone(person),
            "firstName": FIRST_NAMES[self.first_name[person]],
            "lastName": LAST_NAMES[self.last_name[person]],
            "language": "en" if self.english[person] else "de",
            "country": code,
            "city": cities[self.city[person]],
            "birthday": self.birthday[person],
            "customer_since": self.customer_since[person],
        }
        return {name: value for name, value in values.items() if value}


def make_crowd(rng: np.random.Generator, size: int, calendar: Calendar) -> Crowd:
    """Draws `size` people over the days of the calendar."""
    known = rng.random(size) < 0.72
    existing = known & (rng.random(size) < 0.62)
    first_day = np.where(existing, 0, rng.integers(0, calendar.days, size)).astype(np.int64)
    joined = np.where(existing, calendar.start, calendar.moment(rng, 0, first_day))
    buyer = known & (rng.random(size) < 0.86)
    rate = np.where(buyer, rng.gamma(0.7, 4.4 / 0.7, size) + 0.2, 0.0)
    last_day = first_day + np.ceil(rng.exponential(700.0, size)).astype(np.int64)
    visits = np.where(known, rng.gamma(1.3, 4.4, size) + 0.8 * rate, 0.8 + rng.gamma(1.0, 1.0, size))
    has_app = known & (rng.random(size) < 0.34)
    taste = np.stack(
        [rng.gamma(2.2, 1.0, size), rng.gamma(2.4, 1.0, size) * has_app, rng.gamma(2.0, 1.0, size)], axis=1
    )
    device, reset = _devices(rng, size, known, has_app, calendar)
    has_email = rng.random(size) < 0.965
    permits, withdraws = _permissions(rng, known & has_email, existing, joined, calendar)
    country = np.searchsorted(np.cumsum([row[1] for row in COUNTRIES]), rng.random(size), side="right").clip(0, 2)
    cities = np.array([len(row[2]) for row in COUNTRIES], dtype=np.int64)
    born = calendar.dates[0] - timedelta(days=365 * 18)
    ages = (rng.beta(2.0, 2.6, size) * 365 * 66).astype(np.int64)
    since = 30 + (rng.beta(1.2, 2.0, size) * 1700).astype(np.int64)
    with_birthday = rng.random(size) < 0.6
    return Crowd(
        size=size,
        known=known,
        existing=existing,
        joined=joined.astype(np.int64),
        first_day=first_day,
        last_day=last_day,
        rate=rate,
        visits=visits,
        taste=taste / taste.sum(axis=1, keepdims=True),
        device=device,
        reset=reset,
        favourite=rng.integers(0, len(CATEGORIES), size),
        lavish=np.exp(rng.normal(0.0, 0.35, size)),
        permits=permits,
        withdraws=withdraws,
        tracks=(permits < NEVER) & (rng.random(size) < 0.78),
        shows=(permits < NEVER) & (rng.random(size) < 0.6),
        opens=rng.beta(4.5, 5.5, size),
        clicks=rng.beta(3.0, 8.0, size),
        respond=np.clip(rng.gamma(5.0, 0.2, size), 0.0, 2.0),
        has_email=has_email,
        has_phone=rng.random(size) < 0.45,
        english=rng.random(size) < 0.07,
        country=country.astype(np.int64),
        city=(rng.random(size) * cities[country]).astype(np.int64),
        first_name=rng.integers(0, len(FIRST_NAMES), size),
        last_name=rng.integers(0, len(LAST_NAMES), size),
        birthday=[_day(born, int(n)) if has else "" for n, has in zip(ages, with_birthday, strict=True)],
        customer_since=[_day(calendar.dates[0], int(n)) if has else "" for n, has in zip(since, existing, strict=True)],
    )


def _day(last: date, back: int) -> str:
    return (last - timedelta(days=back)).isoformat()


def _devices(
    rng: np.random.Generator, size: int, known: Bools, has_app: Bools, calendar: Calendar
) -> tuple[Ints, Ints]:
    """Numbers of devices by person and slot, and when each loses its cookie. A tenth of the known share a browser."""
    device = np.arange(size * SLOTS, dtype=np.int64).reshape(size, SLOTS)
    device[rng.random(size) >= 0.42, 1] = -1
    device[~has_app, 2] = -1
    pairs = np.flatnonzero(known & (rng.random(size) < 0.10))
    half = len(pairs) // 2
    device[pairs[half : 2 * half], 1] = device[pairs[:half], 0]
    loses = rng.random(size * SLOTS) < 0.24
    loses[2::SLOTS] = False
    moment = calendar.start + (rng.random(size * SLOTS) * (calendar.end - calendar.start)).astype(np.int64)
    return device, np.where(loses, moment, NEVER).astype(np.int64)


def _permissions(
    rng: np.random.Generator, possible: Bools, existing: Bools, joined: Ints, calendar: Calendar
) -> tuple[Ints, Ints]:
    """When e-mail advertising is permitted and withdrawn (µs): before the start, or ten minutes after joining."""
    size = len(joined)
    before = calendar.start - (rng.beta(1.0, 1.6, size) * 600 * DAY).astype(np.int64) // 1000 * 1000 - DAY
    given = np.where(existing, before, joined + 10 * MINUTE)
    permits = np.where(possible & (rng.random(size) < 0.68), given, NEVER)
    earliest = np.maximum(permits, calendar.start)
    later = (
        earliest
        + (rng.random(size) * (calendar.end - np.minimum(earliest, calendar.end))).astype(np.int64) // 1000 * 1000
    )
    leaves = (permits < NEVER) & (rng.random(size) < 0.09)
    return permits.astype(np.int64), np.where(leaves, later, NEVER).astype(np.int64)


def device_name(seed: int, device: int, generation: int) -> str:
    """The anonymousId of a device before (0) and after (1) it lost its cookie, in the form of a UUID."""
    text = blake2b(f"{seed}/{device}/{generation}".encode(), digest_size=16, person=b"sim-device").hexdigest()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
