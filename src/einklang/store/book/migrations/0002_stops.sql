-- When a journey was paused, or (journey '') nothing was worked off at all: the last stop of each; until is null while it lasts.
CREATE TABLE stop (journey TEXT PRIMARY KEY, since INTEGER NOT NULL, until INTEGER) STRICT, WITHOUT ROWID;
INSERT INTO stop (journey, since, until)
  SELECT '', f.value, t.value FROM counter f JOIN counter t ON t.name = 'stopped_to' WHERE f.name = 'stopped_from' AND t.value > 0;
DELETE FROM counter WHERE name IN ('stopped_from', 'stopped_to');
-- A hand-over asks whether definitions wait to be put in force.
CREATE INDEX tail_definition ON tail (first_position) WHERE kind = 'definition';
