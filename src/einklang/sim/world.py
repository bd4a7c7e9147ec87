"""The world: a German retailer's year from a seed, as a stream of Segment calls in time order.

Baseline behaviour is drawn once, in columns, and does not react to messages; what messages cause is added by
`einklang.sim.response`. The same (seed, persons, start, days) gives the same calls to the byte.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from einklang.kernel.errors import UsageError
from einklang.sim import visits as v
from einklang.sim.calendar import STORE, Calendar
from einklang.sim.crowd import make_crowd
from einklang.sim.goods import make_goods
from einklang.sim.payload import Payload, Payloads, Who, cart_id, order_id, shipping_of, store_of
from einklang.sim.words import CATEGORIES, COUPONS
from einklang.sim.year import draw_year

PERSONS_MIN = 50
_CHUNK = 20_000
_ENCODER = msgspec.json.Encoder(decimal_format="number")


class World:
    """`persons` people of a retailer over `days` local days (Europe/Berlin) from the day that `start` (µs) falls on.

    seed >= 0. `start` and `end` (µs) are the local midnights that bound the year. The tables `crowd`, `goods`, `rows`,
    `orders`, `carts`, `baskets` are columns to read. Raises UsageError `bad_world` for fewer than 50 people or no day.
    """

    def __init__(self, seed: int, persons: int, start: int, days: int = 365) -> None:
        if persons < PERSONS_MIN or days < 1 or seed < 0:
            raise UsageError(
                "bad_world",
                f"a world of {persons} persons, {days} days, seed {seed}",
                mend="use 50 persons, 1 day, seed 0 or more",
            )
        rng = np.random.Generator(np.random.Philox(seed))
        self.seed = seed
        self.persons = persons
        self.days = days
        self.calendar = Calendar(start, days)
        self.start = self.calendar.start
        self.end = self.calendar.end
        self.goods = make_goods(rng)
        self.crowd = make_crowd(rng, persons, self.calendar)
        self.payloads = Payloads(seed, self.crowd, self.goods)
        self._numbers = {user: person for person, user in enumerate(self.payloads.users) if user}
        year = draw_year(rng, self.crowd, self.goods, self.calendar)
        self.rows, self.orders, self.carts, self.baskets = year.rows, year.orders, year.carts, year.baskets
        self._order_of = year.order_of

    def __len__(self) -> int:
        """The number of calls of the year."""
        return len(self.rows.at)

    def person(self, user_id: str) -> int | None:
        """The number of the person with this customer number; None for who is none of ours."""
        return self._numbers.get(user_id)

    def lines(self, basket: int) -> list[tuple[int, int]]:
        """(product number, quantity) of a basket."""
        first = int(self.baskets.first[basket])
        last = first + int(self.baskets.size[basket])
        return list(
            zip(self.baskets.product[first:last].tolist(), self.baskets.quantity[first:last].tolist(), strict=True)
        )

    def events(self, since: int | None = None, until: int | None = None) -> Iterator[Payload]:
        """The calls of (since, until], µs, in time order; a bound left out is open."""
        at = self.rows.at
        low = 0 if since is None else int(np.searchsorted(at, since, side="right"))
        high = len(at) if until is None else int(np.searchsorted(at, until, side="right"))
        for begin in range(low, high, _CHUNK):
            yield from self._chunk(begin, min(begin + _CHUNK, high))

    def jsonl(self, since: int | None = None, until: int | None = None) -> Iterator[bytes]:
        """The same calls as JSON, one line each with its line feed."""
        encode = _ENCODER.encode
        for call in self.events(since, until):
            yield encode(call) + b"\n"

    def _chunk(self, low: int, high: int) -> Iterator[Payload]:
        rows, part, say = self.rows, slice(low, high), self.payloads
        stamps = np.datetime_as_string(rows.at[part].view("datetime64[us]").astype("datetime64[ms]")).tolist()
        columns = (
            rows.at,
            rows.kind,
            rows.person,
            rows.touch,
            rows.device,
            rows.signed,
            rows.product,
            rows.quantity,
            rows.basket,
        )
        values = zip(*[column[part].tolist() for column in columns], strict=True)
        head = f"sim-{self.seed}-"
        for number, (at, kind, person, touch, device, signed, product, quantity, basket) in enumerate(
            values, start=low
        ):
            who = say.who(person, touch, at, device, signed)
            message_id, stamp = f"{head}{number}", f"{stamps[number - low]}Z"
            if kind == v.VIEW:
                yield say.view(who, message_id, stamp, product)
            elif kind == v.PAGE:
                place = "" if number % 3 == 0 else CATEGORIES[number % len(CATEGORIES)][0].replace(" ", "-")
                yield say.page(who, message_id, stamp, touch, place)
            elif kind == v.ADD:
                yield say.add(who, message_id, stamp, product, quantity, cart_id(basket))
            elif kind in (v.IDENTIFY, v.SIGNUP):
                yield say.identify(who, message_id, stamp, person, kind == v.SIGNUP)
            elif kind == v.CALL:
                yield say.call(who, message_id, stamp, number)
            else:
                yield self._basket_call(kind, person, touch, basket, who, message_id, stamp)

    def _basket_call(
        self, kind: int, person: int, touch: int, basket: int, who: Who, message_id: str, stamp: str
    ) -> Payload:
        """Checkout, order or refund of a basket."""
        say, number = self.payloads, order_id(basket)
        if kind == v.CHECKOUT:
            return say.checkout(who, message_id, stamp, cart_id(basket), number, int(self.baskets.cents[basket]))
        order = int(self._order_of[basket])
        cents, discount = int(self.orders.cents[order]), int(self.orders.discount[order])
        if kind == v.REFUND:
            return say.refund(who, message_id, stamp, number, cents)
        in_store = touch == STORE
        return say.order(
            who,
            message_id,
            stamp,
            number,
            "" if in_store else cart_id(basket),
            self.lines(basket),
            discount=discount,
            shipping=shipping_of(cents, touch),
            coupon=COUPONS[basket % len(COUPONS)] if discount else "",
            store=store_of(person) if in_store else "",
        )
