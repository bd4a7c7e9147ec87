-- Identity at full strength: when evidence was received, what staff keeps apart, and as whom an event was folded.

-- The earliest receipt of a call that said so: only evidence from before a call makes a person known to it.
ALTER TABLE edge ADD COLUMN received_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE identifier ADD COLUMN received_at INTEGER NOT NULL DEFAULT 0;
-- Identifiers that staff keeps apart, one row a pair: no evidence joins them until a later decision says otherwise.
CREATE TABLE apart (
  kind_a TEXT NOT NULL, value_a TEXT NOT NULL, kind_b TEXT NOT NULL, value_b TEXT NOT NULL,
  at INTEGER NOT NULL, message_id TEXT NOT NULL, PRIMARY KEY (kind_a, value_a, kind_b, value_b)
) STRICT, WITHOUT ROWID;
-- The two identifiers that a refused call named.
ALTER TABLE refused_merge ADD COLUMN kind_a TEXT NOT NULL DEFAULT '';
ALTER TABLE refused_merge ADD COLUMN value_a TEXT NOT NULL DEFAULT '';
ALTER TABLE refused_merge ADD COLUMN kind_b TEXT NOT NULL DEFAULT '';
ALTER TABLE refused_merge ADD COLUMN value_b TEXT NOT NULL DEFAULT '';
CREATE INDEX refused_merge_a ON refused_merge (person_a);
CREATE INDEX refused_merge_b ON refused_merge (person_b);
-- Whose an event was when it was folded, which a merge does not change: a split gives back by it.
ALTER TABLE history ADD COLUMN folded TEXT NOT NULL DEFAULT '';
UPDATE history SET folded = COALESCE((SELECT entry.person FROM entry WHERE entry.seq = history.seq), person);
