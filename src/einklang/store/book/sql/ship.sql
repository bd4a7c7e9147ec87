-- Station 6: what the shipper takes to the lake (columns in the order of fact.columns.LAKE), its mark, and trimming.

-- name: ship_events
SELECT position, seq, clock, message_id, person, type, name, at, received_at, source, touchpoint, identifiers, properties, context,
  origin, machine, format
FROM entry WHERE seq > ? ORDER BY seq LIMIT ?

-- The tail of the log as `read_log` gives it: all columns of entry.
-- name: log_page
SELECT position, seq, clock, at, received_at, format, origin, type, name, message_id, source, touchpoint, machine, person, identifiers,
  properties, context
FROM entry WHERE seq > ? ORDER BY seq LIMIT ?

-- name: ship_verdicts
SELECT n, person, seq, clock, run, journey, step, message, channel, verdict, reason, until, detail
FROM verdict WHERE n > ? ORDER BY n LIMIT ?

-- name: ship_assignments
SELECT n, person, scope, run, journey, step, arm, probability, salt_version, eligible_at, decided_at, would_contact, suppressed_by,
  contacted_at, channel, propensity, cost, contaminated
FROM assignment WHERE n > ? ORDER BY n LIMIT ?

-- name: ship_outcomes
SELECT n, person, scope, run, seq, at, value FROM outcome WHERE n > ? ORDER BY n LIMIT ?

-- name: ship_messages
SELECT n, key, person, run, journey, step, message, channel, status, reason, clock FROM message_log WHERE n > ? ORDER BY n LIMIT ?

-- Every person id that was ever given out and is known, with the person it lives on in.
-- name: ship_persons
SELECT p.person, p.person FROM person p WHERE NOT EXISTS (SELECT 1 FROM alias a WHERE a.person = p.person)
UNION ALL SELECT a.person, a.living FROM alias a
ORDER BY 1

-- name: ship_mark
SELECT mark, version FROM ship WHERE lake_table = ?

-- name: ship_mark_put
INSERT INTO ship (lake_table, mark, version) VALUES (?, ?, ?)
ON CONFLICT (lake_table) DO UPDATE SET mark = excluded.mark, version = excluded.version

-- name: entry_span
SELECT min(seq), max(seq) FROM entry WHERE seq IS NOT NULL

-- name: entry_expire
DELETE FROM entry WHERE seq <= ? AND name = ? AND at < ? AND type IN ('track', 'page', 'screen')
-- name: entry_trim
DELETE FROM entry WHERE seq <= ?
