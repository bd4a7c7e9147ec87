"""The Book: rows that must be right now, in `HOME/book.db`. Start with `sqlite.SqliteBook`; `writer` holds the one
writing connection.
"""

from einklang.store.book.connect import Setup
from einklang.store.book.sqlite import SqliteBook

__all__ = ["Setup", "SqliteBook"]
