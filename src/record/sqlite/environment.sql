-- The environment that the record belongs to (record/environment.rs): no row while nobody has bound it, and never a second one.
CREATE TABLE record_environment (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    environment TEXT NOT NULL,
    bound_at    INTEGER NOT NULL                 -- seconds since 1970
) STRICT;
CREATE TRIGGER record_environment_no_update BEFORE UPDATE ON record_environment
BEGIN SELECT RAISE(ABORT, 'a record is bound once'); END;
CREATE TRIGGER record_environment_no_delete BEFORE DELETE ON record_environment
BEGIN SELECT RAISE(ABORT, 'a record is bound once'); END;

-- What is put in place of a row is no UPDATE, and its DELETE calls no trigger (INSERT OR REPLACE; SQLite, "CREATE TRIGGER").
CREATE TRIGGER record_environment_once BEFORE INSERT ON record_environment
WHEN EXISTS (SELECT 1 FROM record_environment)
BEGIN SELECT RAISE(ABORT, 'a record is bound once'); END;
CREATE TRIGGER key_version_once BEFORE INSERT ON key_version
WHEN EXISTS (SELECT 1 FROM key_version WHERE key_id = NEW.key_id OR public_key = NEW.public_key)
BEGIN SELECT RAISE(ABORT, 'a key version never changes'); END;
