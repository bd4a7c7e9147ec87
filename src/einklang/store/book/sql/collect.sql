-- Station 1: bodies, counters, suppressions; the settings of a home.

-- name: meta_value
SELECT value FROM meta WHERE key = ?

-- name: meta_put
INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value

-- name: counter_value
SELECT value FROM counter WHERE name = ?

-- name: counters
SELECT name, value FROM counter ORDER BY name

-- name: counter_add
INSERT INTO counter (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = counter.value + excluded.value

-- name: counter_set
INSERT INTO counter (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value

-- name: tail_append
INSERT INTO tail (first_position, items, received_at, source, kind, body) VALUES (?, ?, ?, ?, ?, ?)

-- A reason of its own is a row of its own, so that lifting a withdrawal never lifts a bounce; a later one renews the time.
-- name: suppression_raise
INSERT INTO suppression (address_hash, channel, purpose, reason, at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (address_hash, channel, purpose, reason) DO UPDATE SET at = excluded.at WHERE excluded.at > suppression.at

-- Bodies not yet expanded, in order of arrival: first_position > ?, at most ? of them.
-- name: tail_page
SELECT first_position, items, received_at, source, kind, body FROM tail WHERE first_position > ? ORDER BY first_position LIMIT ?

-- name: suppressions
SELECT address_hash, channel, purpose, reason, at FROM suppression ORDER BY address_hash, channel, purpose, reason

-- Bodies up to here are expanded: forget them.
-- name: tail_trim
DELETE FROM tail WHERE first_position <= ?

-- name: source_put
INSERT INTO source (id, kind, name, events_per_s) VALUES (?, ?, ?, ?)

-- name: source_rate
UPDATE source SET events_per_s = ? WHERE id = ?

-- name: source_get
SELECT id, kind, name, events_per_s FROM source WHERE id = ?

-- name: sources
SELECT id, kind, name, events_per_s FROM source ORDER BY id

-- name: access_key_put
INSERT INTO access_key (id, source, hint, key_hash, created_at, ends_at) VALUES (?, ?, ?, ?, ?, NULL)

-- A key that has an end never gets a later one: (ends_at, source, ends_at) and (ends_at, id, ends_at).
-- name: access_keys_end_of
UPDATE access_key SET ends_at = ? WHERE source = ? AND (ends_at IS NULL OR ends_at > ?)

-- name: access_key_end
UPDATE access_key SET ends_at = ? WHERE id = ? AND (ends_at IS NULL OR ends_at > ?)

-- name: access_keys
SELECT id, source, hint, created_at, ends_at FROM access_key ORDER BY source, created_at, id

-- name: access_key_get
SELECT id, source, hint, created_at, ends_at FROM access_key WHERE id = ?
