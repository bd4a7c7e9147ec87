-- A source may have several keys, so that one can be rotated while the old one still works; a source says what it is, a key only lets in.
CREATE TABLE access_key (
  id TEXT PRIMARY KEY, source TEXT NOT NULL, hint TEXT NOT NULL, key_hash BLOB NOT NULL, created_at INTEGER NOT NULL, ends_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX access_key_hash ON access_key (key_hash);
INSERT INTO access_key (id, source, hint, key_hash, created_at, ends_at) SELECT 'key_' || id, id, '', key_hash, 0, NULL FROM source;
DROP INDEX source_key;
ALTER TABLE source DROP COLUMN key_hash;
-- What one key may send a second; null: what the server's setting says.
ALTER TABLE source ADD COLUMN events_per_s INTEGER;
