-- Retention: events of a name from before `bound` (event time) that were in the log by `seq` belong to no history any more.
CREATE TABLE expired (name TEXT PRIMARY KEY, bound INTEGER NOT NULL, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;
