"""What a world looks like from outside: figures counted from its calls and files, as listed in docs/sim.md.

Counted from what leaves the simulator, not from its parameters, so that the document is checked against the product.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from einklang.kernel.time import zone
from einklang.sim.calendar import Floats
from einklang.sim.files import consents, people
from einklang.sim.payload import Payload
from einklang.sim.words import ZONE
from einklang.sim.world import World


@dataclass
class _Tally:
    """Counts over the calls of a world."""

    calls: int = 0
    touch: Counter[str] = field(default_factory=Counter)
    online: int = 0
    anonymous: int = 0
    users: set[str] = field(default_factory=set)
    traits: dict[str, dict[str, str]] = field(default_factory=dict)
    devices: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    sharers: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    orders: list[tuple[str, datetime, float, str, bool]] = field(default_factory=list)
    refunds: int = 0
    added: dict[str, datetime] = field(default_factory=dict)
    bought: dict[str, datetime] = field(default_factory=dict)
    evening: int = 0
    web: int = 0

    def take(self, call: Payload, berlin: ZoneInfo) -> None:
        """Counts one call."""
        at = datetime.fromisoformat(call["timestamp"]).astimezone(berlin)
        touch, user, device = call["context"]["touchpoint"], call.get("userId", ""), call.get("anonymousId", "")
        self.calls += 1
        self.touch[touch] += 1
        if touch in ("web", "app"):
            self.online += 1
            self.anonymous += not user
        if touch == "web":
            self.web += 1
            self.evening += 18 <= at.hour < 23
        if user:
            self.users.add(user)
        if user and device:
            self.devices[user].add(device)
            self.sharers[device].add(user)
        if call["type"] == "identify" and len(call["traits"]) > 1:
            self.traits[user] = call["traits"]
        self._event(call, at, touch, user)

    def _event(self, call: Payload, at: datetime, touch: str, user: str) -> None:
        name = call.get("event")
        if name == "Order Completed":
            properties = call["properties"]
            self.orders.append((user, at, float(properties["revenue"]), touch, "coupon" in properties))
            self.bought[properties.get("cart_id", "")] = at
        elif name == "Product Added":
            self.added[call["properties"]["cart_id"]] = at
        elif name == "Order Refunded":
            self.refunds += 1


def marginals(world: World) -> dict[str, float]:
    """Name -> figure, for every row of the table in docs/sim.md. Shares are 0 to 1, money is EUR."""
    tally, berlin = _Tally(), zone(ZONE)
    for call in world.events():
        tally.take(call, berlin)
    known = {row["userId"]: row for row in people(world)} | tally.traits
    return {
        "events_per_person": tally.calls / world.persons,
        "known_share": len(known) / world.persons,
        "existing_share": sum("customer_since" in row for row in known.values()) / len(known),
        "anonymous_share": tally.anonymous / tally.online,
        "devices_per_person": float(np.mean([len(found) for found in tally.devices.values()])),
        "shared_devices": float(np.mean([len(found) > 1 for found in tally.sharers.values()])),
        "cart_abandonment": 1 - len(set(tally.added) & set(tally.bought)) / len(tally.added),
        "web_evening_share": tally.evening / tally.web,
        "german_share": sum(row["language"] == "de" for row in known.values()) / len(known),
        "country_de_share": sum(row["country"] == "DE" for row in known.values()) / len(known),
        "phone_number_share": sum("phone" in row for row in known.values()) / len(known),
        "refund_share": tally.refunds / sum(order[3] != "store" for order in tally.orders),
        **{f"touchpoint_{name}_share": tally.touch[name] / tally.calls for name in ("web", "app", "store", "phone")},
        **_order_figures(tally, world, len(known)),
        **_consent_figures(world, len(known)),
    }


def _order_figures(tally: _Tally, world: World, known: int) -> dict[str, float]:
    orders = tally.orders
    amount = Counter(order[0] for order in orders)
    spent: dict[str, float] = defaultdict(float)
    for user, _, revenue, _, _ in orders:
        spent[user] += revenue
    baskets: Floats = np.array([order[2] for order in orders])
    logs = np.log(baskets)
    by_value = sorted(spent.values(), reverse=True)
    store_days = Counter(order[1].weekday() for order in orders if order[3] == "store")
    web_days = Counter(order[1].weekday() for order in orders if order[3] == "web")
    last = {order[0]: order[1] for order in orders}
    end = max(order[1] for order in orders)
    months = Counter(order[1].month for order in orders)
    return {
        "buyers_share": len(amount) / known,
        "zero_revenue_share": 1 - len(amount) / world.persons,
        "orders_per_buyer": len(orders) / len(amount),
        "repeat_rate": sum(count > 1 for count in amount.values()) / len(amount),
        "top_tenth_revenue_share": sum(by_value[: len(by_value) // 10]) / sum(by_value),
        "lapsed_share": sum(at < end - timedelta(days=90) for at in last.values()) / len(last),
        "basket_mean": float(baskets.mean()),
        "basket_median": float(np.median(baskets)),
        "basket_log_sd": float(logs.std()),
        "basket_log_skew": float((((logs - logs.mean()) / logs.std()) ** 3).mean()),
        "orders_web_share": sum(order[3] == "web" for order in orders) / len(orders),
        "orders_app_share": sum(order[3] == "app" for order in orders) / len(orders),
        "orders_store_share": sum(order[3] == "store" for order in orders) / len(orders),
        "coupon_share": sum(order[4] for order in orders) / len(orders),
        "store_saturday_share": store_days[5] / sum(store_days.values()),
        "store_sunday_share": store_days[6] / sum(store_days.values()),
        "web_sunday_share": web_days[6] / sum(web_days.values()),
        "december_ratio": months[12] / len(orders) * 12,
        "july_ratio": months[7] / len(orders) * 12,
    }


def _consent_figures(world: World, known: int) -> dict[str, float]:
    rows = list(consents(world))
    count = Counter((row["purpose"], row["status"]) for row in rows)
    given = count["marketing", "given"]
    return {
        "consent_share": given / known,
        "withdrawn_share": count["marketing", "withdrawn"] / given,
        "track_click_share": count["track_click", "given"] / given,
        "track_open_share": count["track_open", "given"] / given,
    }
