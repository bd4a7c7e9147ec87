-- In which stage of a definition a person is, since when; who is in none has no row.
CREATE TABLE standing (
  lane INTEGER NOT NULL, person TEXT NOT NULL, stage TEXT NOT NULL, name TEXT NOT NULL, since INTEGER NOT NULL,
  PRIMARY KEY (lane, person, stage)
) STRICT, WITHOUT ROWID;
CREATE INDEX standing_name ON standing (stage, name, person);
