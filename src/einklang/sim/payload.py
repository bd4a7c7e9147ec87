"""Segment calls as dicts: what a shop, an app, a till and a call centre would post to `/v1/batch`.

Parts that many calls share (contexts, product properties) are the same object in each: read them, do not change them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from einklang.kernel.time import format_moment
from einklang.sim.calendar import APP, TOUCHPOINTS, WEB
from einklang.sim.crowd import SLOTS, Crowd, device_name
from einklang.sim.goods import Goods, money
from einklang.sim.words import CALL_TOPICS, COUNTRIES, CURRENCY, STORES

Payload = dict[str, Any]

FREE_SHIPPING_CENTS = 5_000
SHIPPING_CENTS = 490


class Who:
    """The sender of a call: `user` and `anonymous` (empty: not sent), and the shared context."""

    __slots__ = ("anonymous", "context", "user")

    def __init__(self, user: str, anonymous: str, context: dict[str, Any]) -> None:
        self.user = user
        self.anonymous = anonymous
        self.context = context


class Payloads:
    """Writes calls about the people and goods of one world. `stamp` is RFC 3339 text, `message_id` is the caller's."""

    def __init__(self, seed: int, crowd: Crowd, goods: Goods) -> None:
        self.crowd = crowd
        self.goods = goods
        self.users = [crowd.user_id(person) for person in range(crowd.size)]
        self._devices = [
            (device_name(seed, device, 0), device_name(seed, device, 1)) for device in range(crowd.size * SLOTS)
        ]
        self._reset: list[int] = crowd.reset.tolist()
        self._place: list[tuple[bool, int]] = list(zip(crowd.english.tolist(), crowd.country.tolist(), strict=True))
        self._contexts = {
            (touch, english, country): _context(touch, english, country)
            for touch in range(len(TOUCHPOINTS))
            for english in (False, True)
            for country in range(len(COUNTRIES))
        }
        self._viewed = [
            {key: row[key] for key in ("product_id", "name", "category", "brand", "price", "currency")}
            for row in goods.rows
        ]
        self._cents: list[int] = goods.cents.tolist()

    def who(self, person: int, touch: int, at: int, device: int, signed: bool) -> Who:
        """Who speaks: the device (whose cookie may be a new one at `at`) and the customer number where signed in."""
        anonymous = self._devices[device][at >= self._reset[device]] if device >= 0 else ""
        english, country = self._place[person]
        return Who(self.users[person] if signed else "", anonymous, self._contexts[touch, english, country])

    def page(self, who: Who, message_id: str, stamp: str, touch: int, place: str) -> Payload:
        """A page or screen call; `place` is the path without the slash, such as `coffee`."""
        if touch == APP:
            return _call("screen", message_id, stamp, who, {"name": place or "home"}, name=place or "home")
        path = f"/{place}"
        properties = {"name": place or "home", "path": path, "url": f"https://shop.example{path}"}
        return _call("page", message_id, stamp, who, properties, name=place or "home")

    def view(self, who: Who, message_id: str, stamp: str, product: int) -> Payload:
        """Product Viewed."""
        return _track("Product Viewed", message_id, stamp, who, self._viewed[product])

    def add(self, who: Who, message_id: str, stamp: str, product: int, quantity: int, cart: str) -> Payload:
        """Product Added, with the cart it goes into."""
        properties = {**self._viewed[product], "quantity": quantity, "cart_id": cart}
        return _track("Product Added", message_id, stamp, who, properties)

    def checkout(self, who: Who, message_id: str, stamp: str, cart: str, order: str, cents: int) -> Payload:
        """Checkout Started."""
        properties = {"cart_id": cart, "order_id": order, "value": money(cents), "currency": CURRENCY}
        return _track("Checkout Started", message_id, stamp, who, properties)

    def order(
        self, who: Who, message_id: str, stamp: str, order: str, cart: str, lines: Sequence[tuple[int, int]],
        *, discount: int = 0, shipping: int = 0, coupon: str = "", store: str = "",
    ) -> Payload:  # fmt: skip
        """Order Completed: revenue = lines - discount, total = revenue + shipping; cents here, decimals in the call."""
        subtotal = sum(self._cents[product] * quantity for product, quantity in lines)
        properties: dict[str, Any] = {
            "order_id": order,
            "revenue": money(subtotal - discount),
            "total": money(subtotal - discount + shipping),
            "currency": CURRENCY,
            "products": [self.line(product, quantity) for product, quantity in lines],
        }
        if cart:
            properties["cart_id"] = cart
        if store:
            properties["store"] = store
        else:
            properties["shipping"] = money(shipping)
        if coupon:
            properties["coupon"] = coupon
            properties["discount"] = money(discount)
        return _track("Order Completed", message_id, stamp, who, properties)

    def line(self, product: int, quantity: int) -> dict[str, Any]:
        """One element of a list of products."""
        row = self.goods.rows[product]
        return {
            "product_id": row["product_id"],
            "name": row["name"],
            "category": row["category"],
            "price": row["price"],
            "quantity": quantity,
        }

    def identify(self, who: Who, message_id: str, stamp: str, person: int, whole: bool) -> Payload:
        """An identify call: all traits at the first sign-in, the address alone later."""
        traits = self.crowd.traits(person)
        if not whole:
            traits = {key: value for key, value in traits.items() if key == "email"}
        call = _call("identify", message_id, stamp, who, None)
        call["traits"] = traits
        return call

    def call(self, who: Who, message_id: str, stamp: str, number: int) -> Payload:
        """Service Call Completed; the n-th call decides topic and length."""
        topic = CALL_TOPICS[number % len(CALL_TOPICS)]
        properties = {"topic": topic, "duration_s": 90 + number * 37 % 600, "solved": number % 7 != 0}
        return _track("Service Call Completed", message_id, stamp, who, properties)

    def refund(self, who: Who, message_id: str, stamp: str, order: str, cents: int) -> Payload:
        """Order Refunded: the whole order came back."""
        properties = {"order_id": order, "total": money(cents), "currency": CURRENCY}
        return _track("Order Refunded", message_id, stamp, who, properties)

    def mail(self, event: str, message_id: str, at: int, person: int, properties: dict[str, Any]) -> Payload:
        """A reaction to an e-mail, such as `Email Opened`."""
        who = Who(self.users[person], "", {"touchpoint": "email"})
        return _track(event, message_id, format_moment(at), who, properties)


def shipping_of(cents: int, touch: int) -> int:
    """Cents of shipping: free in the store and from 50 EUR."""
    return SHIPPING_CENTS if touch in (WEB, APP) and cents < FREE_SHIPPING_CENTS else 0


def store_of(person: int) -> str:
    """The store a person goes to."""
    return STORES[person % len(STORES)]


def _context(touch: int, english: bool, country: int) -> dict[str, Any]:
    locale = ("en" if english else "de") + "-" + COUNTRIES[country][0]
    return {"touchpoint": TOUCHPOINTS[touch], "locale": locale}


def _call(
    kind: str, message_id: str, stamp: str, who: Who, properties: dict[str, Any] | None, *, name: str = ""
) -> Payload:
    call: Payload = {"type": kind, "messageId": message_id, "timestamp": stamp, "context": who.context}
    if who.user:
        call["userId"] = who.user
    if who.anonymous:
        call["anonymousId"] = who.anonymous
    if name:
        call["name"] = name
    if properties is not None:
        call["properties"] = properties
    return call


def _track(event: str, message_id: str, stamp: str, who: Who, properties: dict[str, Any]) -> Payload:
    call = _call("track", message_id, stamp, who, properties)
    call["event"] = event
    return call


def cart_id(basket: int) -> str:
    """The cart_id of a basket of the year."""
    return f"K{basket:07d}"


def order_id(basket: int) -> str:
    """The order_id of a basket of the year."""
    return f"B{basket:07d}"
