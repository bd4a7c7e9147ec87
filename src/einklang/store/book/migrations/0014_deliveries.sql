-- Changes of segments that a webhook is to be told, until it has them; what it did not take in time stays as dead.
-- Not made by the tick: a rebuild tells nobody.
CREATE TABLE delivery (
  destination TEXT NOT NULL, seq INTEGER NOT NULL, person TEXT NOT NULL, status TEXT NOT NULL, attempts INTEGER NOT NULL,
  taken_at INTEGER NOT NULL, next_at INTEGER NOT NULL, reason TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (destination, seq)
) STRICT, WITHOUT ROWID;
