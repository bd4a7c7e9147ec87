"""The Book: rows that must be right now, in `HOME/book.db` or in a schema of PostgreSQL.

Start with `sqlite.SqliteBook`; `writer` holds the one writing connection. `postgres.book.PostgresBook` is the same on a
server, for several processes; `AnyBook` is either.
"""

from einklang.store.book.postgres.book import PostgresBook
from einklang.store.book.setup import Setup
from einklang.store.book.sqlite import SqliteBook

AnyBook = SqliteBook | PostgresBook

__all__ = ["AnyBook", "PostgresBook", "Setup", "SqliteBook"]
