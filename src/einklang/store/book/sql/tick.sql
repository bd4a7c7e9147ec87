-- The tick (app/tick.py): what it reads of a person, and its write set in the order of app/output.py.

-- name: person_get
SELECT state FROM person WHERE lane = ? AND person = ?
-- name: history_of
SELECT at, seq, clock, received_at, origin, type, name, message_id, source, touchpoint, key_kind, key_value, device, machine, properties, context, folded
FROM history WHERE lane = ? AND person = ? ORDER BY at, seq
-- name: runs_of
SELECT body FROM run WHERE lane = ? AND person = ? ORDER BY entered_at, run
-- Due timers after (due, person), page by page.
-- name: timers_due
SELECT due, person FROM timer WHERE due <= ? AND (due > ? OR (due = ? AND person > ?)) ORDER BY due, person LIMIT ?
-- name: next_timer
SELECT due FROM timer ORDER BY due LIMIT 1
-- name: persons_page
SELECT person FROM person WHERE lane = ? AND person > ? ORDER BY person LIMIT ?

-- name: identifier_get
SELECT person, first_at, received_at FROM identifier WHERE kind = ? AND value = ?
-- name: identifiers_of
SELECT kind, value, first_at FROM identifier WHERE person = ? ORDER BY kind, value
-- name: identifiers_known
SELECT kind, value, first_at, received_at FROM identifier WHERE person = ? ORDER BY kind, value
-- name: edge_get
SELECT strength, at, message_id, source, evidence, received_at FROM edge WHERE kind_a = ? AND value_a = ? AND kind_b = ? AND value_b = ?
-- name: edges_of
SELECT kind_a, value_a, kind_b, value_b, strength, at, message_id, source, evidence, received_at FROM edge WHERE kind_a = ? AND value_a = ?
UNION ALL
SELECT kind_a, value_a, kind_b, value_b, strength, at, message_id, source, evidence, received_at FROM edge WHERE kind_b = ? AND value_b = ?
-- name: alias_get
SELECT living FROM alias WHERE person = ?
-- name: aliases_of
SELECT person FROM alias WHERE living = ? ORDER BY person
-- name: sign_ins_of
SELECT at, message_id, device, kind, value, void FROM sign_in WHERE device = ? ORDER BY at, message_id
-- name: claims_of
SELECT at, message_id, device, kind, value, void FROM sign_in WHERE kind = ? AND value = ? ORDER BY device, at, message_id
-- name: next_signed
SELECT at, message_id FROM history WHERE lane = ? AND person = ? AND device = ? AND key_kind = ? AND key_value = ?
  AND (at > ? OR (at = ? AND message_id > ?)) ORDER BY at, message_id LIMIT 1

-- Who said that an identifier is signed in on a device, in the first events from a moment on: (lane, person, at, how many, device, kind, value).
-- name: signed_by
SELECT DISTINCT origin, source FROM (
  SELECT origin, source, device, key_kind, key_value FROM history WHERE lane = ? AND person = ? AND at >= ? ORDER BY at, seq LIMIT ?
) AS first WHERE device = ? AND key_kind = ? AND key_value = ?
-- name: tail_of_kind
SELECT first_position, items, received_at, source, kind, body FROM tail WHERE kind = ? ORDER BY first_position
-- name: definitions_waiting
SELECT first_position FROM tail WHERE kind = 'definition' LIMIT 1
-- Which definitions are in force.
-- name: definitions_stamp
SELECT MAX(position) FROM definition
-- name: tail_delete
DELETE FROM tail WHERE first_position = ?
-- name: message_id_get
SELECT body, position FROM message_id WHERE id = ?
-- name: message_id_put
INSERT INTO message_id (id, body, position) VALUES (?, ?, ?)
-- name: dead_put
INSERT INTO dead (position, clock, received_at, source, code, detail, body, code_version, kind, items)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
-- name: entry_mark
UPDATE entry SET context = ? WHERE position = ?

-- name: entry_put
INSERT INTO entry (position, seq, clock, at, received_at, format, origin, type, name, message_id, source, touchpoint, machine, person, identifiers,
  properties, context)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
-- name: entry_sequence
UPDATE entry SET seq = ?, clock = ?, person = ? WHERE position = ?
-- A poison event leaves the log before it is sequenced.
-- name: entry_drop
DELETE FROM entry WHERE position = ? AND seq IS NULL
-- name: entry_pending
SELECT position, at, received_at, origin, type, name, message_id, source, touchpoint, machine, identifiers, properties, context
FROM entry WHERE seq IS NULL AND at <= ? ORDER BY at, position LIMIT ?
-- at <= ?, after (at, position): where a run goes on whose last chunk is still on its way.
-- name: entry_pending_after
SELECT position, at, received_at, origin, type, name, message_id, source, touchpoint, machine, identifiers, properties, context
FROM entry WHERE seq IS NULL AND at <= ? AND (at, position) > (?, ?) ORDER BY at, position LIMIT ?
-- What was said of lists and is not worked off yet.
-- name: entry_pending_lists
SELECT position, at, received_at, origin, type, name, message_id, source, touchpoint, machine, identifiers, properties, context
FROM entry WHERE seq IS NULL AND name IN ('Segment Listed', 'Segment Unlisted') ORDER BY at, position
-- name: entry_first_at
SELECT MIN(at) FROM entry WHERE seq IS NULL AND at >= ?
-- name: entry_pending_count
SELECT COUNT(*) FROM entry WHERE seq IS NULL
-- name: definition_put
INSERT INTO definition (kind, id, version, body, hash, position, active) VALUES (?, ?, ?, ?, ?, ?, 1)
ON CONFLICT (kind, id, version) DO UPDATE SET body = excluded.body, hash = excluded.hash, position = excluded.position, active = 1
-- name: definition_retire
UPDATE definition SET active = 0 WHERE kind = ? AND id = ? AND version < ?
-- name: definitions_active
SELECT kind, id, version, body FROM definition WHERE active = 1 ORDER BY kind, id
-- name: definition_version
SELECT body FROM definition WHERE kind = ? AND id = ? AND version = ?
-- name: stops
SELECT journey, since, until FROM stop ORDER BY journey
-- name: stop_put
INSERT INTO stop (journey, since, until) VALUES (?, ?, ?) ON CONFLICT (journey) DO UPDATE SET since = excluded.since, until = excluded.until
-- name: expired_put
INSERT INTO expired (name, bound, seq) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET bound = excluded.bound, seq = excluded.seq
-- Whose history still holds what has expired, in the order of the key: one look along it, however many slices.
-- name: persons_expiring
SELECT h.person FROM history h WHERE (h.lane, h.person) > (?, ?) AND h.type IN ('track', 'page', 'screen')
  AND EXISTS (SELECT 1 FROM expired x WHERE x.name = h.name AND h.at < x.bound AND h.seq <= x.seq)
  GROUP BY h.lane, h.person ORDER BY h.lane, h.person LIMIT ?
-- name: history_expire
DELETE FROM history WHERE lane = ? AND person = ? AND at = ? AND seq = ?
-- name: catalog_put
INSERT INTO catalog (catalog, key, body) VALUES (?, ?, ?) ON CONFLICT (catalog, key) DO UPDATE SET body = excluded.body
-- name: catalog_get
SELECT body FROM catalog WHERE catalog = ? AND key = ?

-- name: edge_put
INSERT INTO edge (kind_a, value_a, kind_b, value_b, strength, at, message_id, source, evidence, received_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (kind_a, value_a, kind_b, value_b) DO UPDATE SET strength = excluded.strength, at = excluded.at, message_id = excluded.message_id,
  source = excluded.source, evidence = excluded.evidence, received_at = excluded.received_at
-- name: apart_all
SELECT kind_a, value_a, kind_b, value_b, at, message_id FROM apart ORDER BY kind_a, value_a, kind_b, value_b
-- name: apart_put
INSERT INTO apart (kind_a, value_a, kind_b, value_b, at, message_id) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (kind_a, value_a, kind_b, value_b) DO UPDATE SET at = excluded.at, message_id = excluded.message_id
-- name: apart_drop
DELETE FROM apart WHERE kind_a = ? AND value_a = ? AND kind_b = ? AND value_b = ?
-- name: identifier_put
INSERT INTO identifier (kind, value, person, first_at, received_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (kind, value) DO UPDATE SET person = excluded.person, first_at = excluded.first_at, received_at = excluded.received_at
-- name: alias_put
INSERT INTO alias (person, living) VALUES (?, ?) ON CONFLICT (person) DO UPDATE SET living = excluded.living
-- name: alias_drop
DELETE FROM alias WHERE person = ?
-- name: sign_in_put
INSERT INTO sign_in (at, message_id, device, kind, value, void) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (device, at, message_id) DO UPDATE SET kind = excluded.kind, value = excluded.value, void = excluded.void
-- name: sign_in_drop
DELETE FROM sign_in WHERE device = ? AND at = ? AND message_id = ?
-- name: refused_put
INSERT INTO refused_merge (n, person_a, person_b, reason, at, message_id, kind_a, value_a, kind_b, value_b) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: person_put
INSERT INTO person (lane, person, label, last_seen_at, state) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (lane, person) DO UPDATE SET label = excluded.label, last_seen_at = excluded.last_seen_at, state = excluded.state
-- name: history_put
INSERT INTO history (lane, person, at, seq, clock, received_at, origin, type, name, message_id, source, touchpoint, key_kind, key_value, device, machine, properties, context, folded)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
-- name: run_put
INSERT INTO run (lane, person, run, journey, version, arm, status, step, entered_at, ended_at, contacted, goal, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (lane, person, run) DO UPDATE SET version = excluded.version, arm = excluded.arm, status = excluded.status, step = excluded.step,
  ended_at = excluded.ended_at, contacted = excluded.contacted, goal = excluded.goal, body = excluded.body
-- name: member_put
INSERT INTO member (lane, person, segment, since) VALUES (?, ?, ?, ?) ON CONFLICT (lane, person, segment) DO UPDATE SET since = excluded.since
-- name: member_drop
DELETE FROM member WHERE lane = ? AND person = ? AND segment = ?
-- name: shadow_put
INSERT INTO shadow (lane, person, segment, member, since) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (lane, person, segment) DO UPDATE SET member = excluded.member, since = excluded.since
-- name: shadow_drop
DELETE FROM shadow WHERE lane = ? AND person = ? AND segment = ?
-- name: standing_put
INSERT INTO standing (lane, person, stage, name, since) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (lane, person, stage) DO UPDATE SET name = excluded.name, since = excluded.since
-- name: standing_drop
DELETE FROM standing WHERE lane = ? AND person = ? AND stage = ?
-- name: timer_put
INSERT INTO timer (lane, person, due) VALUES (?, ?, ?) ON CONFLICT (lane, person) DO UPDATE SET due = excluded.due
-- name: person_delete
DELETE FROM person WHERE lane = ? AND person = ?
-- name: run_delete
DELETE FROM run WHERE lane = ? AND person = ?
-- name: member_delete
DELETE FROM member WHERE lane = ? AND person = ?
-- name: shadow_delete
DELETE FROM shadow WHERE lane = ? AND person = ?
-- name: standing_delete
DELETE FROM standing WHERE lane = ? AND person = ?
-- name: timer_delete
DELETE FROM timer WHERE lane = ? AND person = ?

-- A merge gives the rows of the merged person to the living one: (lane, person) := ..., (lane, person) = ...
-- name: history_rekey
UPDATE history SET lane = ?, person = ? WHERE lane = ? AND person = ?
-- name: ledger_rekey
UPDATE ledger SET lane = ?, person = ? WHERE lane = ? AND person = ?
-- name: verdict_rekey
UPDATE verdict SET lane = ?, person = ? WHERE lane = ? AND person = ?
-- name: assignment_rekey
UPDATE assignment SET lane = ?, person = ? WHERE lane = ? AND person = ?
-- name: outcome_rekey
UPDATE outcome SET lane = ?, person = ? WHERE lane = ? AND person = ?
-- name: outbox_rekey
UPDATE outbox SET lane = ?, person = ? WHERE lane = ? AND person = ?
-- name: message_log_rekey
UPDATE message_log SET lane = ?, person = ? WHERE lane = ? AND person = ?
-- Events of a device in [?, ?) belong to somebody else after a late sign-in.
-- name: history_move
UPDATE history SET lane = ?, person = ? WHERE lane = ? AND person = ? AND seq = ?
-- What goes along with a run or an event that belongs to somebody else after a split.
-- name: verdict_of_run
UPDATE verdict SET lane = ?, person = ? WHERE lane = ? AND person = ? AND run = ?
-- name: assignment_of_run
UPDATE assignment SET lane = ?, person = ? WHERE lane = ? AND person = ? AND run = ?
-- name: outcome_of_run
UPDATE outcome SET lane = ?, person = ? WHERE lane = ? AND person = ? AND run = ?
-- name: outbox_of_run
UPDATE outbox SET lane = ?, person = ? WHERE lane = ? AND person = ? AND run = ?
-- name: message_log_of_run
UPDATE message_log SET lane = ?, person = ? WHERE lane = ? AND person = ? AND run = ?
-- name: outbox_of_key
UPDATE outbox SET lane = ?, person = ? WHERE lane = ? AND person = ? AND key = ?
-- name: message_log_of_key
UPDATE message_log SET lane = ?, person = ? WHERE lane = ? AND person = ? AND key = ?
-- name: ledger_of_seq
UPDATE ledger SET lane = ?, person = ? WHERE lane = ? AND person = ? AND seq = ?
-- name: verdict_of_seq
UPDATE verdict SET lane = ?, person = ? WHERE lane = ? AND person = ? AND run = '' AND seq = ?
-- name: ledger_words
SELECT seq, channel, address, purpose, status, at, until FROM ledger WHERE lane = ? AND person = ?
-- name: outcome_drop
DELETE FROM outcome WHERE lane = ? AND person = ? AND run = ? AND seq = ?
-- name: outbox_ready_again
UPDATE outbox SET status = 'ready', reason = '', updated_at = ? WHERE key = ? AND status = 'withdrawn'

-- name: ledger_put
INSERT INTO ledger (n, seq, lane, person, channel, address, purpose, status, at, clock, source, wording, actor, evidence, hash, until)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
-- name: ledger_last
SELECT hash FROM ledger ORDER BY n DESC LIMIT 1
-- name: verdict_put
INSERT INTO verdict (n, lane, person, seq, clock, run, journey, step, message, channel, verdict, reason, until, detail)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
-- name: assignment_put
INSERT INTO assignment (n, lane, person, scope, run, journey, step, arm, probability, salt_version, eligible_at, decided_at, would_contact,
  suppressed_by, contacted_at, channel, propensity, cost, contaminated)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
-- name: outcome_put
INSERT INTO outcome (n, lane, person, scope, run, seq, at, value) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
-- name: outbox_put
INSERT INTO outbox (lane, person, key, run, journey, step, round, message, class, purpose, channel, address, status, ready_at, updated_at, attempts, reason, data)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
-- name: outbox_status
UPDATE outbox SET status = ?, reason = ?, updated_at = ? WHERE key = ?
-- name: outbox_withdraw
UPDATE outbox SET status = ?, reason = ?, updated_at = ? WHERE key = ? AND status = 'ready'
-- name: message_log_put
INSERT INTO message_log (n, key, lane, person, run, journey, step, message, channel, status, reason, clock) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
-- name: archive_put
INSERT INTO archive (key, body, hash) VALUES (?, ?, ?) ON CONFLICT (key) DO NOTHING
-- What is handed over now, after an attempt that certainly did not arrive.
-- name: archive_set
INSERT INTO archive (key, body, hash) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET body = excluded.body, hash = excluded.hash
-- name: archive_get
SELECT body, hash FROM archive WHERE key = ?
-- name: suppressed
SELECT reason FROM suppression WHERE address_hash = ? AND channel = ? AND purpose IN (?, '')

-- name: runs_of_journey
SELECT body FROM run WHERE journey = ?
-- In order of their ids, over all lanes.
-- name: persons_after
SELECT person FROM person WHERE person > ? ORDER BY person LIMIT ?
-- Who is in a journey, in order of their ids.
-- name: persons_running
SELECT DISTINCT person FROM run WHERE journey = ? AND person > ? AND status = 'active' ORDER BY person LIMIT ?
-- name: runs_active
SELECT DISTINCT person FROM run WHERE status = 'active'
-- When runs of a journey began, after a moment.
-- name: run_entries
SELECT entered_at FROM run WHERE journey = ? AND entered_at > ? ORDER BY entered_at
-- name: members_of
SELECT person FROM shown_member WHERE segment = ? ORDER BY person
-- name: standing_counts
SELECT stage, name, COUNT(*) FROM standing GROUP BY stage, name ORDER BY stage, name
-- name: standing_page
SELECT person FROM standing WHERE stage = ? AND name = ? AND person > ? ORDER BY person LIMIT ?
-- name: member_counts
SELECT segment, COUNT(*) FROM shown_member GROUP BY segment ORDER BY segment
-- Who has answers by a definition that is not told yet.
-- name: shadow_persons
SELECT DISTINCT person FROM shadow ORDER BY person LIMIT ?
-- name: verdicts_of
SELECT n, seq, clock, run, journey, step, message, channel, verdict, reason, until, detail FROM verdict WHERE lane = ? AND person = ? ORDER BY n

-- Station 7. Columns as app/deliver.py Waiting.
-- name: outbox_ready
SELECT lane, person, key, run, journey, step, round, message, class, purpose, channel, address, status, ready_at, attempts, data, reason
FROM outbox WHERE status = 'ready' AND ready_at <= ? ORDER BY ready_at, key LIMIT ?
-- name: outbox_get
SELECT lane, person, key, run, journey, step, round, message, class, purpose, channel, address, status, ready_at, attempts, data, reason
FROM outbox WHERE key = ?
-- name: outbox_handing_over
SELECT lane, person, key, run, journey, step, round, message, class, purpose, channel, address, status, ready_at, attempts, data, reason
FROM outbox WHERE status = 'handing_over' ORDER BY ready_at, key
-- name: outbox_claim
UPDATE outbox SET status = ?, updated_at = ?, attempts = ?, data = ? WHERE key = ?
-- name: outbox_postpone
UPDATE outbox SET ready_at = ?, reason = ?, updated_at = ? WHERE key = ?
-- name: outbox_retry
UPDATE outbox SET status = ?, ready_at = ?, reason = ?, updated_at = ?, data = ? WHERE key = ?
-- What a person was handed, or will be, since a moment: caps are judged by hand-overs, not by decisions. lane, person, updated_at > ?.
-- name: outbox_since
SELECT key, run, journey, message, class, purpose, channel, status, updated_at, data
FROM outbox WHERE lane = ? AND person = ? AND updated_at > ? ORDER BY key
-- name: outbox_next
SELECT MIN(ready_at) FROM outbox WHERE status = 'ready'
-- name: alias_count
SELECT COUNT(*) FROM alias
-- name: person_count
SELECT COUNT(*) FROM person

-- The demo's customers react to what was handed over.
-- name: sent_after
SELECT n, key, person, run, journey, step, clock FROM message_log WHERE n > ? AND status = 'sent' ORDER BY n
-- name: message_last
SELECT MAX(n) FROM message_log
-- name: run_get
SELECT body FROM run WHERE lane = ? AND person = ? AND run = ?
-- name: journeys_retired
SELECT body FROM definition WHERE kind = 'journey' AND active = 0
-- A consent given later lifts what a withdrawal suppressed; bounces and complaints stay.
-- name: suppression_lift
DELETE FROM suppression WHERE address_hash = ? AND channel = ? AND purpose IN (?, '') AND reason = 'withdrawn' AND at <= ?
-- Messages that `run` handed over at or after a moment (they are written to the outbox folder).
-- name: outbox_handed_since
SELECT key, channel, ready_at FROM outbox WHERE status = 'sent' AND reason = ? AND ready_at >= ? ORDER BY ready_at, key
