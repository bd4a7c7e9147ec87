"""Plans in SQL on Apache Spark agree with the naive interpreter, over frames and over the files of a lake."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from einklang.expr import Catalog, Scope, check
from einklang.expr.sql import ENGINES, compile_sql
from einklang.expr.sql_sets import Sets
from einklang.expr.sql_text import NUMBER, Code, Spark, made
from einklang.expr.tree import Term
from einklang.main import bench_segments
from einklang.store.lake import DuckEngine, Lake, SparkEngine, put_crowd
from tests.expr.agreement import KINDS, Case, World
from tests.store import sql_bugs as bugs
from tests.store.sql_agreement import can, disagreements, with_anchors
from tests.store.sql_nasty import NASTY, asked_of, nasty_crowd, wrongly_answered

#: Spark takes a quarter of a minute to start, and several times that where it meets other work.
pytestmark = [
    pytest.mark.spark,
    pytest.mark.timeout(600),
    # pyspark leaves the sockets by which it collects to the garbage collector.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    """A Spark of one process, whose workers are this Python."""
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    os.environ["PYSPARK_PYTHON"] = sys.executable
    spark_sql = import_module("pyspark.sql")
    found = (
        spark_sql.SparkSession.builder.master("local[2]")
        .appName("einklang")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.default.parallelism", "1")
        # a large plan for a few rows: making code of it takes longer than going without
        .config("spark.sql.codegen.wholeStage", "false")
        .config("spark.sql.codegen.factoryMode", "NO_CODEGEN")
        .config("spark.sql.adaptive.enabled", "false")
        .getOrCreate()
    )
    found.sparkContext.setLogLevel("OFF")
    yield found
    found.stop()


@pytest.fixture(scope="module")
def world() -> World:
    """Random expressions and persons with the naive answers."""
    return with_anchors(World(seed=20260331, expressions=30, persons=10))


@pytest.fixture(scope="module")
def engine(session: Any, world: World) -> SparkEngine:
    """Spark with the persons of the world."""
    found = SparkEngine(session, world.crowd.rate, world.crowd.lookup)
    put_crowd(found, world.crowd)
    return found


@pytest.fixture(scope="module")
def cases(world: World) -> list[Case]:
    """The cases that Spark answers."""
    return can(world, "spark")


def test_spark_agrees_with_naive_interpreter(world: World, cases: list[Case], engine: SparkEngine) -> None:
    """Plans of 50 expressions give the naive answers for every person."""
    assert len(cases) >= 50
    found = disagreements(world, cases, engine)
    assert not found, f"{len(found)} disagreements:\n" + "\n".join(found[:10])


def test_cases_use_every_kind_of_node(world: World, cases: list[Case]) -> None:
    """Every kind of node that Spark knows and the generator writes occurs among its cases, and a fifth is sharp."""
    kinds = {kind for case in cases for kind in case.kinds}
    assert {kind for kind in KINDS if "spark" in ENGINES.get(kind, ())} <= kinds
    edges = world.edges()
    assert edges["edge"] >= edges["cases"] / 5, edges


def _numbers_are_floats(patch: pytest.MonkeyPatch) -> None:
    def read(self: Spark, part: Code, doc: Code | None, path: tuple[str, ...]) -> Code:
        return made(f"CAST(try_variant_get({{0}}, '$', 'double') AS {NUMBER})", part)

    patch.setattr(Spark, "read_number", read)


def _the_last_is_the_first(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Sets, "_fold_last", lambda self, term, *rest: self._fold_first(_first(term), *rest))


#: Of the bugs of the compiler those whose SQL Spark reads in its own way, and two of its dialect.
PLANTED = [
    (_numbers_are_floats, "sum"),
    (_the_last_is_the_first, "last"),
    (bugs.closed_window, "within"),
    (bugs.since_inclusive, "since"),
    (bugs.not_equal_of_sql, "ne"),
    (bugs.average_counts_nulls, "avg"),
    (bugs.nth_skips_one, "nth"),
    (bugs.what_must_not_come_is_forgotten, "followed_without"),
    (bugs.members_did_nothing_but_the_person, "groupevents"),
    (bugs.traits_of_groups_as_they_will_be, "grouptrait"),
]


def test_planted_bugs_are_found(
    world: World, cases: list[Case], engine: SparkEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a dialect gets wrong is found as what the compiler gets wrong."""
    for plant, kind in PLANTED:
        with monkeypatch.context() as patch:
            plant(patch)
            asked = sorted((case for case in cases if kind in case.kinds), key=lambda case: len(case.source))
            assert disagreements(world, asked[:4], engine), kind


def test_no_literal_is_code(session: Any) -> None:
    """Texts that look like SQL, paths or templates are compared as texts: each of them, in several places."""
    asked = [one for n, one in enumerate(asked_of(NASTY, "spark")) if n % 12 == 0]
    assert len(asked) >= len(NASTY)
    crowd = nasty_crowd(NASTY)
    engine = SparkEngine(session, crowd.rate, crowd.lookup)
    put_crowd(engine, crowd)
    assert wrongly_answered(NASTY, asked, engine) == []


def _first(term: Term) -> Term:
    return msgspec.structs.replace(term, op="first")


def test_spark_and_duckdb_see_the_same_lake(session: Any, tmp_path: Path) -> None:
    """Both get the Parquet files of one version and find the same members."""
    lake = Lake(tmp_path / "lake")
    for start in (0, 400):
        rows = bench_segments.made(start, 400, 40)
        lake.append("events", lambda reached, rows=rows: (rows, reached + rows.num_rows))  # type: ignore[misc]  # bound at once
    scope = Scope("segment.where", Catalog())
    forms = [text for at, text in enumerate([*bench_segments.many(20), bench_segments.EXAMPLE]) if at % 2 == 0]
    asked = [(f"s{at}", check(text, scope)) for at, text in enumerate(forms)]
    spark = SparkEngine(session)
    with DuckEngine() as duck:
        found = []
        for engine in (duck, spark):
            put_crowd(engine, bench_segments.crowd(40), events=False)
            engine.put_lake(lake)
            rows = engine.run(compile_sql(asked, engine.name, bench_segments.NOW))
            found.append({name: sorted(rows.filter(pl.col(column))["person_id"]) for name, column in _columns(asked)})
    assert found[0] == found[1]
    assert sum(map(bool, found[0].values())) >= 5


def _columns(asked: list[tuple[str, Any]]) -> list[tuple[str, str]]:
    return [(name, f"h{at}") for at, (name, _) in enumerate(asked)]
