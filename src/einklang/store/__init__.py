"""Floor 4: keeps what happened and what is known. `book` turns request bodies and write sets into durable rows (SQLite
through apsw); `lake` turns shipped rows into Delta tables that DuckDB, Polars and Spark count.

It never decides anything, never reads the clock of the world (only monotonic timers) and knows nothing of `app`: it
satisfies app's Protocols structurally. Start with `book.sqlite.SqliteBook`, then `lake.shipper.ship`.
"""
