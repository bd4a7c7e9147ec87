"""The whole pipeline against a known truth: events in, the door, mails, reactions by a known law, the report out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
from deltalake import DeltaTable

from einklang.app import reports
from einklang.kernel.errors import InputError, NotFound
from einklang.kernel.time import DAY, HOUR, Micros
from einklang.main.cli import main
from einklang.main.home import Home
from einklang.measure import Report, naive
from tests.truth.known_world import DEFINITIONS, MESSAGES, START, WINDOW, World, home, known, take, track

pytestmark = pytest.mark.slow

EFFECT = 2.0
SCOPE = "journey:offer"
DECIDED, BOUGHT = START + 6 * DAY, START + 30 * DAY


@dataclass(frozen=True)
class Done:
    """A home after the whole story, and its report."""

    home: Home
    contacted: frozenset[str]
    report: Report
    tables: dict[str, pd.DataFrame]


def lake_tables(found: Home) -> dict[str, pd.DataFrame]:
    """The lake as somebody without Einklang reads it."""
    names = ("assignments", "events", "persons", "messages", "verdicts")
    return {name: DeltaTable(str(found.path / "lake" / name)).to_pandas() for name in names}


def accounts(found: Home) -> dict[str, str]:
    """person id -> the first userId, from the events of the lake."""
    events = DeltaTable(str(found.path / "lake" / "events")).to_pandas()
    named = events[events["type"] == "identify"]
    return {
        person: dict(pairs)["userId"]
        for person, pairs in zip(named["person_id"], named["identifiers"], strict=True)
        if "userId" in dict(pairs)
    }


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    """Run until all are decided on; buy as the truth has it for those who were contacted; run on; report."""
    world = World(8, 4_000, effect=EFFECT)
    with home(tmp_path_factory.mktemp("truth"), DEFINITIONS) as found:
        take(found, world.before(), DECIDED, "before")
        sent = lake_tables(found)["messages"]
        sent = sent[(sent["journey"] == "offer") & (sent["status"] == "sent")]
        users = accounts(found)
        contacted = frozenset(users[person].removesuffix("-b") for person in sent["person_id"])
        take(found, world.after(contacted), BOUGHT, "after")
        yield Done(found, contacted, reports.report(found.book, found.lake, "offer", now=BOUGHT), lake_tables(found))


def micros(column: pd.Series[Any]) -> pd.Series[int]:
    """Moments as numbers."""
    return column.astype("datetime64[us, UTC]").astype("int64")


def would_be_contacted(tables: dict[str, pd.DataFrame], scope: str = SCOPE) -> pd.DataFrame:
    """One row a living customer: arm of the first decision, whether arms were mixed, t0 of the would-be contact."""
    living = tables["persons"].set_index("person_id")["living_id"]
    rows = tables["assignments"][tables["assignments"]["scope"] == scope].copy()
    rows["customer"] = rows["person_id"].map(living)
    rows["decided"] = micros(rows["decided_at"])
    rows = rows.sort_values(["decided", "arm"])
    customers = rows.groupby("customer").agg(
        arm=("arm", "first"), arms=("arm", "nunique"), mixed=("contaminated", "any"), p=("probability", "first")
    )
    customers["t0"] = rows[rows["would_contact"]].groupby("customer")["decided"].min()
    customers["mixed"] |= customers["arms"] > 1
    return customers


def by_pandas(tables: dict[str, pd.DataFrame], now: Micros, window: Micros = WINDOW) -> dict[str, Any]:
    """Customers, buyers and revenue of each arm, from assignments and events alone."""
    customers = would_be_contacted(tables)
    living = tables["persons"].set_index("person_id")["living_id"]
    clean = customers[~customers["mixed"] & customers["t0"].notna()]
    full = clean[clean["t0"] + window <= now]
    orders = tables["events"][tables["events"]["name"] == "Order Completed"]
    orders = pd.DataFrame(
        {
            "customer": orders["person_id"].map(living),
            "at": micros(orders["at"]),
            "revenue": [json.loads(text, parse_float=Decimal)["revenue"] for text in orders["properties"]],
        }
    ).merge(full, left_on="customer", right_index=True)
    inside = orders[(orders["at"] > orders["t0"]) & (orders["at"] <= orders["t0"] + window)]
    found: dict[str, Any] = {"immature": len(clean) - len(full)}
    for arm in ("treated", "control"):
        bought = inside[inside["arm"] == arm]
        revenue = sum(bought["revenue"], Decimal(0))
        found[arm] = (int((full["arm"] == arm).sum()), bought["customer"].nunique(), revenue)
    return found


def test_the_interval_holds_the_truth_and_the_groups_are_as_designed(done: Done) -> None:
    """An effect of 2.00 a contacted customer is found, upwards, without alarm."""
    effect = done.report.effect
    print(effect, done.report.arms)
    assert effect.ci is not None
    assert effect.ci[0] <= EFFECT <= effect.ci[1]
    assert done.report.verdict == "up"
    assert done.report.sample_ratio.ok
    assert [note.code for note in done.report.warnings if note.level == "alarm"] == []
    assert done.report.checks.leakage == 0


def test_the_spreadsheet_comparison_misses(done: Done) -> None:
    """Contacted against all controls: its interval does not hold the truth, because caps kept good customers back."""
    scans = [done.home.lake.scan(name).collect() for name in ("assignments", "outcomes", "messages", "persons")]
    contacts = scans[2].filter((pl.col("journey") == "offer") & (pl.col("status") == "sent"))
    contacts = contacts.select(
        pl.col("person_id").alias("person"), pl.col("clock").alias("contacted_at"), pl.lit(False).alias("responded")
    )
    simple = naive(scans[0], scans[1], contacts, scans[3], scope=SCOPE, window_us=WINDOW, now=BOUGHT)
    assert simple is not None
    assert not simple.ci[0] <= EFFECT <= simple.ci[1]
    assert simple.estimate < EFFECT


def test_pandas_finds_the_same_figures_in_the_lake(done: Done) -> None:
    """Customers, buyers, revenue to the cent and the estimate, from assignments and events alone."""
    expected = by_pandas(done.tables, BOUGHT)
    for arm in ("treated", "control"):
        figures = getattr(done.report.arms, arm)
        assert (figures.n, figures.buyers, figures.revenue) == expected[arm]
    means = [Decimal(expected[arm][2]) / expected[arm][0] for arm in ("treated", "control")]
    assert done.report.effect.estimate == pytest.approx(float(means[0] - means[1]), rel=1e-9)
    assert done.report.excluded.immature == expected["immature"] == 0


def test_only_those_who_were_really_contacted_got_the_effect(done: Done) -> None:
    """Mails lie in the outbox folder for the treated arm alone, one a run; nobody of the control arm is among them."""
    messages = done.tables["messages"]
    sent = messages[messages["status"] == "sent"]
    files = {path.stem for path in (done.home.path / "outbox" / "email").iterdir()}
    assert files == set(sent["key"])
    customers = would_be_contacted(done.tables)
    treated = customers[(customers["arm"] == "treated") & customers["t0"].notna() & ~customers["mixed"]]
    assert done.report.contacted == len(treated)


def test_assignments_hold_both_arms_of_every_decision(done: Done) -> None:
    """decided_at, would_contact, the reason of a suppression and the design probability, of treated and control."""
    rows = done.tables["assignments"]
    rows = rows[rows["scope"] == SCOPE]
    assert set(rows["probability"]) == {0.25}
    assert rows["decided_at"].notna().all()
    for arm in ("treated", "control"):
        own = rows[rows["arm"] == arm]
        assert {False, True} == set(own["would_contact"])
        assert {"", "no_consent", "patience", "holdout"} == set(own["suppressed_by"])
        assert own[own["would_contact"]]["contacted_at"].notna().all() == (arm == "treated")
    assert rows[(rows["arm"] == "control")]["contacted_at"].isna().all()


def test_caps_and_holdout_keep_back_the_same_share_of_both_arms(done: Done) -> None:
    """Suppression cannot see the arm; held back were mostly those who buy anyway."""
    customers = would_be_contacted(done.tables)
    held = customers["t0"].isna().groupby(customers["arm"]).mean()
    assert abs(held["treated"] - held["control"]) < 0.05
    assert held.min() > 0.3
    assert done.report.checks.suppression.ok


def test_those_met_as_two_are_left_out_of_both_arms(done: Done) -> None:
    """Accounts that turned out to be one customer: counted once, or left out where their arms differ."""
    customers = would_be_contacted(done.tables)
    mixed = customers[customers["mixed"] & customers["t0"].notna()]
    assert len(mixed) > 10
    assert done.report.excluded.contaminated == len(mixed)
    assert len(done.tables["persons"]) > done.tables["persons"]["living_id"].nunique() == 4_000


def test_windows_that_are_not_over_are_left_out(done: Done) -> None:
    """At a moment between, the figures are those of full windows, as pandas counts them; earlier there are none."""
    now = START + 3 * DAY + WINDOW
    found = reports.report(done.home.book, done.home.lake, "offer", now=now)
    expected = by_pandas(done.tables, now)
    assert (found.arms.treated.n, found.arms.treated.buyers, found.arms.treated.revenue) == expected["treated"]
    assert 300 < found.arms.treated.n < done.report.arms.treated.n
    assert found.excluded.immature == expected["immature"] > 300
    none = reports.report(done.home.book, done.home.lake, "offer", now=DECIDED)
    assert (none.arms.treated.n, none.arms.control.n, none.verdict) == (0, 0, "no_statement_yet")
    assert none.effect.estimate is None


def test_the_report_in_words(done: Done, capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence in both languages, and the text of the command."""
    assert reports.sentence(done.report).startswith("The contacts brought ")
    german = reports.sentence(done.report, "de")
    assert "95-%-Intervall" in german
    assert " EUR" in german
    text = reports.text(done.report)
    assert f"{done.report.arms.control.n:,}" in text
    assert "sample ratio: ok" in text
    assert main(["report", "offer", "--home", str(done.home.path)]) == 0
    assert capsys.readouterr().out == text + "\n"


def test_without_goal_there_is_no_report(done: Done) -> None:
    """A clear error with the mend; so for a name that nobody knows."""
    with pytest.raises(InputError) as caught:
        reports.report(done.home.book, done.home.lake, "loyal", now=BOUGHT)
    assert caught.value.code == "no_goal"
    assert "goal:" in (caught.value.mend or "")
    with pytest.raises(NotFound):
        reports.report(done.home.book, done.home.lake, "nothing", now=BOUGHT)


CAMPAIGN = (
    """
{kind: policy, id: default, timezone: Europe/Berlin, currency: EUR, patience: 12h}
---
{kind: campaign, id: spring, title: {de: Frühling, en: Spring}, control: 0.3}
---
kind: journey
id: first
campaign: spring
entry: {event: Product Viewed}
goal: {event: Order Completed, within: 14d, value: revenue}
steps: [{id: mail, contact: look}]
---
kind: journey
id: second
campaign: spring
entry: {event: Points Earned}
goal: {event: Order Completed, within: 14d, value: revenue}
steps: [{id: mail, contact: points}]
"""
    + MESSAGES
)


def campaign_calls() -> Iterator[Any]:
    """200 customers: a third in the first journey, a third in the second, a third in both; everybody buys once."""
    for number in range(200):
        user, at = f"c{number:03}", START + number * HOUR // 10
        yield from known(user, f"{user}@example.org", at, consent=True)
        if number % 3 != 1:
            yield track(user, "Product Viewed", at + HOUR)
        if number % 3 != 0:
            yield track(user, "Points Earned", at + 2 * HOUR)
        yield track(user, "Order Completed", at + DAY, revenue=10, order_id=user)


def test_journeys_of_a_campaign_are_measured_together(tmp_path: Path) -> None:
    """One arm and one row a customer over both journeys, an order counts once; below 50 buyers nothing is said."""
    with home(tmp_path, CAMPAIGN) as found:
        take(found, campaign_calls(), BOUGHT)
        made = {
            name: reports.report(found.book, found.lake, name, now=BOUGHT) for name in ("spring", "first", "second")
        }
        rows = lake_tables(found)["assignments"]
        assert set(rows["scope"]) == {"campaign:spring"}
        assert set(rows["journey"]) == {"first", "second"}
        assert (rows.groupby("person_id")["arm"].nunique() == 1).all()
        arms = rows.groupby("person_id")["arm"].first().value_counts()
        for report in made.values():
            for arm in ("treated", "control"):
                figures = getattr(report.arms, arm)
                assert figures.n == figures.buyers == arms[arm]
                assert figures.revenue == 10 * figures.n
        spring = made["spring"]
        assert (spring.title, spring.journey) == ({"de": "Frühling", "en": "Spring"}, "spring")
        assert 30 < spring.gate.buyers_smallest < 100


def test_below_fifty_buyers_nothing_is_said(tmp_path: Path) -> None:
    """The smaller arm has too few buyers: no statement yet, and the sentence says how many are needed."""
    with home(tmp_path, CAMPAIGN.replace("control: 0.3", "control: 0.15")) as found:
        take(found, campaign_calls(), BOUGHT)
        report = reports.report(found.book, found.lake, "spring", now=BOUGHT)
        assert 0 < report.gate.buyers_smallest < 50
        assert report.verdict == "no_statement_yet"
        assert reports.sentence(report).endswith(f"has {report.gate.buyers_smallest} buyers, 50 are needed.")
