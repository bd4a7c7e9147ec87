-- Groups (app/groups.py): records and members. `group` is a word of SQL, so the tables are called party.

-- name: party_get
SELECT body FROM party WHERE type = ? AND id = ?
-- name: party_put
INSERT INTO party (type, id, body) VALUES (?, ?, ?) ON CONFLICT (type, id) DO UPDATE SET body = excluded.body
-- name: party_members
SELECT person, role, contact, since FROM party_member WHERE type = ? AND id = ? ORDER BY person
-- name: party_member_put
INSERT INTO party_member (type, id, person, role, contact, since) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (type, id, person) DO UPDATE SET role = excluded.role, contact = excluded.contact, since = excluded.since
-- name: party_member_drop
DELETE FROM party_member WHERE type = ? AND id = ? AND person = ?
-- name: parties_page
SELECT type, id, body FROM party WHERE type = ? AND id > ? ORDER BY id LIMIT ?
-- name: parties_matching
SELECT type, id, body FROM party
WHERE type = ? AND id > ? AND (LOWER(id) LIKE ? ESCAPE '!' OR LOWER(body) LIKE ? ESCAPE '!') ORDER BY id LIMIT ?
-- Groups of which no trait was ever said are known by their members alone.
-- name: parties_of_members
SELECT DISTINCT id FROM party_member WHERE type = ? AND id > ? ORDER BY id LIMIT ?
-- name: party_types
SELECT type, COUNT(DISTINCT id), COUNT(*) FROM party_member GROUP BY type ORDER BY type
-- name: party_size
SELECT COUNT(*) FROM party_member WHERE type = ? AND id = ?
-- After a person; those with a role, or all; the contact persons, or all.
-- name: party_members_page
SELECT person, role, contact, since FROM party_member
WHERE type = ? AND id = ? AND person > ? AND (? = '' OR role = ?) AND contact >= ? ORDER BY person LIMIT ?
-- name: all_party
SELECT type, id, body FROM party ORDER BY type, id
-- name: all_party_member
SELECT type, id, person, role, contact, since FROM party_member ORDER BY type, id, person
