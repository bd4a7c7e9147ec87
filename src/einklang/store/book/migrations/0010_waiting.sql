-- Events that name nobody and speak of an object whose owner is not known yet; body: the event (JSON). One row for each
-- object that it speaks of.
CREATE TABLE object_waiting (
  kind TEXT NOT NULL, id TEXT NOT NULL, seq INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, id, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX object_waiting_seq ON object_waiting (seq);
-- Whose such events are: they stand in the history under the object.
CREATE INDEX history_object ON history (seq) WHERE key_kind > 'object:' AND key_kind < 'object;';
