"""What the people do in a year without any message: orders, visits, abandoned carts, calls. All draws are columns.

This is the baseline outcome Y(0) of everybody. It never depends on what Einklang does, so a person of the control
group and the same person contacted share it to the cent (common random numbers).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from einklang.kernel.time import DAY, HOUR, SECOND
from einklang.sim.calendar import APP, PHONE, STORE, WEB, Bools, Calendar, Ints
from einklang.sim.crowd import Crowd
from einklang.sim.goods import Goods

PAGE, VIEW, ADD, CHECKOUT, ORDER, IDENTIFY, SIGNUP, CALL, REFUND = range(9)
#: position in a visit from which calls carry the userId: never
UNSIGNED = 10_000


@dataclass(frozen=True, slots=True)
class Baskets:
    """What lies together: lines `first[b] : first[b] + size[b]` of `product` and `quantity`; `cents` is their sum."""

    person: Ints
    first: Ints
    size: Ints
    product: Ints
    quantity: Ints
    cents: Ints


@dataclass(frozen=True, slots=True)
class Visits:
    """Visits by number. signed: position from which the userId is sent (UNSIGNED: never); identify: where that call is.

    -1: no such call, no basket. signup: the call opens the account; views: products looked at; adds: the basket is
    filled in this visit; checkout, order: how far it goes.
    """

    person: Ints
    at: Ints
    touch: Ints
    signed: Ints
    identify: Ints
    signup: Bools
    views: Ints
    basket: Ints
    adds: Bools
    checkout: Bools
    order: Bools


@dataclass(frozen=True, slots=True)
class Rows:
    """One row an event, not yet in time order. visit, product, basket, device: -1 where there is none."""

    at: Ints
    kind: Ints
    person: Ints
    touch: Ints
    device: Ints
    signed: Bools
    product: Ints
    quantity: Ints
    basket: Ints


def fill_baskets(rng: np.random.Generator, crowd: Crowd, goods: Goods, person: Ints) -> Baskets:
    """Draws what each basket holds: 1 + Poisson lines by how lavish the person is, mostly one piece of each."""
    size = 1 + np.minimum(rng.poisson(0.9 * crowd.lavish[person]), 9)
    owner = np.repeat(person, size)
    product = goods.pick(rng, crowd.favourite[owner])
    quantity = 1 + np.minimum(rng.geometric(0.78, len(owner)) - 1, 5) * (goods.cents[product] < 5000)
    first = np.concatenate(([0], np.cumsum(size)))[:-1]
    cents = np.add.reduceat(goods.cents[product] * quantity, first) if len(owner) else np.zeros(0, np.int64)
    return Baskets(
        person,
        first.astype(np.int64),
        size.astype(np.int64),
        product,
        quantity.astype(np.int64),
        cents.astype(np.int64),
    )


def draw_orders(rng: np.random.Generator, crowd: Crowd, calendar: Calendar) -> tuple[Ints, Ints, Ints]:
    """(person, touchpoint, at) of the orders of the year: Poisson by rate and season, cut by joining and leaving."""
    start = np.where(crowd.existing, 0, crowd.first_day + 1)
    amount = rng.poisson(crowd.rate * calendar.mass(WEB, start, crowd.last_day))
    person = np.repeat(np.arange(crowd.size), amount)
    point = rng.random(len(person))
    edges = np.cumsum(crowd.taste, axis=1)[person]
    touch = (point[:, None] >= edges).sum(axis=1).clip(0, STORE).astype(np.int64)
    at = np.zeros(len(person), np.int64)
    for kind in (WEB, APP, STORE):
        chosen = np.flatnonzero(touch == kind)
        at[chosen] = calendar.draw(rng, kind, start[person[chosen]], crowd.last_day[person[chosen]])
    return person.astype(np.int64), touch, at


def draw_calls(rng: np.random.Generator, crowd: Crowd, calendar: Calendar) -> tuple[Ints, Ints]:
    """(person, at) of the service calls: those who buy more call more."""
    rate = np.where(crowd.known & crowd.has_phone, 0.15 + 0.06 * crowd.rate, 0.0)
    start = np.where(crowd.existing, 0, crowd.first_day + 1)
    person = np.repeat(np.arange(crowd.size), rng.poisson(rate * calendar.mass(PHONE, start, crowd.last_day)))
    return person.astype(np.int64), calendar.draw(rng, PHONE, start[person], crowd.last_day[person])


def draw_looks(rng: np.random.Generator, crowd: Crowd, calendar: Calendar) -> tuple[Ints, Ints, Ints]:
    """(person, touchpoint, at) of visits that order nothing. Some come a month before joining, some after leaving."""
    whole = np.full(crowd.size, calendar.days)
    first = np.where(crowd.known, np.maximum(crowd.first_day - 30, 0), 0)
    active = calendar.mass(WEB, first, np.minimum(crowd.last_day, whole))
    after = 0.5 * calendar.mass(WEB, np.minimum(crowd.last_day, whole), whole)
    amount = rng.poisson(crowd.visits * np.where(crowd.known, active + after, calendar.mass(WEB, first * 0, whole)))
    person = np.repeat(np.arange(crowd.size), amount).astype(np.int64)
    taste = crowd.taste[person]
    in_app = (crowd.device[person, 2] >= 0) & (
        rng.random(len(person)) < taste[:, APP] / np.maximum(taste[:, :2].sum(axis=1), 1e-9)
    )
    touch = np.where(in_app, APP, WEB)
    late = rng.random(len(person)) < (after / np.maximum(active + after, 1e-9))[person]
    low = np.where(crowd.known[person], np.where(late, crowd.last_day[person], first[person]), 0)
    high = np.where(crowd.known[person] & ~late, crowd.last_day[person], calendar.days)
    at = np.where(in_app, calendar.draw(rng, APP, low, high), calendar.draw(rng, WEB, low, high))
    return person, touch, at


def returning(rng: np.random.Generator, at: Ints) -> tuple[Bools, Ints]:
    """Which abandoned carts are bought after all without being asked, and when (half an hour to six days later)."""
    back = rng.random(len(at)) < 0.15
    delay = np.minimum(0.5 * HOUR + rng.exponential(1.6 * DAY, len(at)), 6 * DAY)
    return back, at + delay.astype(np.int64) // 1000 * 1000


def choose_devices(rng: np.random.Generator, crowd: Crowd, person: Ints, touch: Ints) -> Ints:
    """The number of the device on which a visit happens: the app's, or one of the browsers."""
    second = (crowd.device[person, 1] >= 0) & (rng.random(len(person)) < 0.4)
    slot = np.where(touch == APP, 2, np.where(second, 1, 0))
    return crowd.device[person, slot]


def unroll(rng: np.random.Generator, crowd: Crowd, goods: Goods, visits: Visits, baskets: Baskets) -> Rows:
    """Visits -> events: page, views, adds, checkout, order, with an identify where somebody signs in."""
    held = np.where(visits.basket >= 0, baskets.size[visits.basket], 0)
    adds = np.where(visits.adds, held, 0)
    counts = 1 + (visits.identify >= 0) + visits.views + adds + visits.checkout + visits.order
    visit = np.repeat(np.arange(len(counts)), counts)
    begin = np.concatenate(([0], np.cumsum(counts)))[:-1]
    position = np.arange(len(visit)) - begin[visit]
    named = visits.identify[visit]
    place = position - ((named >= 0) & (position > named))
    views, held, adds = visits.views[visit], held[visit], adds[visit]
    naming = (named >= 0) & (position == named)
    conditions = [naming & visits.signup[visit], naming, place == 0, place <= views, place <= views + adds]
    kind = np.select(conditions, [SIGNUP, IDENTIFY, PAGE, VIEW, ADD], CHECKOUT)
    kind = np.where((kind == CHECKOUT) & visits.order[visit] & (position == counts[visit] - 1), ORDER, kind)
    person = visits.person[visit]
    line = np.where(kind == VIEW, place - 1, place - 1 - views)
    inside = ((kind == VIEW) & (line < held)) | (kind == ADD)
    index = np.where(inside, baskets.first[visits.basket[visit]] + line, 0)
    product = np.where(inside, baskets.product[index], goods.pick(rng, crowd.favourite[person]))
    gaps = np.where(position == 0, 0.0, 4.0 + rng.exponential(38.0, len(visit)))
    elapsed = np.cumsum(gaps)
    at = visits.at[visit] + ((elapsed - elapsed[begin][visit]) * 1000).astype(np.int64) * (SECOND // 1000)
    device = choose_devices(rng, crowd, visits.person, visits.touch)[visit]
    return Rows(
        at=at,
        kind=kind.astype(np.int64),
        person=person,
        touch=visits.touch[visit],
        device=device,
        signed=position >= visits.signed[visit],
        product=np.where((kind == VIEW) | (kind == ADD), product, -1),
        quantity=np.where(kind == ADD, baskets.quantity[index], 0),
        basket=np.where((kind == ADD) | (kind == CHECKOUT) | (kind == ORDER), visits.basket[visit], -1),
    )
