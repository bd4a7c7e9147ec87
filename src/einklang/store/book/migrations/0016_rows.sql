-- Tables whose rows are wide, by rowid: in a tree of their keys every node held whole rows. Beyond 1 kB of a row (an event of a browser, a
-- person, a run) each comparison with a key read the pages behind it. Measured: rows of 1.2 kB are written 5 times as fast and take a third
-- of the place, rows of 0.3 kB are written twice as fast (docs/decisions/0016-wide-rows.md).
CREATE TABLE person_rows (
  lane INTEGER NOT NULL, person TEXT NOT NULL, label TEXT NOT NULL, last_seen_at INTEGER NOT NULL, state BLOB NOT NULL,
  PRIMARY KEY (lane, person)
) STRICT;
INSERT INTO person_rows SELECT lane, person, label, last_seen_at, state FROM person ORDER BY lane, person;
DROP TABLE person;
ALTER TABLE person_rows RENAME TO person;
CREATE INDEX person_seen ON person (last_seen_at, person);

CREATE TABLE history_rows (
  lane INTEGER NOT NULL, person TEXT NOT NULL, at INTEGER NOT NULL, seq INTEGER NOT NULL, clock INTEGER NOT NULL, received_at INTEGER NOT NULL,
  origin INTEGER NOT NULL, type TEXT NOT NULL, name TEXT NOT NULL, message_id TEXT NOT NULL, source TEXT NOT NULL, touchpoint TEXT NOT NULL,
  key_kind TEXT NOT NULL, key_value TEXT NOT NULL, device TEXT NOT NULL, machine INTEGER NOT NULL, properties TEXT NOT NULL, context TEXT NOT NULL,
  folded TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (lane, person, at, seq)
) STRICT;
INSERT INTO history_rows
SELECT lane, person, at, seq, clock, received_at, origin, type, name, message_id, source, touchpoint, key_kind, key_value, device, machine, properties, context, folded
FROM history ORDER BY lane, person, at, seq;
DROP TABLE history;
ALTER TABLE history_rows RENAME TO history;
CREATE INDEX history_object ON history (seq) WHERE key_kind > 'object:' AND key_kind < 'object;';

CREATE TABLE run_rows (
  lane INTEGER NOT NULL, person TEXT NOT NULL, run TEXT NOT NULL, journey TEXT NOT NULL, version INTEGER NOT NULL, arm TEXT NOT NULL,
  status TEXT NOT NULL, step TEXT NOT NULL, entered_at INTEGER NOT NULL, ended_at INTEGER, contacted INTEGER NOT NULL, goal INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (lane, person, run)
) STRICT;
INSERT INTO run_rows
SELECT lane, person, run, journey, version, arm, status, step, entered_at, ended_at, contacted, goal, body FROM run ORDER BY lane, person, run;
DROP TABLE run;
ALTER TABLE run_rows RENAME TO run;
CREATE INDEX run_journey ON run (journey, person);

CREATE TABLE archive_rows (key TEXT PRIMARY KEY, body BLOB NOT NULL, hash BLOB NOT NULL) STRICT;
INSERT INTO archive_rows SELECT key, body, hash FROM archive ORDER BY key;
DROP TABLE archive;
ALTER TABLE archive_rows RENAME TO archive;
