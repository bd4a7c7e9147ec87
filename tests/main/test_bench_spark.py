"""Plans in SQL on processes of Apache Spark of their own: a standalone master and two workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from einklang.expr import check_condition, compile_sql
from einklang.kernel.errors import Unavailable
from einklang.main import bench_segments, bench_spark
from einklang.store.lake import DuckEngine, SparkEngine, put_crowd

PERSONS = 400


@pytest.mark.spark
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_two_workers_find_the_members_that_duckdb_finds(tmp_path: Path) -> None:
    """The lake is read by executors in processes of their own; the members are those of DuckDB in this one."""
    lake = bench_segments.laid(tmp_path, PERSONS)
    texts = [bench_segments.EXAMPLE.replace(">= 2", ">= 1"), *bench_segments.many(4)]
    asked = [(f"s{at}", check_condition(text, bench_segments.SCOPE)) for at, text in enumerate(texts)]
    found = []
    with DuckEngine() as duck, bench_spark.standalone(tmp_path / "spark", 2) as session:
        assert session.sparkContext.master.startswith("spark://127.0.0.1:")
        for engine in (duck, SparkEngine(session)):
            put_crowd(engine, bench_segments.crowd(PERSONS), events=False)
            engine.put_lake(lake)
            plan = compile_sql(asked, engine.name, bench_segments.NOW)
            rows = engine.run(plan)
            found.append([set(rows["person_id"].filter(rows[plan.columns[name]])) for name, _ in asked])
    assert found[0] == found[1]
    assert all(0 < len(members) < PERSONS for members in found[0])


def test_without_spark_the_mend_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spark is an extra: where it is not installed the benchmark says how it is, and that of all leaves it out."""
    monkeypatch.setattr(bench_spark, "find_spec", lambda name: None)
    with pytest.raises(Unavailable, match="Spark is not installed"):
        bench_spark.spark(tmp_path)
    assert not bench_spark.installed()
