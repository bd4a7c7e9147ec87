-- What was exported: one row an entry of type `audit`, made by the tick.
CREATE TABLE export (
  seq INTEGER PRIMARY KEY, clock INTEGER NOT NULL, segment TEXT NOT NULL, destination TEXT NOT NULL, actor TEXT NOT NULL,
  purpose TEXT NOT NULL, format TEXT NOT NULL, fields TEXT NOT NULL, persons INTEGER NOT NULL, left_out TEXT NOT NULL,
  hash TEXT NOT NULL, file TEXT NOT NULL
) STRICT;
-- How far each destination was served. Not made by the tick: a rebuild serves nobody.
CREATE TABLE destination (
  id TEXT PRIMARY KEY, version INTEGER NOT NULL, cursor INTEGER NOT NULL, notes TEXT NOT NULL, done_at INTEGER NOT NULL,
  tried_at INTEGER NOT NULL, again_at INTEGER NOT NULL, attempts INTEGER NOT NULL, error TEXT NOT NULL, sent INTEGER NOT NULL,
  held TEXT NOT NULL, since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
