"""Apache Spark opens the lake with nothing but the file list of one version."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from einklang.fact import columns
from einklang.store.book import SqliteBook
from einklang.store.lake import Lake, ship, tidy
from einklang.testing.lake_suite import entries
from tests.store.test_lake_compliance import put

#: Spark takes a quarter of a minute to start, and several times that where it meets other work.
pytestmark = [
    pytest.mark.spark,
    pytest.mark.timeout(400),
    # pyspark leaves the sockets by which it collects to the garbage collector.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

SALT = "00" * 16


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    """A Spark of one process, without its web page."""
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    # By name: it is no dependency of the tests.
    spark_sql = import_module("pyspark.sql")
    session = (
        spark_sql.SparkSession.builder.master("local[2]")
        .appName("einklang")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "2")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


def test_spark_sees_what_was_put(spark: Any, tmp_path: Path) -> None:
    """Appended and joined files alike: every column has its type, and rows, moments, maps and texts are those of the
    Book.
    """
    book, lake = SqliteBook.create(tmp_path / "home", SALT), Lake(tmp_path / "lake", compact_every=4)
    rows = entries(300)
    put(book, "entry", rows)
    while ship(book, lake, "events", rows_max=70):
        tidy(book, lake)
    files = lake.files("events")
    assert len(files) > 1
    frame = spark.read.parquet(*files)
    types = {"int64": "bigint", "int16": "smallint", "int8": "tinyint", "map": "map<string,string>", "bool": "boolean"}
    assert dict(frame.dtypes) == {c.name: types.get(c.type, c.type) for c in columns.LAKE["events"]}
    frame.createOrReplaceTempView("events")
    found = spark.sql(
        "SELECT position, seq, unix_micros(clock) AS clock, unix_micros(at) AS at, person_id, properties,"
        " identifiers['email'] AS email FROM events ORDER BY seq"
    ).collect()
    told = [
        (row[0], row[1], row[2], row[3], row[13], row[15], dict(json.loads(row[14])[:2]).get("email")) for row in rows
    ]
    assert [tuple(row) for row in found] == told
    book.close()


def test_spark_reads_an_older_version(spark: Any, tmp_path: Path) -> None:
    """A report of yesterday can be made again: the files of a version are read while it is kept."""
    book, lake = SqliteBook.create(tmp_path / "home", SALT), Lake(tmp_path / "lake", compact_every=3)
    put(book, "entry", entries(90))
    ship(book, lake, "events", rows_max=30)
    version = lake.version("events")
    while ship(book, lake, "events", rows_max=30):
        tidy(book, lake)
    assert spark.read.parquet(*lake.files("events", version)).count() == 30
    assert spark.read.parquet(*lake.files("events")).count() == 90
    book.close()
