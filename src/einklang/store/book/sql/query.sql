-- What the screens, the REST API and the customer pages read (app/queries*.py, staff.py, returning.py), and who may.

-- name: source_by_key
SELECT s.id, s.kind, s.name, s.events_per_s, k.ends_at FROM access_key k JOIN source s ON s.id = k.source
WHERE k.key_hash = ? AND (k.ends_at IS NULL OR k.ends_at > ?)

-- name: tail_waiting
SELECT COALESCE(SUM(items), 0), MIN(received_at) FROM tail
-- Everything up to before this position is folded: the oldest that waits, else the next one to come.
-- name: folded_until
SELECT COALESCE((SELECT MIN(first_position) FROM tail), (SELECT value + 1 FROM counter WHERE name = 'position'))
-- name: outbox_counts
SELECT status, COUNT(*) FROM outbox GROUP BY status ORDER BY status
-- name: messages_since
SELECT COUNT(*) FROM message_log WHERE status = 'sent' AND clock >= ?
-- name: last_touch
SELECT at FROM entry WHERE seq IS NOT NULL AND origin = 0 ORDER BY seq DESC LIMIT 1
-- name: last_seen
SELECT MAX(last_seen_at) FROM person

-- The log as the live page shows it: ticks left out. before, name pattern (lower case), touchpoint or '', limit.
-- name: log_before
SELECT seq, clock, at, type, name, person, source, touchpoint, origin, properties
FROM entry WHERE seq < ? AND type <> 'tick' AND LOWER(name) LIKE ? ESCAPE '!' AND (? = '' OR touchpoint = ?)
  AND (? = '' OR source = ? OR source = ?)
ORDER BY seq DESC LIMIT ?
-- name: log_after
SELECT seq, clock, at, type, name, person, source, touchpoint, origin, properties
FROM entry WHERE seq > ? ORDER BY seq LIMIT ?
-- name: log_first
SELECT MIN(seq) FROM entry WHERE seq IS NOT NULL
-- name: entry_at
SELECT at FROM entry WHERE position = ?
-- name: person_label
SELECT person, label FROM person WHERE lane = ? AND person = ?

-- Newest first after (last_seen_at, person); the pattern is lower case, ! escapes.
-- name: persons_newest
SELECT person, label, last_seen_at, state FROM person
WHERE last_seen_at < ? OR (last_seen_at = ? AND person < ?)
ORDER BY last_seen_at DESC, person DESC LIMIT ?
-- name: persons_matching
SELECT person, label, last_seen_at, state FROM person
WHERE (last_seen_at < ? OR (last_seen_at = ? AND person < ?))
  AND (LOWER(label) LIKE ? ESCAPE '!' OR EXISTS (
    SELECT 1 FROM identifier i WHERE i.person = person.person AND LOWER(i.value) LIKE ? ESCAPE '!'))
ORDER BY last_seen_at DESC, person DESC LIMIT ?
-- name: person_row
SELECT person, label, last_seen_at, state FROM person WHERE lane = ? AND person = ?
-- Refused merges, newest first: n < ?, at most ?.
-- name: refused_page
SELECT n, person_a, person_b, reason, at, kind_a, value_a, kind_b, value_b FROM refused_merge WHERE n < ? ORDER BY n DESC LIMIT ?
-- name: refused_between
SELECT n FROM refused_merge WHERE (person_a = ? AND person_b = ?) OR (person_a = ? AND person_b = ?) ORDER BY n
-- name: segments_of
SELECT segment, since FROM shown_member WHERE lane = ? AND person = ? ORDER BY since DESC, segment
-- name: ledger_of
SELECT n, seq, channel, address, purpose, status, at, source, wording, actor, evidence, until
FROM ledger WHERE lane = ? AND person = ? ORDER BY n

-- The timeline, newest first, from two tables: events before (at, seq), decisions before n. The first ? is 1 to leave out the engine's own.
-- name: timeline_events
SELECT at, seq, clock, origin, type, name, source, touchpoint, properties FROM history
WHERE lane = ? AND person = ? AND (at < ? OR (at = ? AND seq < ?)) AND name <> 'Contact Decided'
  AND (? = 0 OR origin = 0 OR name IN ('Message Clicked', 'Message Opened', 'Message Unsubscribed', 'Consent Given', 'Consent Withdrawn'))
ORDER BY at DESC, seq DESC LIMIT ?
-- name: timeline_verdicts
SELECT n, seq, clock, journey, step, message, channel, verdict, reason, until, detail FROM verdict
WHERE lane = ? AND person = ? AND n < ? ORDER BY n DESC LIMIT ?

-- Dead letters, the newest first. An empty code is any.
-- name: dead_page
SELECT position, clock, received_at, source, code, detail, body, code_version, kind, items FROM dead
WHERE position < ? AND (? = '' OR code = ?) ORDER BY position DESC LIMIT ?
-- name: dead_get
SELECT position, clock, received_at, source, code, detail, body, code_version, kind, items FROM dead WHERE position = ?
-- name: dead_counts
SELECT code, COUNT(*) FROM dead GROUP BY code ORDER BY code
-- name: dead_details
SELECT detail, COUNT(*) FROM dead WHERE code = ? GROUP BY detail ORDER BY detail
-- name: definition_versions
SELECT version FROM definition WHERE kind = ? AND id = ? ORDER BY version
-- name: dead_delete
DELETE FROM dead WHERE position = ?

-- name: history_named
SELECT name, at, seq, source, machine, properties FROM history WHERE lane = ? AND person = ? AND name = ? ORDER BY at, seq

-- name: members_page
SELECT person FROM shown_member WHERE segment = ? AND person > ? ORDER BY person LIMIT ?
-- The kinds of identifier that were ever in force, and the entries that brought them, while the Book has these.
-- name: identity_versions
SELECT d.position, d.body, e.seq FROM definition d LEFT JOIN entry e ON e.position = d.position
WHERE d.kind = 'identity' ORDER BY d.version
-- name: definition_positions
SELECT kind, id, version, position FROM definition WHERE active = 1 ORDER BY kind, id
-- Those in force at a position of the log, and the newest of these positions.
-- name: definitions_until
SELECT d.kind, d.id, d.version, d.body FROM definition d
WHERE d.position <= ? AND NOT EXISTS (
  SELECT 1 FROM definition n WHERE n.kind = d.kind AND n.id = d.id AND n.version > d.version AND n.position <= ?)
ORDER BY d.kind, d.id
-- name: journey_totals
SELECT journey, COUNT(*), SUM(CASE WHEN status = 'active' THEN 1 ELSE 0 END), SUM(contacted), SUM(goal),
  SUM(CASE WHEN arm = 'control' THEN 1 ELSE 0 END)
FROM run GROUP BY journey ORDER BY journey
-- name: catalog_page
SELECT key, body FROM catalog WHERE catalog = ? AND key > ? ORDER BY key LIMIT ?

-- name: suppression_of
SELECT at FROM suppression WHERE address_hash = ? AND channel = ? AND purpose IN (?, '') AND reason = ?

-- Staff, sessions, repeated requests.
-- name: staff_get
SELECT name, role, language, password FROM staff WHERE name = ?
-- name: staff_put
INSERT INTO staff (name, role, language, password) VALUES (?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE SET role = excluded.role, language = excluded.language, password = excluded.password
-- name: staff_count
SELECT COUNT(*) FROM staff
-- name: session_get
SELECT s.name, f.role, f.language FROM session s JOIN staff f ON f.name = s.name WHERE s.token_hash = ? AND s.expires_at > ?
-- name: session_put
INSERT INTO session (token_hash, name, expires_at) VALUES (?, ?, ?)
-- name: session_drop
DELETE FROM session WHERE token_hash = ?
-- name: sessions_drop_of
DELETE FROM session WHERE name = ?
-- name: sessions_expire
DELETE FROM session WHERE expires_at <= ?
-- name: idempotency_get
SELECT route, body_hash, status, answer FROM idempotency WHERE key = ? AND at > ?
-- name: idempotency_put
INSERT INTO idempotency (key, route, body_hash, status, answer, at) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET route = excluded.route, body_hash = excluded.body_hash, status = excluded.status, answer = excluded.answer, at = excluded.at
-- name: idempotency_acting
UPDATE idempotency SET at = ? WHERE key = ? AND status = ?
-- name: idempotency_expire
DELETE FROM idempotency WHERE at <= ?
