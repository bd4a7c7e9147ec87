-- A consent may be given for a time: when it ends, 0: never.
ALTER TABLE ledger ADD COLUMN until INTEGER NOT NULL DEFAULT 0;
CREATE TRIGGER ledger_until_stays
BEFORE UPDATE OF until ON ledger
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
