"""What messages cause, with the truth known: opens, clicks, visits and additional orders.

The model. A person opens a mail with the probability `opens` of her own, clicks an opened one with `clicks`, and then
makes **one additional order** with the probability of the step's `Effect`, times how responsive she is. The order
comes on top of the baseline year, never instead of it, so the effect of a contact on a person is the revenue of that
order: Y(1) - Y(0). Steps without an `Effect` have none: their true effect is zero.

Common random numbers. All draws of a contact come from `Philox(key=(seed, person), counter=(occasion, day,
replicate))`. They do not depend on the arm, on the message key or on who else is contacted, and the baseline never
moves: a person of the control group has to the cent the outcome she would have had in the other arm without the
message.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from einklang.kernel.time import DAY, HOUR, MINUTE, SECOND, day_of, format_moment, start_of_day
from einklang.sim.calendar import STORE, WEB
from einklang.sim.payload import Payload, Payloads, Who, cart_id, shipping_of
from einklang.sim.words import ZONE
from einklang.sim.world import World

_CART_JOURNEY = "cart-reminder"


@dataclass(frozen=True, slots=True)
class Sent:
    """A message handed over, or that would have been in the control arm. person: userId; at: µs; key: of the run."""

    person: str
    journey: str
    step: str
    message_key: str
    at: int
    key: str = ""


@dataclass(frozen=True, slots=True)
class Effect:
    """Probability of an additional order for who read, and for who clicked; its mean and longest delay in days."""

    read: float
    clicked: float
    delay_days: float
    delay_days_max: float


#: journey -> days of the window in which its goal counts
WINDOW_DAYS = {"welcome": 60, "cart-reminder": 14, "win-back": 28, "thanks": 28}
#: the causal truth of the demo. `thanks` has none on purpose: a report must not find one.
EFFECTS = {
    ("welcome", "hello"): Effect(0.08, 0.18, 8.0, 28.0),
    ("cart-reminder", "first"): Effect(0.18, 0.45, 0.6, 5.0),
    ("win-back", "mail"): Effect(0.24, 0.54, 4.0, 20.0),
}


@dataclass(frozen=True, slots=True)
class Reaction:
    """One draw of what a contact causes. Moments are µs and 0 where it does not happen; cents: revenue of the order."""

    opened: int
    clicked: int
    ordered: int
    lines: tuple[tuple[int, int], ...]
    cents: int
    cart: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """Both potential outcomes of a person in the window of the journey: cents of revenue without and with contact."""

    person: str
    at: int
    without: int
    contacted: int


@dataclass(frozen=True, slots=True)
class Truth:
    """The true effect of a journey per would-be contacted person, in EUR. n: persons; buyers_*: share with any revenue.

    effect = contacted - without, a mean over `n` persons and the replicates of the response.
    """

    journey: str
    n: int
    window_days: int
    without: float
    contacted: float
    effect: float
    buyers_without: float
    buyers_contacted: float


def _occasion(sent: Sent) -> int:
    text = f"{sent.journey}/{sent.step}/{sent.key}".encode()
    return int.from_bytes(blake2b(text, digest_size=8, person=b"sim-occasion").digest(), "big")


def _generator(world: World, person: int, sent: Sent, replicate: int) -> np.random.Generator:
    key = np.array([world.seed, person], dtype=np.uint64)
    counter = np.array([_occasion(sent), sent.at // DAY, replicate, 0], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter))


def draw_reaction(world: World, person: int, sent: Sent, *, replicate: int = 0, hurry: float = 1.0) -> Reaction:
    """One draw for one contact. hurry > 1 divides all delays (a demo that shows months in minutes)."""
    crowd, rng = world.crowd, _generator(world, person, sent, replicate)
    open_draw, click_draw, buy_draw, buy_delay = rng.random(4)
    read_after = rng.exponential(5 * HOUR) + MINUTE
    if open_draw >= crowd.opens[person]:
        return Reaction(0, 0, 0, (), 0, "")
    opened = sent.at + int(read_after / hurry) // 1000 * 1000
    clicks = bool(click_draw < crowd.clicks[person])
    clicked = opened + int((8 + 80 * rng.random()) * SECOND / max(1.0, hurry**0.5)) // 1000 * 1000 if clicks else 0
    effect = EFFECTS.get((sent.journey, sent.step))
    chance = 0.0 if effect is None else (effect.clicked if clicks else effect.read) * float(crowd.respond[person])
    if effect is None or buy_draw >= min(chance, 0.95):
        return Reaction(opened, clicked, 0, (), 0, "")
    lines, cart = _basket(world, person, sent, rng)
    if not lines:
        return Reaction(opened, clicked, 0, (), 0, "")
    days = min(-np.log1p(-buy_delay) * effect.delay_days, effect.delay_days_max)
    ordered = _buying_time(world, rng, max(opened, clicked), float(days), hurry)
    cents = sum(int(world.goods.cents[product]) * quantity for product, quantity in lines)
    return Reaction(opened, clicked, ordered, tuple(lines), cents, cart)


def _buying_time(world: World, rng: np.random.Generator, read: int, days: float, hurry: float) -> int:
    """Later on the day of reading, or on a later day at an hour of the web; in a hurry just later."""
    if hurry > 1.0 or days < 1.0:
        return read + int(max(days * DAY / hurry, 2 * MINUTE)) // 1000 * 1000
    midnight = start_of_day(day_of(read + int(days) * DAY, ZONE), ZONE)
    return midnight + int(world.calendar.seconds(rng, WEB, 1)[0] * 1000) * (SECOND // 1000)


def _basket(world: World, person: int, sent: Sent, rng: np.random.Generator) -> tuple[list[tuple[int, int]], str]:
    """(product, quantity) of the additional order and its cart: the abandoned one, or a new one."""
    if sent.journey == _CART_JOURNEY:
        basket = _abandoned(world, person, sent)
        return ([], "") if basket is None else (world.lines(basket), cart_id(basket))
    size = 1 + min(int(rng.poisson(0.9 * world.crowd.lavish[person])), 9)
    products = world.goods.pick(rng, np.full(size, world.crowd.favourite[person]))
    return [(int(product), 1) for product in products], f"KR{_occasion(sent) % 10**10:010d}{person:06d}"


def _abandoned(world: World, person: int, sent: Sent) -> int | None:
    """The basket the message is about: by the key of the run, else the latest; None if it is bought anyway."""
    carts = world.carts
    mine = np.flatnonzero((carts.person == person) & (carts.at <= sent.at))
    if sent.key:
        mine = np.array([n for n in mine if cart_id(int(carts.basket[n])) == sent.key], dtype=np.int64)
    if not len(mine):
        return None
    chosen = int(mine[np.argmax(carts.at[mine])])
    return None if carts.returns[chosen] else int(carts.basket[chosen])


def react(world: World, sent: Iterable[Sent], *, hurry: float = 1.0) -> list[Payload]:
    """The calls that these messages cause, in time order; all lie after `at` of their message, some up to weeks later.

    `Email Opened` and `Email Link Clicked` come only from those who permit tracing. Their properties name `message_id`
    = the message key, `journey` and `step`. Message ids are made of the message key: to hand the same message in again
    yields the same calls. People that are none of this world are passed over.
    """
    calls: list[tuple[int, str, Payload]] = []
    for one in sent:
        person = world.person(one.person)
        if person is not None:
            reaction = draw_reaction(world, person, one, hurry=hurry)
            calls += [(at, call["messageId"], call) for at, call in _calls(world, person, one, reaction)]
    calls.sort(key=lambda item: item[:2])
    return [call for _, _, call in calls]


def _calls(world: World, person: int, sent: Sent, reaction: Reaction) -> list[tuple[int, Payload]]:
    say, crowd, out = world.payloads, world.crowd, []
    properties = {"channel": "email", "message_id": sent.message_key, "journey": sent.journey, "step": sent.step}
    head = f"sim-{world.seed}-{sent.message_key}-"
    if reaction.opened and crowd.shows[person]:
        out.append((reaction.opened, say.mail("Email Opened", f"{head}o", reaction.opened, person, properties)))
    if reaction.clicked and crowd.tracks[person]:
        url = {"url": "https://shop.example/" + ("cart" if sent.journey == _CART_JOURNEY else "new")}
        out.append(
            (reaction.clicked, say.mail("Email Link Clicked", f"{head}c", reaction.clicked, person, properties | url))
        )
    device = int(crowd.device[person, 0])
    if reaction.clicked:
        at = reaction.clicked + 2 * SECOND
        who = say.who(person, WEB, at, device, True)
        out.append((at, say.page(who, f"{head}v", format_moment(at), WEB, "new")))
    if reaction.ordered:
        who = say.who(person, WEB, reaction.ordered, device, True)
        out += _order_calls(say, who, head, reaction, new_cart=sent.journey != _CART_JOURNEY)
    return out


def _order_calls(
    say: Payloads, who: Who, head: str, reaction: Reaction, *, new_cart: bool
) -> list[tuple[int, Payload]]:
    """Filling a new cart, the checkout and the order, which ends at `reaction.ordered`."""
    out: list[tuple[int, Payload]] = []
    order, start = "BR" + reaction.cart[1:], reaction.ordered - 12 * SECOND * (2 + len(reaction.lines))
    for number, (product, quantity) in enumerate(reaction.lines if new_cart else ()):
        at = start + 12 * SECOND * number
        out.append((at, say.add(who, f"{head}a{number}", format_moment(at), product, quantity, reaction.cart)))
    at = reaction.ordered - 6 * SECOND
    out.append((at, say.checkout(who, f"{head}k", format_moment(at), reaction.cart, order, reaction.cents)))
    shipping = shipping_of(reaction.cents, WEB)
    stamp = format_moment(reaction.ordered)
    call = say.order(who, f"{head}b", stamp, order, reaction.cart, reaction.lines, shipping=shipping)
    return [*out, (reaction.ordered, call)]


def potential_outcomes(world: World, journey: str, contacts: Sequence[Sent], *, replicate: int = 0) -> list[Outcome]:
    """Y(0) and Y(1) of each person with a would-be contact: revenue in (t, t + window], t her first contact."""
    by_person: dict[str, list[Sent]] = {}
    for one in sorted(contacts, key=lambda sent: (sent.person, sent.at)):
        if one.journey == journey and world.person(one.person) is not None:
            by_person.setdefault(one.person, []).append(one)
    window = WINDOW_DAYS[journey] * DAY
    outcomes = []
    for user, mine in by_person.items():
        person, begin = world.person(user), mine[0].at
        assert person is not None
        mine = [one for one in mine if one.at <= begin + window]
        without = _baseline(world, person, mine, begin, begin + window)
        more = [draw_reaction(world, person, one, replicate=replicate) for one in mine]
        caused = {r.cart: r.cents for r in more if begin < r.ordered <= begin + window}
        outcomes.append(Outcome(user, begin, without, without + sum(caused.values())))
    return outcomes


def _baseline(world: World, person: int, mine: list[Sent], begin: int, end: int) -> int:
    """Cents of the baseline orders in (begin, end] that the goal counts: for carts all that had one, else all."""
    orders = world.orders
    low, high = np.searchsorted(orders.at, [begin, end], side="right")
    found = low + np.flatnonzero(orders.person[low:high] == person)
    if mine[0].journey == _CART_JOURNEY:
        found = found[orders.touch[found] != STORE]
    return int(orders.cents[found].sum())


def true_effect(world: World, journey: str, contacts: Sequence[Sent], *, replicates: int = 10) -> Truth:
    """The true effect of the journey on the would-be contacted (both arms), from both outcomes of each.

    `contacts`: from the engine's assignments, or `eligible(world, journey)`. The baseline is what it is; the response
    is averaged over `replicates` draws, the first of which is what `react` shows. Raises KeyError for an unknown
    journey.
    """
    draws = [potential_outcomes(world, journey, contacts, replicate=number) for number in range(replicates)]
    without = np.array([[one.without for one in draw] for draw in draws], dtype=np.float64) / 100
    contacted = np.array([[one.contacted for one in draw] for draw in draws], dtype=np.float64) / 100
    if not without.size:
        return Truth(journey, 0, WINDOW_DAYS[journey], 0.0, 0.0, 0.0, 0.0, 0.0)
    return Truth(
        journey=journey,
        n=without.shape[1],
        window_days=WINDOW_DAYS[journey],
        without=float(without.mean()),
        contacted=float(contacted.mean()),
        effect=float((contacted - without).mean()),
        buyers_without=float((without > 0).mean()),
        buyers_contacted=float((contacted > 0).mean()),
    )
