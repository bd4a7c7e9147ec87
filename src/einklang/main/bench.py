"""`bench`: ratios against a stated baseline in the same run, stamped with commit and machine (docs/benchmarks.md)."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from einklang import __version__
from einklang.main import (
    bench_collect,
    bench_identity,
    bench_lake,
    bench_pipeline,
    bench_segments,
    bench_spark,
    bench_visible,
)


@dataclass(frozen=True, slots=True)
class Options:
    """size: persons of `pipeline`, `segments` and `spark`, events of `identity` and `lake` (None: as docs/benchmarks.md
    says); batch: events a tick; database_url: PostgreSQL instead of SQLite; rate: events a second beside `visible`.
    """

    size: int | None = None
    batch: int = bench_pipeline.BATCH
    database_url: str = ""
    rate: int = bench_visible.RATE


BENCHES: dict[str, Callable[[Path, Options], dict[str, Any]]] = {
    "collect": lambda folder, given: bench_collect.collect(folder, given.database_url),
    "identity": lambda folder, given: bench_identity.identity(
        folder, events=given.size or bench_identity.EVENTS, database_url=given.database_url
    ),
    "lake": lambda folder, given: bench_lake.lake(folder, given.size or bench_lake.EVENTS),
    "pipeline": lambda folder, given: bench_pipeline.pipeline(
        folder, persons=given.size or bench_pipeline.PERSONS, batch=given.batch, database_url=given.database_url
    ),
    "segments": lambda folder, given: bench_segments.segments(folder, given.size or bench_segments.PERSONS),
    "spark": lambda folder, given: bench_spark.spark(folder, given.size or bench_spark.PERSONS),
    "visible": lambda folder, given: bench_visible.visible(folder, given.database_url, rate=given.rate),
}


def stamp() -> dict[str, Any]:
    """Where and on what this was measured."""
    here = Path(__file__).resolve().parent
    try:
        found = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=here, capture_output=True, text=True, check=False
        )
        commit = found.stdout.strip() or "unknown"
    except OSError:
        commit = "unknown"
    return {
        "version": __version__,
        "commit": commit,
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "system": platform.system(),
    }


def run_bench(name: str | None, options: Options) -> dict[str, Any]:
    """Run one benchmark, or all (that of Spark where it is installed); each in a folder of its own."""
    results: dict[str, Any] = {"stamp": stamp()}
    for each in [name] if name else [one for one in BENCHES if one != "spark" or bench_spark.installed()]:
        sys.stderr.write(f"bench {each} ...\n")
        with tempfile.TemporaryDirectory(prefix="einklang-bench-") as folder:
            results[each] = BENCHES[each](Path(folder), options)
    return results


def spread(values: list[float]) -> dict[str, float]:
    """Minimum, median and maximum."""
    return {"min": round(min(values), 3), "median": round(statistics.median(values), 3), "max": round(max(values), 3)}
