-- Households, companies, ...: what is known of a group (traits by event time, JSON), and who belongs to it.
CREATE TABLE party (type TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (type, id)) STRICT, WITHOUT ROWID;
CREATE TABLE party_member (
  type TEXT NOT NULL, id TEXT NOT NULL, person TEXT NOT NULL, role TEXT NOT NULL, contact INTEGER NOT NULL, since INTEGER NOT NULL,
  PRIMARY KEY (type, id, person)
) STRICT, WITHOUT ROWID;
