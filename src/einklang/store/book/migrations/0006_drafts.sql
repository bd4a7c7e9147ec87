-- A short code that somebody tells on the phone: it leads an agent to one draft, for a while. What was typed stands in the log, not here.
CREATE TABLE draft_code (
  code_hash BLOB PRIMARY KEY, draft TEXT NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL, ends_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX draft_code_draft ON draft_code (draft);
