-- Webhooks on changes of segments (app/activation.py), and what staff does about destinations (app/activation_health.py).

-- name: delivery_put
INSERT INTO delivery (destination, seq, person, status, attempts, taken_at, next_at, reason, body) VALUES (?, ?, ?, 'waiting', 0, ?, ?, '', ?)
ON CONFLICT (destination, seq) DO NOTHING

-- What waits, in the order of the log, with whose it is now: a merge since then does not change who comes first.
-- name: deliveries_waiting
SELECT d.seq, COALESCE(a.living, d.person), d.next_at FROM delivery d LEFT JOIN alias a ON a.person = d.person
WHERE d.destination = ? AND d.status = 'waiting' ORDER BY d.seq

-- name: delivery_get
SELECT attempts, taken_at, body FROM delivery WHERE destination = ? AND seq = ? AND status = 'waiting'

-- name: delivery_drop
DELETE FROM delivery WHERE destination = ? AND seq = ?

-- name: delivery_tried
UPDATE delivery SET status = ?, attempts = ?, next_at = ?, reason = ? WHERE destination = ? AND seq = ? AND status = 'waiting'

-- Dead ones wait again: of one destination with this seq, or all of it where the seq is 0.
-- name: deliveries_replay
UPDATE delivery SET status = 'waiting', attempts = 0, taken_at = ?, next_at = 0, reason = 'replayed'
WHERE destination = ? AND status = 'dead' AND (? = 0 OR seq = ?)

-- Dead changes of a person, and those told again that were not tried yet, which are older than one that was taken.
-- name: deliveries_before
SELECT seq, reason, body FROM delivery
WHERE destination = ? AND person = ? AND seq < ? AND (status = 'dead' OR (status = 'waiting' AND reason = 'replayed')) ORDER BY seq

-- name: delivery_overtaken
UPDATE delivery SET status = 'overtaken', next_at = ?, reason = ? WHERE destination = ? AND seq = ?

-- name: delivery_status
SELECT status FROM delivery WHERE destination = ? AND seq = ?

-- What waited while nothing was sent has its whole patience again.
-- name: deliveries_again
UPDATE delivery SET taken_at = ?, next_at = 0 WHERE destination = ? AND status = 'waiting'

-- What waits for its next try has it at once, and no more patience than before.
-- name: deliveries_soon
UPDATE delivery SET next_at = 0 WHERE destination = ? AND status = 'waiting'

-- name: deliveries_expire
DELETE FROM delivery WHERE destination = ? AND status IN ('dead', 'overtaken') AND next_at < ?

-- Newest first, of one status.
-- name: deliveries_page
SELECT seq, person, status, attempts, taken_at, next_at, reason FROM delivery
WHERE destination = ? AND status = ? AND seq < ? ORDER BY seq DESC LIMIT ?

-- name: delivery_counts
SELECT destination, status, COUNT(*), MIN(taken_at), MIN(next_at) FROM delivery GROUP BY destination, status ORDER BY destination, status

-- name: destination_faults
SELECT id, error, held FROM destination ORDER BY id

-- Changes of segments after a seq, in order.
-- name: changes_after
SELECT seq, at, clock, name, person, properties FROM entry
WHERE seq > ? AND name IN ('Segment Entered', 'Segment Left') ORDER BY seq LIMIT ?

-- The seq of the entry that put a definition in force, while the Book has it.
-- name: defined_at_seq
SELECT e.seq FROM definition d JOIN entry e ON e.position = d.position
WHERE d.kind = 'destination' AND d.id = ? AND d.version = 1 AND e.seq IS NOT NULL

-- name: destination_begin
INSERT INTO destination (id, version, cursor, notes, done_at, tried_at, again_at, attempts, error, sent, held, since)
VALUES (?, ?, ?, '{}', 0, 0, 0, 0, '', 0, '', 0) ON CONFLICT (id) DO NOTHING

-- name: destination_cursor
UPDATE destination SET cursor = ? WHERE id = ?

-- name: destination_served
UPDATE destination SET done_at = ?, tried_at = ?, again_at = 0, attempts = 0, error = '', sent = sent + ? WHERE id = ?

-- name: destination_failed
UPDATE destination SET tried_at = ?, again_at = ?, attempts = attempts + 1, error = ? WHERE id = ?

-- name: destination_held
UPDATE destination SET held = ?, since = ? WHERE id = ?

-- name: destination_again
UPDATE destination SET again_at = 0, attempts = 0, error = '' WHERE id = ?
