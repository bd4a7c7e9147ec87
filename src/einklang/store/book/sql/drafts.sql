-- Drafts (app/drafts.py): the codes that lead to them. What was typed is read from the history of its owner and from the tail.

-- name: draft_code_put
INSERT INTO draft_code (code_hash, draft, kind, value, ends_at) VALUES (?, ?, ?, ?, ?)

-- A draft has one code at a time.
-- name: draft_code_drop_of
DELETE FROM draft_code WHERE draft = ?

-- name: draft_codes_expire
DELETE FROM draft_code WHERE ends_at <= ?

-- name: draft_code_get
SELECT draft, kind, value FROM draft_code WHERE code_hash = ? AND ends_at > ?
