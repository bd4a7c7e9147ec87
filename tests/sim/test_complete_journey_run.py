"""examples/complete_journey run by its README, its counts against pandas on the Parquet files.

Every third household by default, to be quick; `REAL_DATA=full` takes all of them.
"""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any
from zlib import crc32
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from deltalake import DeltaTable

from einklang.kernel.ids import unit
from einklang.main.cli import main
from einklang.main.home import opened
from tests.sim.test_complete_journey import DATA, EXAMPLE, ROOT, load

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.xdist_group("complete journey"),
    pytest.mark.skipif(
        not DATA.is_dir(), reason="the real data are not here: ../shared/data/complete_journey is absent"
    ),
]

SHARE = 1 if os.environ.get("REAL_DATA") == "full" else 3
ZONE = ZoneInfo("America/New_York")
UNTIL = pd.Timestamp("2018-01-01T05:00:00Z")
QUIET, WINDOW = pd.Timedelta(days=60), pd.Timedelta(days=28)
DAYS = ("2017-04-01", "2017-07-01", "2017-10-15", "2018-01-01T05:00:00Z")
SEGMENTS = ("lapsed", "regulars", "families-permitted", "soft-drink-buyers")


def taken(household: str) -> bool:
    """Whether the household is in the sample."""
    return crc32(household.encode()) % SHARE == 0


# --- the product --------------------------------------------------------------------------------------------------


@dataclass
class Story:
    """What the commands of the README answered, and the folder of the home."""

    home: Path
    answers: dict[str, Any] = field(default_factory=dict)
    ask: Callable[[str], Any] = print


def thin(folder: Path) -> None:
    """Leave the households of the sample in the prepared files, and every third product."""
    keys: dict[str, Callable[[str], str]] = {
        "events.jsonl": lambda line: str(json.loads(line)["userId"]),
        "people.csv": lambda line: line.partition(",")[0],
        "consents.csv": lambda line: line.partition(",")[0].removeprefix("userId:"),
        "products.csv": lambda line: line.partition(",")[0],
    }
    for name, key in keys.items():
        lines = (folder / name).read_text(encoding="utf-8").splitlines(keepends=True)
        header = [] if name.endswith("jsonl") else [lines.pop(0)]
        (folder / name).write_text("".join([*header, *(line for line in lines if taken(key(line)))]), encoding="utf-8")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Every command of the README's block, in its order."""
    folder = tmp_path_factory.mktemp("story")
    load()(DATA, folder)
    thin(folder)
    told = Story(folder / "home")

    def ask(command: str) -> Any:
        words = command.partition("#")[0].split()
        words = [word.replace("build/complete_journey", str(folder)) for word in words]
        words = [str(ROOT / word) if word.startswith("examples/") else word for word in words]
        with redirect_stdout(StringIO()) as out:
            assert main([*words, "--home", str(told.home), "--json"]) == 0, command
        return json.loads(out.getvalue(), parse_float=Decimal)

    told.ask = ask
    block = re.search(r"```sh\n(.*?)```", (EXAMPLE / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    commands = [line.removeprefix("einklang ") for line in block[1].splitlines() if line.startswith("einklang ")]
    assert len(commands) == 10
    for command in commands:
        told.answers[" ".join(command.partition("#")[0].split())] = ask(command)
    return told


@pytest.fixture(scope="module")
def lake(story: Story) -> dict[str, pd.DataFrame]:
    """The lake as somebody without Einklang reads it."""
    names = ("events", "persons", "assignments", "messages")
    return {name: DeltaTable(str(story.home / "lake" / name)).to_pandas() for name in names}


@pytest.fixture(scope="module")
def household(lake: dict[str, pd.DataFrame]) -> dict[str, str]:
    """person id -> household."""
    named = lake["events"][lake["events"]["person_id"].notna() & (lake["events"]["source"] != "einklang")]
    ids = named.drop_duplicates("person_id")
    return {person: dict(pairs)["userId"] for person, pairs in zip(ids["person_id"], ids["identifiers"], strict=True)}


# --- pandas -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def orders() -> pd.DataFrame:
    """Baskets of the sample: household, at, cents, soft (drinks in it), in time order."""
    lines = pd.read_parquet(DATA / "transactions.parquet")
    lines = lines[lines["household_id"].map(taken)]
    category = pd.read_parquet(DATA / "products.parquet").set_index("product_id")["product_category"]
    lines["cents"] = (lines["sales_value"] * 100).round().astype("int64")
    lines["soft"] = lines["product_id"].map(category) == "SOFT DRINKS"
    baskets = lines.groupby("basket_id").agg(
        household=("household_id", "first"), at=("transaction_timestamp", "first"), cents=("cents", "sum"),
        soft=("soft", "any"),
    )  # fmt: skip
    return baskets.sort_values("at").reset_index()


@pytest.fixture(scope="module")
def consent() -> dict[str, pd.Timestamp]:
    """household -> since when mails are permitted."""
    campaigns, starts = (pd.read_parquet(DATA / f"{name}.parquet") for name in ("campaigns", "campaign_descriptions"))
    first = campaigns.merge(starts, on="campaign_id").groupby("household_id")["start_date"].min()
    return {str(key): pd.Timestamp(day).tz_localize(ZONE) for key, day in first.items() if taken(str(key))}


@dataclass(frozen=True)
class Run:
    """One passage through win-back by its words. decided: when a mail was allowed; None: none was, or not yet."""

    household: str
    entered: pd.Timestamp
    ended: pd.Timestamp | None
    decided: pd.Timestamp | None
    step: str


def morning(moment: pd.Timestamp) -> pd.Timestamp:
    """The moment itself, or 07:00 in New York where it falls between 21:00 and 07:00."""
    local = datetime.fromtimestamp(moment.timestamp(), ZONE)
    if 7 <= local.hour < 21:
        return moment
    day = local.date() + timedelta(days=local.hour >= 21)
    return pd.Timestamp(datetime(day.year, day.month, day.day, 7, tzinfo=ZONE)).tz_convert("UTC")


def runs_of(name: str, times: list[pd.Timestamp], since: pd.Timestamp | None) -> list[Run]:
    """The runs of a household: a basket begins one, 60 days without a basket lead to the mail, which ends it."""
    found, place = list[Run](), 0
    while place < len(times):
        entered = times[place]
        while place + 1 < len(times) and times[place + 1] - times[place] <= QUIET:
            place += 1
        silent = times[place] + QUIET
        permitted = since is not None and since <= silent
        decided = morning(silent) if permitted else silent
        if decided > UNTIL:
            found.append(Run(name, entered, None, None, "mail" if silent <= UNTIL else "quiet"))
            break
        found.append(Run(name, entered, decided, decided if permitted else None, ""))
        while place < len(times) and times[place] <= decided:
            place += 1
    return found


@pytest.fixture(scope="module")
def runs(orders: pd.DataFrame, consent: dict[str, pd.Timestamp]) -> list[Run]:
    """All runs of all households."""
    own = {str(name): list(rows["at"]) for name, rows in orders.groupby("household")}
    return [run for name, times in own.items() for run in runs_of(name, times, consent.get(name))]


@pytest.fixture(scope="module")
def control(story: Story, household: dict[str, str]) -> set[str]:
    """Households whose hash puts them into the control arm, whether anything was decided for them or not."""
    with opened(story.home, base_url="", writer=False) as home:
        return {name for person, name in household.items() if unit(home.salt, "journey:win-back", person) < 0.2}


# --- side by side -------------------------------------------------------------------------------------------------


def test_persons_orders_and_revenue(
    story: Story, lake: dict[str, pd.DataFrame], orders: pd.DataFrame, household: dict[str, str]
) -> None:
    """As many persons as households, each basket once and of its household, revenue to the cent."""
    people = pd.concat([pd.read_parquet(DATA / f"{n}.parquet")["household_id"].astype(str)
                        for n in ("transactions", "campaigns", "demographics")])  # fmt: skip
    assert len(lake["persons"]) == lake["persons"]["living_id"].nunique() == len({*filter(taken, people)})
    bought = lake["events"][lake["events"]["name"] == "Order Completed"]
    told = pd.DataFrame(
        {
            "basket_id": [json.loads(text)["order_id"] for text in bought["properties"]],
            "cents": [int(json.loads(text, parse_float=Decimal)["revenue"] * 100) for text in bought["properties"]],
            "household": bought["person_id"].map(household),
        }
    ).set_index("basket_id")
    expected = orders.set_index("basket_id").loc[told.index]
    assert len(told) == len(orders)
    assert (told["cents"] == expected["cents"]).all()
    assert (told["household"] == expected["household"]).all()
    assert story.answers["import events build/complete_journey/events.jsonl"]["accepted"] == len(orders)


@pytest.mark.parametrize("day", DAYS)
def test_segments_at_a_date(story: Story, orders: pd.DataFrame, consent: dict[str, pd.Timestamp], day: str) -> None:
    """Each segment counts what pandas counts, half-open windows included."""
    at = pd.Timestamp(day) if "T" in day else pd.Timestamp(day, tz="UTC")
    past = orders[orders["at"] <= at]
    recent = past[past["at"] > at - QUIET].groupby("household").size()
    described = pd.read_parquet(DATA / "demographics.parquet").set_index("household_id")["kids_count"].astype(str)
    drinks = past[(past["at"] > at - pd.Timedelta(days=182)) & past["soft"]].groupby("household").size()
    expected = {
        "lapsed": len({*past["household"]} - {*recent.index}),
        "regulars": int((recent >= 4).sum()),
        "families-permitted": sum(described.get(name, "0") != "0" and since <= at for name, since in consent.items()),
        "soft-drink-buyers": int((drinks >= 2).sum()),
    }
    print(day, expected)
    assert {name: story.ask(f"segment count {name} --at {day}")["count"] for name in SEGMENTS} == expected
    if day == DAYS[-1]:
        assert {name: story.ask(f"segment count {name}")["count"] for name in SEGMENTS} == expected


def test_journey_counts(story: Story, runs: list[Run], orders: pd.DataFrame, control: set[str]) -> None:
    """Entered, control, contacted, goal, done and where the others stand: as the rules say, household by household."""
    at = defaultdict(list)
    for name, moment in zip(orders["household"], orders["at"], strict=True):
        at[name].append(moment)
    reached = sum(any(r.entered < moment <= r.entered + WINDOW for moment in at[r.household]) for r in runs)
    counts = story.answers["journey counts win-back"]
    done = [run for run in runs if run.ended is not None]
    assert counts["entered"] == len(runs)
    assert counts["control"] == sum(run.household in control for run in runs)
    assert counts["contacted"] == sum(run.decided is not None and run.household not in control for run in runs)
    assert (counts["goal"], counts["exited"]) == (reached, 0)
    assert (counts["done"], counts["in_progress"]) == (len(done), len(runs) - len(done))
    for step in ("quiet", "mail"):
        assert counts["steps"][step]["here"] == sum(run.step == step for run in runs)
    assert len(list((story.home / "outbox" / "email").iterdir())) == counts["contacted"]


def test_would_be_contacts_of_both_arms(
    lake: dict[str, pd.DataFrame], runs: list[Run], control: set[str], household: dict[str, str]
) -> None:
    """Contacted and ghosts: household, moment and arm of each."""
    rows = lake["assignments"][lake["assignments"]["would_contact"]]
    told = {
        (household[p], at, arm) for p, at, arm in zip(rows["person_id"], rows["decided_at"], rows["arm"], strict=True)
    }
    expected = {
        (run.household, run.decided, "control" if run.household in control else "treated")
        for run in runs
        if run.decided is not None
    }
    assert len(rows) == len(expected)
    assert told == expected


def test_report(story: Story, runs: list[Run], orders: pd.DataFrame, control: set[str]) -> None:
    """Customers, buyers, revenue of both arms and the difference of their means, from the Parquet files alone."""
    first: dict[str, pd.Timestamp] = {}
    for run in runs:
        if run.decided is not None:
            first.setdefault(run.household, run.decided)
    full = {name: t0 for name, t0 in first.items() if t0 + WINDOW <= UNTIL}
    told = story.answers["report win-back"]
    means = {}
    for arm in ("treated", "control"):
        names = {name for name in full if (name in control) == (arm == "control")}
        t0 = orders["household"].map({name: full[name] for name in names})
        inside = orders[(orders["at"] > t0) & (orders["at"] <= t0 + WINDOW)]
        figures = told["arms"][arm]
        assert (figures["n"], figures["buyers"]) == (len(names), inside["household"].nunique())
        assert figures["revenue"] * 100 == int(inside["cents"].sum())
        means[arm] = int(inside["cents"].sum()) / 100 / len(names)
    assert float(told["effect"]["estimate"]) == pytest.approx(means["treated"] - means["control"])
    assert told["excluded"]["immature"] == len(first) - len(full)
    assert told["sample_ratio"]["ok"]
    assert told["verdict"] in ("no_statement_yet", "smaller_than")
