"""Who the journeys of the demo would contact, worked out from the world alone: a second opinion on the engine.

The rules repeat those of `sim/demo`, in columns and without caps, holdout, quiet hours and arms. They are near the
engine's answer, not equal to it; for the exact truth hand the engine's own would-be contacts to `true_effect`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from einklang.kernel.time import DAY, HOUR
from einklang.sim import visits as v
from einklang.sim.calendar import Bools, Ints
from einklang.sim.crowd import Crowd
from einklang.sim.payload import cart_id, order_id
from einklang.sim.response import Sent
from einklang.sim.world import World

_SHIFT = 2**46  # microseconds of two years fit


class _Past:
    """Questions about the baseline orders of people, answered for whole columns."""

    def __init__(self, world: World) -> None:
        orders = world.orders
        self._start = world.start
        self._keys = np.sort(orders.person * _SHIFT + (orders.at - world.start))

    def count(self, person: Ints, after: Ints, until: Ints) -> Ints:
        """Orders of each person in (after, until]."""
        low = np.searchsorted(self._keys, person * _SHIFT + np.clip(after - self._start, -1, _SHIFT - 1), side="right")
        high = np.searchsorted(self._keys, person * _SHIFT + np.clip(until - self._start, -1, _SHIFT - 1), side="right")
        return np.asarray(high - low, dtype=np.int64)


def permitted(crowd: Crowd, person: Ints, at: Ints) -> Bools:
    """Whether e-mail advertising is permitted at each moment."""
    return np.asarray((crowd.permits[person] <= at) & (at < crowd.withdraws[person]))


@dataclass(frozen=True, slots=True)
class _Candidates:
    person: Ints
    at: Ints
    step: str
    keys: list[str]


def _win_back(world: World) -> _Candidates:
    """A view by who has bought, but not for 90 days, and does not buy in the day after it."""
    rows, past = world.rows, _Past(world)
    seen = np.flatnonzero(
        (rows.kind == v.VIEW) & world.crowd.known[rows.person] & (rows.at >= world.crowd.joined[rows.person])
    )
    person, at = rows.person[seen], rows.at[seen]
    ever = past.count(person, np.full(len(at), world.start - 1), at) > 0
    lapsed = ever & (past.count(person, at - 90 * DAY, at) == 0) & (past.count(person, at, at + DAY) == 0)
    return _Candidates(person[lapsed], at[lapsed] + DAY, "mail", [""] * int(lapsed.sum()))


def _cart(world: World) -> _Candidates:
    """An abandoned cart, three hours after the last thing went in. Carts that are bought at once never get there."""
    carts, past = world.carts, _Past(world)
    still = np.flatnonzero(~carts.returns | (past.count(carts.person, carts.at, carts.at + 3 * HOUR) == 0))
    keys = [cart_id(int(basket)) for basket in carts.basket[still]]
    return _Candidates(carts.person[still], carts.at[still] + 3 * HOUR, "first", keys)


def _welcome(world: World) -> _Candidates:
    """The first order of those who were no customers at the start, two days later."""
    orders = world.orders
    person, first = np.unique(orders.person, return_index=True)
    new = ~world.crowd.existing[person]
    return _Candidates(person[new], orders.at[first[new]] + 2 * DAY, "hello", [""] * int(new.sum()))


def _thanks(world: World) -> _Candidates:
    """Every order, at once."""
    orders = world.orders
    return _Candidates(orders.person, orders.at, "mail", [order_id(int(basket)) for basket in orders.basket])


_RULES = {"win-back": _win_back, "cart-reminder": _cart, "welcome": _welcome, "thanks": _thanks}


def eligible(world: World, journey: str) -> list[Sent]:
    """The first would-be contact of each person by one of the four journeys of the demo. Raises KeyError for others."""
    found = _RULES[journey](world)
    inside = np.flatnonzero(permitted(world.crowd, found.person, found.at) & (found.at < world.end))
    inside = inside[np.lexsort((found.at[inside], found.person[inside]))]
    _, first = np.unique(found.person[inside], return_index=True)
    contacts = []
    for index in inside[first]:
        user, at = world.crowd.user_id(int(found.person[index])), int(found.at[index])
        contacts.append(Sent(user, journey, found.step, f"would-{journey}-{user}", at, found.keys[int(index)]))
    return contacts
