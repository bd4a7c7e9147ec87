-- The index of business objects (app/object_index.py).

-- name: object_put
INSERT INTO object (kind, id, person, state, first, began, changed) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (kind, id, person) DO UPDATE SET state = excluded.state, first = excluded.first, began = excluded.began,
  changed = excluded.changed
-- name: object_drop
DELETE FROM object WHERE person = ?
-- name: object_owners
SELECT person, first FROM object WHERE kind = ? AND id = ? ORDER BY first, person
-- Those of a kind with ids from a first one on and below a bound, after (id, person); all, or those in a state.
-- name: objects_page
SELECT id, person FROM object WHERE kind = ? AND id >= ? AND id < ? AND (id > ? OR person > ?) ORDER BY id, person LIMIT ?
-- name: objects_page_in
SELECT id, person FROM object WHERE kind = ? AND state = ? AND id >= ? AND id < ? AND (id > ? OR person > ?)
ORDER BY id, person LIMIT ?
-- The same of the members of a group.
-- name: objects_of_party
SELECT o.id, o.person FROM object o WHERE o.kind = ? AND (o.id > ? OR (o.id = ? AND o.person > ?))
  AND EXISTS (SELECT 1 FROM party_member m WHERE m.type = ? AND m.id = ? AND m.person = o.person) ORDER BY o.id, o.person LIMIT ?
-- The members of a group who have any of a kind.
-- name: party_with_objects
SELECT m.person FROM party_member m WHERE m.type = ? AND m.id = ?
  AND EXISTS (SELECT 1 FROM object o WHERE o.person = m.person AND o.kind = ?) ORDER BY m.person
-- name: all_object
SELECT kind, id, person, state, first, began, changed FROM object ORDER BY kind, id, person
-- name: object_waiting_put
INSERT INTO object_waiting (kind, id, seq, body) VALUES (?, ?, ?, ?)
-- name: object_waiting_drop
DELETE FROM object_waiting WHERE seq = ?
-- name: object_waiting_of
SELECT seq, body FROM object_waiting WHERE kind = ? AND id = ? ORDER BY seq
-- name: object_waiting_any
SELECT 1 FROM object_waiting LIMIT 1
-- name: object_waiting_by_seq
SELECT seq, kind, id, body FROM object_waiting ORDER BY seq, kind, id
-- name: object_waiting_page
SELECT seq, kind, id, body FROM object_waiting WHERE seq > ? ORDER BY seq, kind, id LIMIT ?
-- name: all_object_waiting
SELECT kind, id, seq, body FROM object_waiting ORDER BY kind, id, seq
-- name: all_object_event
SELECT seq, person FROM history WHERE key_kind > 'object:' AND key_kind < 'object;' ORDER BY seq
