"""A year as columns: joins orders, visits, carts, calls and refunds into rows in time order."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from einklang.kernel.time import DAY
from einklang.sim import visits as v
from einklang.sim.calendar import APP, PHONE, STORE, WEB, Bools, Calendar, Ints
from einklang.sim.crowd import NEVER, Crowd
from einklang.sim.goods import Goods
from einklang.sim.visits import UNSIGNED, Baskets, Rows, Visits

#: shares of the draws below
BUYS_AT_SIGNUP, FILLS_CART, REACHES_CHECKOUT, IS_REFUNDED = 0.55, 0.32, 0.35, 0.05
COUPON_ONLINE, COUPON_STORE = 0.13, 0.05


@dataclass(frozen=True, slots=True)
class Orders:
    """The baseline orders by number, in time order. at: µs; cents: revenue after discount; refunded: µs or NEVER."""

    person: Ints
    at: Ints
    touch: Ints
    basket: Ints
    cents: Ints
    discount: Ints
    refunded: Ints


@dataclass(frozen=True, slots=True)
class Carts:
    """Abandoned carts of those with an account: when the last thing went in (µs), whether bought later unasked."""

    person: Ints
    at: Ints
    basket: Ints
    returns: Bools


@dataclass(frozen=True, slots=True)
class Year:
    """Everything of the year: `rows` and `orders` in time order, `carts`, `order_of` basket -> order or -1."""

    rows: Rows
    orders: Orders
    carts: Carts
    baskets: Baskets
    order_of: Ints


def draw_year(rng: np.random.Generator, crowd: Crowd, goods: Goods, calendar: Calendar) -> Year:
    """Draws the baseline year of everybody."""
    buyer, touch, bought_at = v.draw_orders(rng, crowd, calendar)
    online, store = np.flatnonzero(touch != STORE), np.flatnonzero(touch == STORE)
    base = _visits(rng, crowd, calendar, (buyer[online], touch[online], bought_at[online]))
    filled = np.flatnonzero(base.basket >= 0)
    baskets = v.fill_baskets(rng, crowd, goods, np.concatenate([base.person[filled], buyer[store]]))
    base.basket[filled] = np.arange(len(filled))
    base.views[filled] += baskets.size[: len(filled)]
    late = np.flatnonzero(base.identify > 1)
    base.identify[late] = 1 + base.views[late] + np.where(base.basket[late] >= 0, baskets.size[base.basket[late]], 0)
    base.signed[late] = base.identify[late]
    back, returns = _returns(rng, crowd, calendar, base)
    made = v.unroll(rng, crowd, goods, _join(base, back), baskets)
    tills = plain(v.ORDER, buyer[store], bought_at[store], STORE, np.arange(len(filled), len(filled) + len(store)))
    caller, called_at = v.draw_calls(rng, crowd, calendar)
    calls = plain(v.CALL, caller, called_at, PHONE, np.full(len(caller), -1))
    rows = _merge([made, tills, calls], calendar)
    orders = _orders(rng, rows, baskets)
    gone = np.flatnonzero(orders.refunded < NEVER)
    refunds = plain(v.REFUND, orders.person[gone], orders.refunded[gone], WEB, orders.basket[gone])
    order_of = np.full(len(baskets.cents), -1, np.int64)
    order_of[orders.basket] = np.arange(len(orders.basket))
    return Year(_merge([rows, refunds], calendar), orders, _carts(crowd, base, returns, rows), baskets, order_of)


def _visits(rng: np.random.Generator, crowd: Crowd, calendar: Calendar, online: tuple[Ints, Ints, Ints]) -> Visits:
    """Visits that order, that open an account, and that look, in this order. basket: 0 where one is to be filled.

    identify: 2 stands for "before the checkout", to be set once the basket is known.
    """
    joiner = np.flatnonzero(crowd.known & ~crowd.existing)
    looker, look_touch, looked_at = v.draw_looks(rng, crowd, calendar)
    person = np.concatenate([online[0], joiner, looker])
    touch = np.concatenate([online[1], np.full(len(joiner), WEB), look_touch])
    at = np.concatenate([online[2], crowd.joined[joiner], looked_at])
    size, buys, joins = len(person), len(online[0]), len(joiner)
    number = np.arange(size)
    signup = (number >= buys) & (number < buys + joins)
    order = (number < buys) | (signup & (rng.random(size) < BUYS_AT_SIGNUP) & (crowd.rate[person] > 0))
    cart = order | (~signup & (rng.random(size) < FILLS_CART))
    account = crowd.known[person] & (at >= crowd.joined[person])
    chance = np.where(touch == APP, 1.0, np.where(order, 0.45, np.where(cart, 0.75, 0.5)))
    signed_in = account & ~signup & (rng.random(size) < chance)
    identify = np.where(signup, 1, np.where(order & ~signed_in, 2, -1))
    return Visits(
        person=person,
        at=at,
        touch=touch,
        signed=np.where(signed_in, 0, np.where(identify >= 0, identify, UNSIGNED)),
        identify=identify,
        signup=signup,
        views=rng.poisson(np.where(order, 0.5, 1.3)),
        basket=np.where(cart, 0, -1),
        adds=cart,
        checkout=order | (cart & (rng.random(size) < REACHES_CHECKOUT)),
        order=order,
    )


def _returns(rng: np.random.Generator, crowd: Crowd, calendar: Calendar, base: Visits) -> tuple[Visits, Bools]:
    """The visits in which abandoned carts are bought unasked, and which of all visits are followed by one."""
    account = crowd.known[base.person] & (base.at >= crowd.joined[base.person]) & (crowd.rate[base.person] > 0)
    back, at = v.returning(rng, base.at)
    returns = back & account & (base.basket >= 0) & ~base.order
    chosen = np.flatnonzero(returns)
    signed_in = (base.touch[chosen] == APP) | (rng.random(len(chosen)) < 0.6)
    yes = np.ones(len(chosen), np.bool_)
    return (
        Visits(
            person=base.person[chosen],
            at=at[chosen],
            touch=base.touch[chosen],
            signed=np.where(signed_in, 0, 1),
            identify=np.where(signed_in, -1, 1),
            signup=~yes,
            views=np.zeros(len(chosen), np.int64),
            basket=base.basket[chosen],
            adds=~yes,
            checkout=yes,
            order=yes,
        ),
        returns,
    )


def _carts(crowd: Crowd, base: Visits, returns: Bools, rows: Rows) -> Carts:
    """Abandoned carts that were filled within the year by people with an account."""
    last = np.full(len(base.basket) + 1, -1, np.int64)
    added = np.flatnonzero(rows.kind == v.ADD)
    np.maximum.at(last, rows.basket[added], rows.at[added])
    account = crowd.known[base.person] & (base.at >= crowd.joined[base.person])
    left = np.flatnonzero(account & (base.basket >= 0) & ~base.order)
    left = left[last[base.basket[left]] >= 0]
    return Carts(base.person[left], last[base.basket[left]], base.basket[left], returns[left])


def _orders(rng: np.random.Generator, rows: Rows, baskets: Baskets) -> Orders:
    """The table of the orders that the rows hold, with coupons and refunds."""
    found = np.flatnonzero(rows.kind == v.ORDER)
    basket, touch, at = rows.basket[found], rows.touch[found], rows.at[found]
    coupon = rng.random(len(found)) < np.where(touch == STORE, COUPON_STORE, COUPON_ONLINE)
    discount = np.where(coupon, baskets.cents[basket] // 10, 0)
    sent_back = (touch != STORE) & (rng.random(len(found)) < IS_REFUNDED)
    later = at + ((5 + 9 * rng.random(len(found))) * DAY).astype(np.int64) // 1000 * 1000
    refunded = np.where(sent_back, later, NEVER)
    return Orders(rows.person[found], at, touch, basket, baskets.cents[basket] - discount, discount, refunded)


def plain(kind: int, person: Ints, at: Ints, touch: int, basket: Ints) -> Rows:
    """Rows outside a visit: signed, without a device."""
    size = len(person)
    none = np.full(size, -1, np.int64)
    return Rows(
        at,
        none * 0 + kind,
        person,
        none * 0 + touch,
        none,
        np.ones(size, np.bool_),
        none,
        none * 0,
        basket.astype(np.int64),
    )


def _join(first: Visits, second: Visits) -> Visits:
    return Visits(*[np.concatenate([getattr(first, f.name), getattr(second, f.name)]) for f in fields(Visits)])


def _merge(parts: list[Rows], calendar: Calendar) -> Rows:
    """Rows of all parts in time order (stable), less what lies outside the calendar."""
    columns = [np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Rows)]
    order = np.argsort(columns[0], kind="stable")
    order = order[(columns[0][order] >= calendar.start) & (columns[0][order] < calendar.end)]
    return Rows(*[column[order] for column in columns])
