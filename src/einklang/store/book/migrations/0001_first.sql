-- The Book, home format 1. Moments are integers: microseconds since 1970-01-01T00:00:00Z.
-- Every hot key leads with lane and person. Type, unit and privacy class of each column: einklang/fact/columns.py.

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
-- position: the last one given out. accepted = entries of the log from outside + duplicates + dead_letters + not yet expanded.
INSERT INTO counter (name, value) VALUES ('position', 0), ('accepted', 0), ('duplicates', 0), ('dead_letters', 0),
  ('seq', 0), ('clock', 0), ('in_log', 0), ('projected', 0);

-- Station 1: request bodies as they came, judged, not yet expanded.
CREATE TABLE tail (
  first_position INTEGER PRIMARY KEY, items INTEGER NOT NULL, received_at INTEGER NOT NULL,
  source TEXT NOT NULL, kind TEXT NOT NULL, body BLOB NOT NULL
) STRICT;

-- Station 2: the log, one row an entry; seq and clock are null while it is pending and never change afterwards. Trimmed once shipped.
CREATE TABLE entry (
  position INTEGER PRIMARY KEY, seq INTEGER, clock INTEGER, at INTEGER NOT NULL, received_at INTEGER NOT NULL,
  format INTEGER NOT NULL, origin INTEGER NOT NULL, type TEXT NOT NULL, name TEXT NOT NULL, message_id TEXT NOT NULL,
  source TEXT NOT NULL, touchpoint TEXT NOT NULL, machine INTEGER NOT NULL, person TEXT, identifiers TEXT NOT NULL,
  properties TEXT NOT NULL, context TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX entry_seq ON entry (seq) WHERE seq IS NOT NULL;
CREATE INDEX entry_pending ON entry (at, position) WHERE seq IS NULL;
CREATE TRIGGER entry_sequenced_once BEFORE UPDATE OF seq, clock ON entry WHEN OLD.seq IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'seq and clock of an entry never change'); END;

CREATE TABLE message_id (id BLOB PRIMARY KEY, body BLOB NOT NULL, position INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE dead (
  position INTEGER PRIMARY KEY, clock INTEGER NOT NULL, received_at INTEGER NOT NULL, source TEXT NOT NULL,
  code TEXT NOT NULL, detail TEXT NOT NULL, body BLOB NOT NULL, code_version TEXT NOT NULL
) STRICT;

-- Station 3: identity. Evidence edges, one row a pair (the strongest, earliest evidence), who owns an identifier, depth-1 aliases.
CREATE TABLE edge (
  kind_a TEXT NOT NULL, value_a TEXT NOT NULL, kind_b TEXT NOT NULL, value_b TEXT NOT NULL,
  strength INTEGER NOT NULL, at INTEGER NOT NULL, message_id TEXT NOT NULL, source TEXT NOT NULL, evidence TEXT NOT NULL,
  PRIMARY KEY (kind_a, value_a, kind_b, value_b)
) STRICT, WITHOUT ROWID;
CREATE INDEX edge_back ON edge (kind_b, value_b);
CREATE TABLE identifier (
  kind TEXT NOT NULL, value TEXT NOT NULL, person TEXT NOT NULL, first_at INTEGER NOT NULL, PRIMARY KEY (kind, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX identifier_person ON identifier (person);
CREATE TABLE alias (person TEXT PRIMARY KEY, living TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX alias_living ON alias (living);
CREATE TABLE sign_in (
  device TEXT NOT NULL, at INTEGER NOT NULL, message_id TEXT NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL, void INTEGER NOT NULL,
  PRIMARY KEY (device, at, message_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX sign_in_claim ON sign_in (kind, value);
CREATE TABLE refused_merge (
  n INTEGER PRIMARY KEY, person_a TEXT NOT NULL, person_b TEXT NOT NULL, reason TEXT NOT NULL, at INTEGER NOT NULL, message_id TEXT NOT NULL
) STRICT;

-- Station 4: what is known of a person. state: JSON of fact.Person.
CREATE TABLE person (
  lane INTEGER NOT NULL, person TEXT NOT NULL, label TEXT NOT NULL, last_seen_at INTEGER NOT NULL, state BLOB NOT NULL,
  PRIMARY KEY (lane, person)
) STRICT, WITHOUT ROWID;
CREATE INDEX person_seen ON person (last_seen_at, person);
CREATE TABLE history (
  lane INTEGER NOT NULL, person TEXT NOT NULL, at INTEGER NOT NULL, seq INTEGER NOT NULL, clock INTEGER NOT NULL, received_at INTEGER NOT NULL,
  origin INTEGER NOT NULL, type TEXT NOT NULL, name TEXT NOT NULL, message_id TEXT NOT NULL, source TEXT NOT NULL, touchpoint TEXT NOT NULL,
  key_kind TEXT NOT NULL, key_value TEXT NOT NULL, device TEXT NOT NULL, machine INTEGER NOT NULL, properties TEXT NOT NULL, context TEXT NOT NULL,
  PRIMARY KEY (lane, person, at, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE timer (lane INTEGER NOT NULL, person TEXT NOT NULL, due INTEGER NOT NULL, PRIMARY KEY (lane, person)) STRICT, WITHOUT ROWID;
CREATE INDEX timer_due ON timer (due, person);
CREATE TABLE member (lane INTEGER NOT NULL, person TEXT NOT NULL, segment TEXT NOT NULL, since INTEGER NOT NULL, PRIMARY KEY (lane, person, segment)) STRICT, WITHOUT ROWID;
CREATE INDEX member_segment ON member (segment, person);
-- One token a run; it names the version of the journey that it follows. body: JSON of fact.Run.
CREATE TABLE run (
  lane INTEGER NOT NULL, person TEXT NOT NULL, run TEXT NOT NULL, journey TEXT NOT NULL, version INTEGER NOT NULL, arm TEXT NOT NULL,
  status TEXT NOT NULL, step TEXT NOT NULL, entered_at INTEGER NOT NULL, ended_at INTEGER, contacted INTEGER NOT NULL, goal INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY (lane, person, run)
) STRICT, WITHOUT ROWID;
CREATE INDEX run_journey ON run (journey, person);

-- Consent: append-only, hash-chained.
CREATE TABLE ledger (
  n INTEGER PRIMARY KEY, seq INTEGER NOT NULL, lane INTEGER NOT NULL, person TEXT NOT NULL, channel TEXT NOT NULL, address TEXT NOT NULL, purpose TEXT NOT NULL,
  status TEXT NOT NULL, at INTEGER NOT NULL, clock INTEGER NOT NULL, source TEXT NOT NULL, wording TEXT NOT NULL, actor TEXT NOT NULL, evidence TEXT NOT NULL,
  hash BLOB NOT NULL
) STRICT;
CREATE INDEX ledger_person ON ledger (lane, person);
-- A merge may move a row to another person; what was declared stays.
CREATE TRIGGER ledger_append_only
BEFORE UPDATE OF n, seq, channel, address, purpose, status, at, clock, source, wording, actor, evidence, hash ON ledger
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
-- Keyed hashes of addresses that nothing may reach. purpose '' = every purpose. Survives erasure. The reason is in the key, so that
-- lifting a withdrawal (DELETE ... reason = 'withdrawn' AND at <= ?) lifts neither a bounce nor a later withdrawal still in the tail.
CREATE TABLE suppression (
  address_hash BLOB NOT NULL, channel TEXT NOT NULL, purpose TEXT NOT NULL, reason TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (address_hash, channel, purpose, reason)
) STRICT, WITHOUT ROWID;

-- The door. One row a verdict, both arms; one assignment row a decision; one outcome row a goal event.
CREATE TABLE verdict (
  n INTEGER PRIMARY KEY, lane INTEGER NOT NULL, person TEXT NOT NULL, seq INTEGER NOT NULL, clock INTEGER NOT NULL, run TEXT NOT NULL, journey TEXT NOT NULL,
  step TEXT NOT NULL, message TEXT NOT NULL, channel TEXT NOT NULL, verdict TEXT NOT NULL, reason TEXT NOT NULL, until INTEGER, detail TEXT NOT NULL
) STRICT;
CREATE INDEX verdict_person ON verdict (lane, person, n);
CREATE TABLE assignment (
  n INTEGER PRIMARY KEY, lane INTEGER NOT NULL, person TEXT NOT NULL, scope TEXT NOT NULL, run TEXT NOT NULL, journey TEXT NOT NULL, step TEXT NOT NULL,
  arm TEXT NOT NULL, probability REAL NOT NULL, salt_version INTEGER NOT NULL, eligible_at INTEGER NOT NULL, decided_at INTEGER NOT NULL, would_contact INTEGER NOT NULL,
  suppressed_by TEXT NOT NULL, contacted_at INTEGER, channel TEXT NOT NULL, propensity REAL NOT NULL, cost TEXT NOT NULL, contaminated INTEGER NOT NULL
) STRICT;
CREATE INDEX assignment_person ON assignment (lane, person, n);
CREATE TABLE outcome (
  n INTEGER PRIMARY KEY, lane INTEGER NOT NULL, person TEXT NOT NULL, scope TEXT NOT NULL, run TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, value TEXT
) STRICT;
CREATE INDEX outcome_person ON outcome (lane, person, n);
CREATE TABLE outbox (
  lane INTEGER NOT NULL, person TEXT NOT NULL, key TEXT NOT NULL, run TEXT NOT NULL, journey TEXT NOT NULL, step TEXT NOT NULL, round INTEGER NOT NULL, message TEXT NOT NULL,
  class TEXT NOT NULL, purpose TEXT NOT NULL, channel TEXT NOT NULL, address TEXT NOT NULL, status TEXT NOT NULL, ready_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
  attempts INTEGER NOT NULL, reason TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (lane, person, key)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX outbox_key ON outbox (key);
CREATE INDEX outbox_status ON outbox (status, ready_at, key);
CREATE TABLE message_log (
  n INTEGER PRIMARY KEY, key TEXT NOT NULL, lane INTEGER NOT NULL, person TEXT NOT NULL, run TEXT NOT NULL, journey TEXT NOT NULL, step TEXT NOT NULL, message TEXT NOT NULL,
  channel TEXT NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL, clock INTEGER NOT NULL
) STRICT;
CREATE TABLE archive (key TEXT PRIMARY KEY, body BLOB NOT NULL, hash BLOB NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE definition (
  kind TEXT NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL, body TEXT NOT NULL, hash BLOB NOT NULL, position INTEGER NOT NULL, active INTEGER NOT NULL,
  PRIMARY KEY (kind, id, version)
) STRICT, WITHOUT ROWID;
CREATE TABLE catalog (catalog TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (catalog, key)) STRICT, WITHOUT ROWID;
-- mark: seq or n up to which the lake holds the rows for good; version: the Delta version that was synced to the disk then.
CREATE TABLE ship (lake_table TEXT PRIMARY KEY, mark INTEGER NOT NULL, version INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- Access.
CREATE TABLE source (id TEXT PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, key_hash BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX source_key ON source (key_hash);
CREATE TABLE staff (name TEXT PRIMARY KEY, role TEXT NOT NULL, language TEXT NOT NULL, password TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE session (token_hash BLOB PRIMARY KEY, name TEXT NOT NULL, expires_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE idempotency (key TEXT PRIMARY KEY, route TEXT NOT NULL, body_hash BLOB NOT NULL, status INTEGER NOT NULL, answer BLOB NOT NULL, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
