"""The engines that run the plans of `expr.sql`: over frames, and over the Parquet files of one version of the lake.

DuckDB runs in this process. Apache Spark is an extra (`pip install "einklang[spark]"`); it gets the same files, so what
outgrows one machine needs no other lake.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol

import duckdb
import polars as pl
from duckdb.func import SPECIAL

from einklang.event import OWN_EVENTS
from einklang.expr.check import Checked
from einklang.expr.crowd_frames import Crowd
from einklang.expr.sql import SqlPlan, compile_sql, sql_lacks
from einklang.expr.sql_functions import FUNCTIONS, NUMBER, TEXT, WHOLE, Function, catalog, exchange
from einklang.kernel.errors import Unavailable
from einklang.store.lake.table import Lake

_DUCKDB = {TEXT: "VARCHAR", NUMBER: "DECIMAL(38,9)", WHOLE: "BIGINT"}
_SPARK = {TEXT: "string", NUMBER: "decimal(38,9)", WHOLE: "bigint"}


class TooLarge(Exception):
    """A sum that DuckDB cannot hold: 10^29 and more."""


def _no_rate(key: str) -> None:
    """Where there are no rates."""


def _no_row(catalog: str, key: Any) -> None:
    """Where there are no catalogs."""


def _functions(rate: Callable[[str], Any], lookup: Callable[[str, Any], Any]) -> Mapping[str, Function]:
    return FUNCTIONS | {"ek_exchanged": exchange(rate)} | catalog(lookup)


class DuckEngine:
    """One connection in memory. rate, lookup: as of `View`; used as a context, so that its functions go with it."""

    name = "duckdb"

    def __init__(self, rate: Callable[[str], Any] = _no_rate, lookup: Callable[[str, Any], Any] = _no_row) -> None:
        self.connection = duckdb.connect(
            config={
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "python_enable_replacements": "false",
            }
        )
        self._functions = _functions(rate, lookup)
        self._known: set[str] = set()

    def __enter__(self) -> DuckEngine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in self._known:
            self.connection.remove_function(name)
        self.connection.close()

    def put(self, table: str, frame: pl.DataFrame) -> None:
        """A table of a plan out of a frame, which is not copied."""
        self.connection.register(table, frame.to_arrow())

    def put_lake(self, lake: Lake) -> None:
        """The events of a plan out of one version of the lake, nothing of which is read before it is asked for."""
        for table in ("events", "persons"):
            lake.relation(table, self.connection).create_view(f"lake_{table}")
        self.connection.execute(f"CREATE OR REPLACE VIEW ek_events AS {_told('epoch_us')}")

    def prepare(self, functions: frozenset[str]) -> None:
        """Make functions of Einklang's known to the engine."""
        for name in sorted(functions - self._known):
            function = self._functions[name]
            takes: list[Any] = [_DUCKDB[kind] for kind in function.takes]
            self.connection.create_function(name, function.call, takes, _DUCKDB[function.gives], null_handling=SPECIAL)
            self._known.add(name)

    def run(self, plan: SqlPlan) -> pl.DataFrame:
        """A row a person: person_id and the columns of the plan. Raises TooLarge, Unavailable `engine_failed`."""
        self.prepare(plan.functions)
        try:
            found = pl.from_arrow(self.connection.sql(plan.text).to_arrow_table())
        except duckdb.OutOfRangeException as error:
            raise TooLarge(str(error)) from error
        except duckdb.Error as error:
            raise _failed(self.name, error) from error
        assert isinstance(found, pl.DataFrame)
        return found


class Engine(Protocol):
    """Where plans run."""

    @property
    def name(self) -> str: ...
    def put(self, table: str, frame: pl.DataFrame) -> None: ...
    def run(self, plan: SqlPlan) -> pl.DataFrame: ...


def put_crowd(engine: Engine, crowd: Crowd, *, events: bool = True) -> None:
    """The tables of a plan out of the frames of a crowd. events: False where the caller gives the events."""
    fields = {name: f"field_{name}" for name in crowd.persons.columns if name not in ("person_id", "zone")}
    engine.put("ek_persons", crowd.persons.rename(fields))
    if events:
        given = crowd.events
        machine = [] if "machine" in given.columns else [pl.lit(False).alias("machine")]
        engine.put("ek_events", given.with_columns(machine))
    engine.put("ek_traits", crowd.traits.sort("at", maintain_order=True).with_row_index("n"))
    engine.put("ek_consents", crowd.consents)
    engine.put("ek_segments", crowd.segments)
    engine.put("ek_objects", crowd.objects)
    engine.put("ek_members", crowd.members.rename({"group": "group_id"}))
    told = crowd.group_traits.rename({"group": "group_id"}).sort("at", maintain_order=True)
    engine.put("ek_group_traits", told.with_row_index("n"))


class DuckPlans:
    """Conditions of a crowd, answered by DuckDB (`audience.crowd.Plans`)."""

    name = "duckdb"

    def lacks(self, checked: Checked) -> list[str]:
        """The parts of a condition that DuckDB cannot do."""
        return sql_lacks(checked, self.name)

    def members(self, conditions: Sequence[tuple[str, Checked]], crowd: Crowd, now: int) -> dict[str, set[str]]:
        """Condition -> ids of those for whom it holds; nothing where numbers are too large to be added up there."""
        plan = compile_sql(conditions, self.name, now, members_max=crowd.members_max)
        with DuckEngine(crowd.rate, crowd.lookup) as engine:
            put_crowd(engine, crowd)
            try:
                found = engine.run(plan)
            except TooLarge:
                return {}
        ids = found["person_id"]
        return {name: set(ids.filter(found[column])) for name, column in plan.columns.items()}


def _told(moment: str) -> str:
    """The events of a plan out of the lake: what persons did, those of merged persons under the one who lives on."""
    own = ", ".join(f"'{name}'" for name in sorted(set(OWN_EVENTS) - {"Page Viewed", "Screen Viewed"}))
    source = f"CASE WHEN e.origin <> 0 OR e.name IN ({own}) THEN 'einklang' ELSE e.source END AS source"
    moved = "SELECT person_id, living_id FROM lake_persons WHERE living_id <> person_id"
    return (
        f"SELECT COALESCE(m.living_id, e.person_id) AS person_id, e.seq, {moment}(e.at) AS at, e.name, e.touchpoint,"
        f" {source}, e.machine, e.properties FROM lake_events AS e LEFT JOIN ({moved}) AS m"
        " ON m.person_id = e.person_id WHERE e.type IN ('track', 'page', 'screen') AND e.person_id IS NOT NULL"
    )


class SparkEngine:
    """Plans in a session of Apache Spark of their own: what they set is not seen by other users of it.

    The workers need `einklang` installed where a plan asks calendars (`SqlPlan.functions`), and get a copy of `rate`
    and `lookup`, which are as of `View`.
    """

    name = "spark"

    def __init__(
        self, session: Any, rate: Callable[[str], Any] = _no_rate, lookup: Callable[[str, Any], Any] = _no_row
    ) -> None:
        self._functions = _functions(rate, lookup)
        self.session = session.newSession()
        for name, value in _SPARK_SETTINGS.items():
            self.session.conf.set(name, value)
        self._known: set[str] = set()

    def put(self, table: str, frame: pl.DataFrame) -> None:
        """A table of a plan out of a frame."""
        narrow = frame.with_columns(pl.col(pl.UInt32, pl.UInt64).cast(pl.Int64))
        self.session.createDataFrame(narrow.to_arrow()).createOrReplaceTempView(table)

    def put_lake(self, lake: Lake) -> None:
        """The events of a plan out of one version of the lake."""
        for table in ("events", "persons"):
            files = lake.files(table)
            read = self.session.read.option("mergeSchema", "true")
            frame = (
                read.parquet(*files) if files else self.session.createDataFrame(lake.scan(table).collect().to_arrow())
            )
            frame.createOrReplaceTempView(f"lake_{table}")
        self.session.sql(f"CREATE OR REPLACE TEMPORARY VIEW ek_events AS {_told('unix_micros')}")

    def prepare(self, functions: frozenset[str]) -> None:
        """Make functions of Einklang's known to the session."""
        for name in sorted(functions - self._known):
            self.session.udf.register(name, self._functions[name].call, _SPARK[self._functions[name].gives])
            self._known.add(name)

    def run(self, plan: SqlPlan) -> pl.DataFrame:
        """A row a person: person_id and the columns of the plan. Raises Unavailable `engine_failed`."""
        self.prepare(plan.functions)
        try:
            found = pl.from_arrow(self.session.sql(plan.text).toArrow())
        except Exception as error:
            if type(error).__module__.split(".")[0] in ("pyspark", "py4j"):
                raise _failed(self.name, error) from error
            raise
        assert isinstance(found, pl.DataFrame)
        return found


#: Exact decimals, and what does not fit is null.
_SPARK_SETTINGS = {
    "spark.sql.ansi.enabled": "false",
    "spark.sql.caseSensitive": "false",
    "spark.sql.decimalOperations.allowPrecisionLoss": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.variant.allowDuplicateKeys": "true",
}


def _failed(engine: str, error: Exception) -> Unavailable:
    first = (str(error).strip().splitlines() or [""])[0]
    return Unavailable(
        "engine_failed",
        f"{type(error).__name__}: {first[:300]}",
        where=engine,
        mend="report it; ask for fewer conditions at once",
    )
