-- The state as testing/canonical.py compares it: no position, no time of receipt. Tables by lane come a lane at a time.

-- name: all_person
SELECT person, label, last_seen_at, state FROM person WHERE lane = ? ORDER BY person
-- name: all_history
SELECT person, at, seq, clock, origin, type, name, message_id, source, touchpoint, key_kind, key_value, device, machine, properties, context
FROM history WHERE lane = ? ORDER BY person, at, seq
-- name: all_run
SELECT person, run, journey, version, arm, status, step, entered_at, ended_at, contacted, goal, body FROM run WHERE lane = ? ORDER BY person, run
-- name: all_member
SELECT person, segment, since FROM member WHERE lane = ? ORDER BY person, segment
-- name: all_shadow
SELECT person, segment, member, since FROM shadow WHERE lane = ? ORDER BY person, segment
-- name: all_standing
SELECT person, stage, name, since FROM standing WHERE lane = ? ORDER BY person, stage
-- name: all_timer
SELECT person, due FROM timer WHERE lane = ? ORDER BY person
-- name: all_outbox
SELECT person, key, run, journey, step, round, message, class, purpose, channel, address FROM outbox WHERE lane = ? ORDER BY person, key

-- name: all_identifier
SELECT kind, value, person, first_at FROM identifier ORDER BY kind, value
-- name: all_edge
SELECT kind_a, value_a, kind_b, value_b, strength, at, message_id, source, evidence FROM edge ORDER BY kind_a, value_a, kind_b, value_b
-- name: all_apart
SELECT kind_a, value_a, kind_b, value_b, at, message_id FROM apart ORDER BY kind_a, value_a, kind_b, value_b
-- name: all_alias
SELECT person, living FROM alias ORDER BY person
-- name: all_sign_in
SELECT device, at, message_id, kind, value, void FROM sign_in ORDER BY device, at, message_id
-- name: all_refused_merge
SELECT n, person_a, person_b, reason, at, message_id, kind_a, value_a, kind_b, value_b FROM refused_merge ORDER BY n
-- What was withdrawn at the door of the log is known before it is folded: the ledger has it from the log.
-- name: all_suppression
SELECT address_hash, channel, purpose, reason, at FROM suppression WHERE reason NOT IN ('withdrawn', 'refused') ORDER BY address_hash, channel, purpose, reason
-- name: all_definition
SELECT kind, id, version, body, hash, active FROM definition ORDER BY kind, id, version
-- name: all_catalog
SELECT catalog, key, body FROM catalog ORDER BY catalog, key
-- name: all_stop
SELECT journey, since, until FROM stop ORDER BY journey
-- name: all_expired
SELECT name, bound, seq FROM expired ORDER BY name
-- name: all_counter
SELECT name, value FROM counter WHERE name IN ('seq', 'clock', 'verdicts', 'assignments', 'outcomes', 'messages', 'ledger', 'refused') ORDER BY name

-- Tables that only grow, n > ?, at most ? rows.
-- name: all_ledger
SELECT n, seq, person, channel, address, purpose, status, at, clock, source, wording, actor, evidence, until, hash FROM ledger WHERE n > ? ORDER BY n LIMIT ?
-- name: all_verdict
SELECT n, person, seq, clock, run, journey, step, message, channel, verdict, reason, until, detail FROM verdict WHERE n > ? ORDER BY n LIMIT ?
-- contacted_at is what the delivery noted; the message log has it from the log.
-- name: all_assignment
SELECT n, person, scope, run, journey, step, arm, probability, salt_version, eligible_at, decided_at, would_contact, suppressed_by, channel, propensity,
  cost, contaminated
FROM assignment WHERE n > ? ORDER BY n LIMIT ?
-- name: all_outcome
SELECT n, person, scope, run, seq, at, value FROM outcome WHERE n > ? ORDER BY n LIMIT ?
-- name: all_message_log
SELECT n, key, person, run, journey, step, message, channel, status, reason, clock FROM message_log WHERE n > ? ORDER BY n LIMIT ?

-- What was sequenced, seq > ?.
-- name: all_entry
SELECT seq, clock, at, format, origin, type, name, message_id, source, touchpoint, machine, person, identifiers, properties, context
FROM entry WHERE seq > ? ORDER BY seq LIMIT ?

-- name: dead_count
SELECT COUNT(*) FROM dead
-- name: tail_items
SELECT COALESCE(SUM(items), 0) FROM tail
-- name: dead_told
SELECT code, detail, body, code_version FROM dead ORDER BY position
