-- Who has which business objects: of each object and each person whose events speak of it the state, the seq of the first
-- of these events in the log, when it began, and when it was told of last.
CREATE TABLE object (
  kind TEXT NOT NULL, id TEXT NOT NULL, person TEXT NOT NULL, state TEXT NOT NULL, first INTEGER NOT NULL,
  began INTEGER NOT NULL, changed INTEGER NOT NULL,
  PRIMARY KEY (kind, id, person)
) STRICT, WITHOUT ROWID;
CREATE INDEX object_person ON object (person, kind);
CREATE INDEX object_state ON object (kind, state, id, person);
