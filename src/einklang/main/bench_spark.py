"""Segments of everybody on Apache Spark: a standalone master and workers on this machine, against DuckDB here.

Master, workers and their executors are processes of their own that speak over loopback, as on many machines; the lake
is where all of them see it. What is told is the clock, for what is asked is how long somebody waits. The same plan over
a hundred persons shows what Spark takes whatever there is to look at.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time as system
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from einklang.expr import Checked, check_condition, compile_sql
from einklang.kernel.errors import Unavailable
from einklang.main import bench_events
from einklang.main import bench_segments as asked
from einklang.store.lake import DuckEngine, Lake, SparkEngine, put_crowd

PERSONS = 50_000
WORKERS = 2
#: Conditions of one plan: Spark plans longer ones for longer than it runs them.
PLAN = 50
ROUNDS = 3
#: Persons whose events are as good as none.
FEW = 100
_HERE = "127.0.0.1"
_MASTER = re.compile(r"Starting Spark master at (spark://\S+)")
_JOINED = re.compile(r"Successfully registered with master")
_ENDS_S = 30


def installed() -> bool:
    """Whether Apache Spark can be used from here."""
    return find_spec("pyspark") is not None


def spark(folder: Path, persons: int = PERSONS, workers: int = WORKERS) -> dict[str, Any]:
    """Seconds of both engines on one lake, medians, and their ratios. Raises Unavailable `engine_failed`."""
    if not installed():
        mend = 'pip install "einklang[spark]"; Java 17 is needed beside'
        raise Unavailable("engine_failed", "Apache Spark is not installed", where="pyspark", mend=mend)
    lake = asked.laid(folder, persons)
    example = [("example", check_condition(asked.EXAMPLE, asked.SCOPE))]
    hundred = [(f"s{at}", check_condition(text, asked.SCOPE)) for at, text in enumerate(asked.many(asked.TOGETHER))]
    few = asked.laid(folder / "few", FEW)
    with DuckEngine() as duck:
        _put(duck, lake, persons)
        duck_s, members = _timed(lambda: _members(duck, example))
        duck_all_s, all_members = _timed(lambda: _members(duck, hundred), rounds=1)
    began = system.perf_counter()
    with standalone(folder / "spark", workers) as session:
        engine = SparkEngine(session)
        _put(engine, lake, persons)
        started_s = system.perf_counter() - began
        spark_s, told = _timed(lambda: _members(engine, example))
        spark_all_s, all_told = _timed(lambda: _members(engine, hundred), rounds=1)
        _put(engine, few, FEW)
        overhead_s, _ = _timed(lambda: _members(engine, example))
    assert (told, all_told) == (members, all_members), "both engines find the same members"
    return {
        "persons": persons,
        "events": persons * bench_events.EVENTS_PER_PERSON,
        "workers": workers,
        "members": members["example"],
        "seconds": {
            "duckdb, example": round(duck_s, 3),
            f"duckdb, {asked.TOGETHER} together": round(duck_all_s, 3),
            "spark, example": round(spark_s, 3),
            f"spark, {asked.TOGETHER} in plans of {PLAN}": round(spark_all_s, 3),
            f"spark, example, of {FEW} persons: overhead": round(overhead_s, 3),
            "spark, until it can be asked": round(started_s, 1),
        },
        "ratios": {
            "spark / duckdb, example": round(spark_s / duck_s, 1),
            f"spark / duckdb, {asked.TOGETHER}": round(spark_all_s / duck_all_s, 1),
            "spark without its overhead / duckdb, example": round(max(0.0, spark_s - overhead_s) / duck_s, 1),
        },
    }


@contextmanager
def standalone(folder: Path, workers: int) -> Iterator[Any]:
    """A session on a master and workers of its own, each with one core; they end with the session."""
    folder.mkdir(parents=True)
    spark_sql = import_module("pyspark.sql")
    os.environ |= {
        "SPARK_LOCAL_IP": _HERE,
        "PYSPARK_PYTHON": sys.executable,
    }  # of the driver, which is this process, too
    with ExitStack() as until:
        url = until.enter_context(_process(folder, "master.Master", ["--port", "0", "--webui-port", "0"], _MASTER))
        for _ in range(workers):
            told = ["--webui-port", "0", "--cores", "1", "--memory", "1g", "--work-dir", str(folder), url]
            until.enter_context(_process(folder, "worker.Worker", told, _JOINED))
        session = (
            spark_sql.SparkSession.builder.master(url)
            .appName("einklang")
            .config("spark.driver.host", _HERE)
            .config("spark.driver.bindAddress", _HERE)
            .config("spark.executor.memory", "1g")
            .config("spark.scheduler.minRegisteredResourcesRatio", "1.0")
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            .config("spark.sql.session.timeZone", "UTC")
            .config("spark.sql.shuffle.partitions", str(2 * workers))
            .getOrCreate()
        )
        session.sparkContext.setLogLevel("ERROR")
        try:
            yield session
        finally:
            session.stop()


@contextmanager
def _process(folder: Path, name: str, told: Sequence[str], ready: re.Pattern[str]) -> Iterator[str]:
    """A process of Spark, once it says that it is ready; gives what it said. Raises Unavailable `engine_failed`."""
    home = Path(str(import_module("pyspark").__file__)).parent
    environment = {**os.environ, "SPARK_HOME": str(home)}
    command = [str(home / "bin" / "spark-class"), f"org.apache.spark.deploy.{name}", "--host", _HERE, *told]
    log = folder / f"{name}-{len(list(folder.glob('*.log')))}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=subprocess.STDOUT)
    try:
        yield _said(process, log, ready)
    finally:
        process.terminate()
        process.wait(_ENDS_S)


def _said(process: subprocess.Popen[bytes], log: Path, ready: re.Pattern[str]) -> str:
    while process.poll() is None:
        found = ready.search(log.read_text("utf-8", "replace"))
        if found:
            return found.group(found.lastindex or 0)
        system.sleep(0.1)
    last = log.read_text("utf-8", "replace").strip().splitlines()[-1:]
    raise Unavailable("engine_failed", f"Spark ended: {''.join(last)[:300]}", where=log.name, mend="is Java 17 there?")


def _put(engine: Any, lake: Lake, persons: int) -> None:
    put_crowd(engine, asked.crowd(persons), events=False)
    engine.put_lake(lake)


def _members(engine: Any, conditions: Sequence[tuple[str, Checked]]) -> dict[str, int]:
    """How many members each condition has."""
    step = PLAN if engine.name == "spark" else len(conditions)
    found: dict[str, int] = {}
    for first in range(0, len(conditions), step):
        plan = compile_sql(conditions[first : first + step], engine.name, asked.NOW)
        rows = engine.run(plan)
        found |= {name: int(rows[column].sum()) for name, column in plan.columns.items()}
    return found


def _timed(work: Callable[[], Any], *, rounds: int = ROUNDS) -> tuple[float, Any]:
    """Median seconds by the clock, and what was found; the first time does not count."""
    found, taken = work(), []
    for _ in range(rounds):
        began = system.perf_counter()
        work()
        taken.append(system.perf_counter() - began)
    return median(taken), found
