"""The Book on PostgreSQL, through psycopg 3: the same promises, statements and migrations as on SQLite.

Start with `book.PostgresBook`; `server` connects and tells what went wrong, `dialect` translates the SQL once at boot,
`rows` reads and writes, `writer` commits, `lease` keeps processes apart.
"""
