-- Members of segments by a definition that is not in force yet: who was asked so far, and with what answer. Empty when no
-- changed segment is worked out beside the live work.
CREATE TABLE shadow (
  lane INTEGER NOT NULL, person TEXT NOT NULL, segment TEXT NOT NULL, member INTEGER NOT NULL, since INTEGER NOT NULL,
  PRIMARY KEY (lane, person, segment)
) STRICT, WITHOUT ROWID;
CREATE INDEX shadow_person ON shadow (person);
CREATE INDEX shadow_segment ON shadow (segment, person);
-- Members as they are shown: from the switch on (meta `build`) by the new definition, also of those who are not told yet.
CREATE VIEW shown_member AS
SELECT lane, person, segment, since FROM member
WHERE NOT EXISTS (SELECT 1 FROM shadow WHERE shadow.segment = member.segment AND shadow.person = member.person
  AND EXISTS (SELECT 1 FROM meta WHERE key = 'build' AND value LIKE '%"switched":true%'))
UNION ALL
SELECT lane, person, segment, since FROM shadow
WHERE member = 1 AND EXISTS (SELECT 1 FROM meta WHERE key = 'build' AND value LIKE '%"switched":true%');
