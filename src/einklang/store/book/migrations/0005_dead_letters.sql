-- What a dead letter was, so that it can be taken in again: how its body is encoded, and how many events it holds.
ALTER TABLE dead ADD COLUMN kind TEXT NOT NULL DEFAULT '';
ALTER TABLE dead ADD COLUMN items INTEGER NOT NULL DEFAULT 1;
