"""The lake: columns that must be counted, as Delta tables in `HOME/lake`. `table.Lake` holds them, `shipper` brings
rows there exactly once, `log` reads the whole log back (lake and the Book's tail), `engine` answers conditions about
everybody by DuckDB and Spark, `outgoing` gives rows to tables of others. Start with `shipper.ship`.
"""

from einklang.store.lake.engine import DuckEngine, DuckPlans, SparkEngine, put_crowd
from einklang.store.lake.log import read_log
from einklang.store.lake.outgoing import drop_replaced, give
from einklang.store.lake.shipper import refresh, ship, ship_all, ship_round, tidy
from einklang.store.lake.table import Lake

__all__ = [
    "DuckEngine",
    "DuckPlans",
    "Lake",
    "SparkEngine",
    "drop_replaced",
    "give",
    "put_crowd",
    "read_log",
    "refresh",
    "ship",
    "ship_all",
    "ship_round",
    "tidy",
]
