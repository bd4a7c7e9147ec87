-- Exports and destinations (app/exports.py, app/destinations.py).

-- name: export_put
INSERT INTO export (seq, clock, segment, destination, actor, purpose, format, fields, persons, left_out, hash, file) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: all_export
SELECT seq, clock, segment, destination, actor, purpose, format, fields, persons, left_out, hash, file FROM export ORDER BY seq

-- name: export_get
SELECT seq, clock, segment, destination, actor, purpose, format, fields, persons, left_out, hash, file FROM export WHERE file = ?

-- The newest first.
-- name: exports_before
SELECT seq, clock, segment, destination, actor, purpose, format, fields, persons, left_out, hash, file FROM export
WHERE seq < ? ORDER BY seq DESC LIMIT ?

-- name: destinations
SELECT id, version, cursor, notes, done_at, tried_at, again_at, attempts, error, sent, held, since FROM destination ORDER BY id

-- name: destination_get
SELECT id, version, cursor, notes, done_at, tried_at, again_at, attempts, error, sent, held, since FROM destination WHERE id = ?

-- name: destination_put
INSERT INTO destination (id, version, cursor, notes, done_at, tried_at, again_at, attempts, error, sent, held, since) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET version = excluded.version, cursor = excluded.cursor, notes = excluded.notes,
  done_at = excluded.done_at, tried_at = excluded.tried_at, again_at = excluded.again_at, attempts = excluded.attempts,
  error = excluded.error, sent = excluded.sent, held = excluded.held, since = excluded.since
