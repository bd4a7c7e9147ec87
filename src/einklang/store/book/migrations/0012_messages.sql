-- A merge and a split give messages to another person: not by looking through all of them.
CREATE INDEX message_log_person ON message_log (lane, person);
