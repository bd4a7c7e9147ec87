"""The simulated year: deterministic, in time order, well-formed, and as docs/sim.md says."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from einklang.kernel.errors import UsageError
from einklang.kernel.time import DAY, parse_moment
from einklang.sim.files import CONSENT_COLUMNS, PEOPLE_COLUMNS, PRODUCT_COLUMNS, write
from einklang.sim.marginals import marginals
from einklang.sim.world import World

START = parse_moment("2025-01-01T12:00:00+01:00")
DOCUMENT = Path(__file__).parents[2] / "docs" / "sim.md"


@pytest.fixture(scope="module")
def world() -> World:
    """A year of 1,500 people."""
    return World(seed=11, persons=1_500, start=START)


@pytest.fixture(scope="module")
def calls(world: World) -> list[dict[str, Any]]:
    """All calls of that year."""
    return list(world.events())


def table() -> Iterator[tuple[str, float, float]]:
    """Name, low and high of each row of the table of marginals."""
    for line in DOCUMENT.read_text(encoding="utf-8").split("## The known truth")[0].splitlines():
        found = re.fullmatch(r"\| `(\w+)` \| .+ \| (-?[\d.]+) \| (-?[\d.]+) \|", line)
        if found:
            yield found[1], float(found[2]), float(found[3])


def test_each_marginal_lies_in_the_range_of_the_document(world: World) -> None:
    """docs/sim.md lists exactly the figures that marginals() counts, and each lies in its range."""
    figures, ranges = marginals(world), {name: (low, high) for name, low, high in table()}
    assert set(figures) == set(ranges)
    outside = {
        name: (figures[name], ranges[name])
        for name in figures
        if not ranges[name][0] <= figures[name] <= ranges[name][1]
    }
    assert outside == {}


def test_the_ranges_would_notice_another_world() -> None:
    """Positive control: a January alone leaves several of the ranges."""
    figures = marginals(World(seed=11, persons=300, start=START, days=31))
    assert sum(not low <= figures[name] <= high for name, low, high in table()) >= 5


def test_the_same_seed_gives_the_same_bytes() -> None:
    """Two worlds with equal arguments are equal to the byte; another seed is another world."""
    first, second = (b"".join(World(3, 80, START, 40).jsonl()) for _ in range(2))
    assert first == second
    assert first != b"".join(World(4, 80, START, 40).jsonl())


def test_calls_are_in_time_order_with_unique_message_ids(world: World, calls: list[dict[str, Any]]) -> None:
    """The stream is sorted by timestamp, within the year, each message id occurs once."""
    stamps = [parse_moment(call["timestamp"]) for call in calls]
    assert stamps == sorted(stamps)
    assert world.start <= stamps[0] <= stamps[-1] < world.end
    assert len({call["messageId"] for call in calls}) == len(calls) == len(world)


def test_a_range_of_time_is_half_open(world: World, calls: list[dict[str, Any]]) -> None:
    """events(since, until) is (since, until]; ranges that meet give every call once."""
    middle = parse_moment(calls[len(calls) // 2]["timestamp"])
    first, second = list(world.events(until=middle)), list(world.events(since=middle))
    assert [call["messageId"] for call in first + second] == [call["messageId"] for call in calls]
    assert parse_moment(first[-1]["timestamp"]) == middle
    assert list(world.events(since=world.end)) == []


def test_every_call_is_one_of_segment_with_an_identifier(calls: list[dict[str, Any]]) -> None:
    """type, messageId, timestamp, a userId or anonymousId, and the touchpoint are always there."""
    for call in calls:
        assert call["type"] in ("track", "page", "screen", "identify")
        assert call.get("userId") or call.get("anonymousId")
        assert call["context"]["touchpoint"] in ("web", "app", "store", "phone")
        assert ("event" in call) == (call["type"] == "track")


def test_money_adds_up(calls: list[dict[str, Any]]) -> None:
    """revenue = lines - discount, total = revenue + shipping, all decimals with two places."""
    orders = [call["properties"] for call in calls if call.get("event") == "Order Completed"]
    assert len(orders) > 2_000
    for order in orders:
        lines = sum(line["price"] * line["quantity"] for line in order["products"])
        assert order["revenue"] == lines - order.get("discount", Decimal(0))
        assert order["total"] == order["revenue"] + order.get("shipping", Decimal(0))
        assert order["revenue"].as_tuple().exponent == -2


def test_carts_are_filled_before_they_are_ordered(calls: list[dict[str, Any]]) -> None:
    """Each online order names a cart, what it holds was added before, and no cart or order comes twice."""
    added: dict[str, Counter[str]] = {}
    seen: set[str] = set()
    for call in calls:
        values = call.get("properties", {})
        if call.get("event") == "Product Added":
            added.setdefault(values["cart_id"], Counter())[values["product_id"]] += values["quantity"]
        elif call.get("event") == "Order Completed" and call["context"]["touchpoint"] != "store":
            held: Counter[str] = Counter()
            for line in values["products"]:
                held[line["product_id"]] += line["quantity"]
            assert added[values["cart_id"]] == held
            assert not {values["cart_id"], values["order_id"]} & seen
            seen |= {values["cart_id"], values["order_id"]}


def test_people_are_anonymous_before_they_join(world: World, calls: list[dict[str, Any]]) -> None:
    """The first call with the userId of a later customer is the identify that holds all traits."""
    existing = {world.crowd.user_id(person) for person in range(world.persons) if world.crowd.existing[person]}
    first: dict[str, dict[str, Any]] = {}
    for call in calls:
        if call.get("userId"):
            first.setdefault(call["userId"], call)
    later = [call for user, call in first.items() if user not in existing]
    assert len(later) > 200
    assert all(call["type"] == "identify" and "firstName" in call["traits"] for call in later)


def test_addresses_are_reserved(world: World) -> None:
    """Every e-mail address ends in .example and belongs to one person."""
    found = [address for person in range(world.persons) if (address := world.crowd.email(person))]
    assert all(re.fullmatch(r"[a-z0-9.]+@[a-z]+\.example", address) for address in found)
    assert len(set(found)) == len(found) > 900


def test_files_have_the_columns_of_the_imports(world: World, tmp_path: Path) -> None:
    """write() makes the four files with the columns of the contract and says how many rows each has."""
    written = write(world, tmp_path / "new", until=world.start + 10 * DAY)
    for name, columns in (("people", PEOPLE_COLUMNS), ("products", PRODUCT_COLUMNS), ("consents", CONSENT_COLUMNS)):
        with (tmp_path / "new" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert tuple(rows[0]) == columns
        assert len(rows) == written.rows[f"{name}.csv"]
    lines = (tmp_path / "new" / "events.jsonl").read_bytes().splitlines()
    assert len(lines) == written.rows["events.jsonl"] > 300
    decoder = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)
    assert [decoder.decode(line) for line in lines] == list(world.events(until=world.start + 10 * DAY))


def test_permissions_follow_the_account(world: World, tmp_path: Path) -> None:
    """Nobody permits before the account is there or withdraws before permitting; addresses are those of the people."""
    write(world, tmp_path, until=world.start)
    given: dict[str, int] = {}
    joined = {
        world.crowd.user_id(n): int(world.crowd.joined[n]) for n in range(world.persons) if not world.crowd.existing[n]
    }
    with (tmp_path / "consents.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        user, at = row["person"].removeprefix("userId:"), parse_moment(row["at"])
        assert row["address"] == world.crowd.email(int(user[1:]) - 100_000)
        assert at > joined.get(user, 0)
        if row["status"] == "withdrawn":
            assert at >= given[user]
        elif row["purpose"] == "marketing":
            given[user] = at
    assert {row["status"] for row in rows} == {"given", "withdrawn"}


@pytest.mark.parametrize(("seed", "persons", "days"), [(-1, 100, 10), (1, 49, 10), (1, 100, 0)])
def test_a_world_without_sense_is_refused(seed: int, persons: int, days: int) -> None:
    """A negative seed, too few people or no day are errors with a mend."""
    with pytest.raises(UsageError) as caught:
        World(seed, persons, START, days)
    assert caught.value.code == "bad_world"
    assert caught.value.mend


def test_the_year_begins_at_local_midnight_in_summer_and_winter() -> None:
    """A start anywhere in a day means that day from its first moment in Berlin; days are those of the calendar."""
    world = World(1, 60, parse_moment("2025-03-20T23:30:00Z"), 20)
    assert world.start == parse_moment("2025-03-21T00:00:00+01:00")
    assert world.end == parse_moment("2025-04-10T00:00:00+02:00")
